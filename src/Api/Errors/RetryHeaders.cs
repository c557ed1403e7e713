namespace Gateway.Api.Errors;

/// <summary>
/// The headers that tell an engine whether and when to send a request again. For a failure, <see cref="FailureForm"/>
/// decides whether.
/// </summary>
internal static class RetryHeaders
{
    /// <summary>Sets X-Should-Retry and Retry-After. Every answer other than 2xx has the first.</summary>
    /// <param name="response">The answer.</param>
    /// <param name="afterSeconds">
    /// The time to wait before a retry, from 1 to 60 seconds (<see cref="Failure.RetryAfterSeconds"/>); null if no
    /// retry can succeed.
    /// </param>
    public static void Set(HttpResponse response, int? afterSeconds)
    {
        response.Headers["X-Should-Retry"] = afterSeconds is null ? "false" : "true";
        if (afterSeconds is { } seconds)
            response.Headers.RetryAfter = Math.Clamp(seconds, 1, 60).ToString();
    }
}
