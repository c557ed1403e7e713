using Gateway.Api.Callers;
using Gateway.Api.Errors;
using Gateway.Api.Telemetry;

namespace Gateway.Api.Endpoints;

/// <summary>
/// Finds out who calls, where an endpoint wants to know, and whether it sends too much: before its handler has read a byte of the
/// body.
/// </summary>
/// <param name="next">What comes after it.</param>
/// <param name="callers">Whose the keys are.</param>
/// <param name="memory">What its requests may hold.</param>
/// <param name="tokens">Whose the tokens are; null where no issuer is configured.</param>
internal sealed class CallerIdentification(RequestDelegate next, CallerRegistry callers, MemoryBudget memory, Tokens? tokens = null)
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

    private async Task IdentifyByTokenAsync(HttpContext http, CallerRequirement requirement, Tokens known, string token) =>
        await AdmitAsync(http, requirement, await known.IdentifyAsync(token, http.RequestAborted));

    private Task AdmitAsync(HttpContext http, CallerRequirement requirement, Caller caller)
    {
        var record = RequestRecord.Of(http);
        record.Caller = caller;
        record.Memory = memory.Open(caller.Name);
        return caller.Limits is { } limits ? RunAsync(http, limits.Enter(requirement.TakesPlace)) : next(http);
    }

    /// <summary>The place is held until the answer has ended, a streamed one's too, or there is none.</summary>
    private async Task RunAsync(HttpContext http, IDisposable? place)
    {
        using (place)
            await next(http);
    }
}

/// <summary>An endpoint's requests must come from a caller.</summary>
/// <param name="Credential">Where a request carries its credential; null where it carries none.</param>
/// <param name="TakesPlace">Whether its requests count among those that a caller runs at once.</param>
internal sealed record CallerRequirement(Func<HttpRequest, string?> Credential, bool TakesPlace = true);

/// <summary>How endpoints say that they want a caller, <see cref="RequestRecord.Caller"/>.</summary>
internal static class CallerRequirements
{
    private const string Scheme = "Bearer ";

    /// <summary>Wants one of each endpoint of a group.</summary>
    /// <param name="endpoints">The group.</param>
    /// <param name="credential">Where a request has it; in <c>Authorization: Bearer</c> unless told otherwise.</param>
    /// <param name="takesPlace">Whether its requests count among those that a caller runs at once.</param>
    public static TEndpoints RequireCaller<TEndpoints>(
        this TEndpoints endpoints, Func<HttpRequest, string?>? credential = null, bool takesPlace = true)
        where TEndpoints : IEndpointConventionBuilder =>
        endpoints.WithMetadata(new CallerRequirement(credential ?? ReadBearer, takesPlace));

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
