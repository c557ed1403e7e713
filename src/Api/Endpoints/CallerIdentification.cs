using Gateway.Api.Callers;
using Gateway.Api.Errors;
using Gateway.Api.Telemetry;

namespace Gateway.Api.Endpoints;

/// <summary>
/// Identifies the caller, for endpoints that require one, and applies its limits. This happens before the handler reads
/// any byte of the body.
/// </summary>
/// <param name="next">The next middleware.</param>
/// <param name="callers">Finds the caller of a key.</param>
/// <param name="memory">The memory budget of all requests.</param>
/// <param name="tokens">Finds the caller of a token; null if no issuer is configured.</param>
internal sealed class CallerIdentification(
    RequestDelegate next, CallerRegistry callers, MemoryBudget memory, Tokens? tokens = null)
{
    /// <exception cref="Failure"><c>unauthenticated</c>, <c>issuer_unavailable</c>, <c>rate_limited</c></exception>
    public Task InvokeAsync(HttpContext http)
    {
        if (http.GetEndpoint()?.Metadata.GetMetadata<CallerRequirement>() is not { } requirement)
            return next(http);
        var credential = requirement.Credential(http.Request);
        return tokens is not null && Token.IsMeant(credential)
            ? IdentifyByTokenAsync(http, requirement, tokens, credential!)
            : AdmitAsync(http, requirement, callers.Identify(credential));
    }

    private async Task IdentifyByTokenAsync(
        HttpContext http, CallerRequirement requirement, Tokens known, string token) =>
        await AdmitAsync(http, requirement, await known.IdentifyAsync(token, http.RequestAborted));

    private Task AdmitAsync(HttpContext http, CallerRequirement requirement, Caller caller)
    {
        var record = RequestRecord.Of(http);
        record.Caller = caller;
        record.Memory = memory.Open(caller.Name);
        return caller.Limits is { } limits ? RunAsync(http, limits.Enter(requirement.TakesPlace)) : next(http);
    }

    /// <summary>
    /// Runs the request, and holds its place, if any, until the answer has ended. That includes streamed answers.
    /// </summary>
    private async Task RunAsync(HttpContext http, IDisposable? place)
    {
        using (place)
            await next(http);
    }
}

/// <summary>Marks an endpoint whose requests must come from a caller.</summary>
/// <param name="Credential">Returns a request's credential; null if it has none.</param>
/// <param name="TakesPlace">Whether its requests count for the caller's concurrency limit.</param>
internal sealed record CallerRequirement(Func<HttpRequest, string?> Credential, bool TakesPlace = true);

/// <summary>Marks endpoints that require a caller, which they get in <see cref="RequestRecord.Caller"/>.</summary>
internal static class CallerRequirements
{
    private const string Scheme = "Bearer ";

    /// <summary>Requires a caller for each endpoint of a group.</summary>
    /// <param name="endpoints">The group.</param>
    /// <param name="credential">Returns a request's credential; the default reads <c>Authorization: Bearer</c>.</param>
    /// <param name="takesPlace">Whether its requests count for the caller's concurrency limit.</param>
    public static TEndpoints RequireCaller<TEndpoints>(
        this TEndpoints endpoints, Func<HttpRequest, string?>? credential = null, bool takesPlace = true)
        where TEndpoints : IEndpointConventionBuilder =>
        endpoints.WithMetadata(new CallerRequirement(credential ?? ReadBearer, takesPlace));

    /// <summary>Reads the credential in <c>Authorization: Bearer</c>.</summary>
    /// <returns>
    /// Null if there is none, or one of another scheme. An empty text, which is no valid credential, if the header is
    /// not exactly one credential.
    /// </returns>
    public static string? ReadBearer(HttpRequest request)
    {
        var header = request.Headers.Authorization;
        if (header.Count > 1)
            return "";
        if (header.Count == 0 || header[0] is not { } credentials)
            return null;
        if (credentials.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase))
            return credentials.AsSpan(Scheme.Length).Trim(' ').ToString();
        // The scheme with no credential after it; the server has trimmed the space.
        return credentials.Equals(Scheme.TrimEnd(), StringComparison.OrdinalIgnoreCase) ? "" : null;
    }
}
