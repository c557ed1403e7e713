namespace Gateway.Api.Telemetry;

/// <summary>One line in the log for each request, with what its record holds; never SQL, never a value.</summary>
internal sealed partial class RequestLog(RequestDelegate next, TimeProvider clock, ILogger<RequestLog> log)
{
    public async Task InvokeAsync(HttpContext http)
    {
        var record = new RequestRecord(clock);
        http.Features.Set(record);
        try
        {
            await next(http);
        }
        finally
        {
            // The route and not the path: a path holds whatever the caller put there.
            var route = (http.GetEndpoint() as RouteEndpoint)?.RoutePattern.RawText ?? "(none)";
            if (record.CallerLeft)
                CallerLeft(http.Request.Method, route, record.Connection, record.ActivityId, record.Elapsed.TotalMilliseconds);
            else if (route.StartsWith("/healthz", StringComparison.Ordinal))
                Probed(route, http.Response.StatusCode);
            else
            {
                Answered(
                    http.Request.Method, route, http.Response.StatusCode, record.Code, record.Connection,
                    record.ActivityId, record.Attempt, record.Rows, record.Elapsed.TotalMilliseconds);
            }
        }
    }

    [LoggerMessage(1, LogLevel.Information,
        "{Method} {Route} {Status} {Code} connection={Connection} activity={ActivityId} attempt={Attempt} rows={Rows} in {Elapsed:0.0} ms")]
    private partial void Answered(
        string method, string route, int status, string? code, string? connection, string? activityId, int? attempt,
        long? rows, double elapsed);

    [LoggerMessage(2, LogLevel.Debug, "{Method} {Route}: the caller left; connection={Connection} activity={ActivityId} after {Elapsed:0.0} ms")]
    private partial void CallerLeft(string method, string route, string? connection, string? activityId, double elapsed);

    [LoggerMessage(3, LogLevel.Debug, "{Route} {Status}")]
    private partial void Probed(string route, int status);
}
