using Gateway.Api.Errors;
using Gateway.Api.Telemetry;

namespace Gateway.Api.Admission;

/// <summary>
/// Finds out who calls, where an endpoint wants to know: before its handler has read a byte of the body.
/// </summary>
internal sealed class CallerIdentification(RequestDelegate next, Callers callers)
{
    /// <exception cref="Failure"><c>unauthenticated</c></exception>
    public Task InvokeAsync(HttpContext http)
    {
        if (http.GetEndpoint()?.Metadata.GetMetadata<CallerRequirement>() is { } requirement)
            RequestRecord.Of(http).Caller = callers.Identify(requirement.Credential(http.Request));
        return next(http);
    }
}

/// <summary>An endpoint's requests must come from a caller.</summary>
/// <param name="Credential">Where a request carries its credential; null where it carries none.</param>
internal sealed record CallerRequirement(Func<HttpRequest, string?> Credential);

/// <summary>How endpoints say that they want a caller, <see cref="RequestRecord.Caller"/>.</summary>
internal static class CallerRequirements
{
    private const string Scheme = "Bearer ";

    /// <summary>Wants one of each endpoint of a group, with its credential in <c>Authorization: Bearer</c>.</summary>
    public static TEndpoints RequireCaller<TEndpoints>(this TEndpoints endpoints)
        where TEndpoints : IEndpointConventionBuilder => endpoints.RequireCaller(ReadBearer);

    /// <summary>Wants one of each endpoint of a group, with its credential elsewhere.</summary>
    public static TEndpoints RequireCaller<TEndpoints>(this TEndpoints endpoints, Func<HttpRequest, string?> credential)
        where TEndpoints : IEndpointConventionBuilder => endpoints.WithMetadata(new CallerRequirement(credential));

    /// <returns>Null where there is none, or one of another scheme; what can't be one key is empty, which none is.</returns>
    public static string? ReadBearer(HttpRequest request)
    {
        var header = request.Headers.Authorization;
        if (header.Count > 1)
            return "";
        if (header.Count == 0 || header[0] is not { } credentials)
            return null;
        if (credentials.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase))
            return credentials.AsSpan(Scheme.Length).Trim(' ').ToString();
        // The scheme with nothing behind it, whose space the server has trimmed.
        return credentials.Equals(Scheme.TrimEnd(), StringComparison.OrdinalIgnoreCase) ? "" : null;
    }
}
