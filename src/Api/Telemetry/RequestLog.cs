using System.Diagnostics;
using Serilog.Events;
using Serilog.Parsing;

namespace Gateway.Api.Telemetry;

/// <summary>One line in the log for each request, with what its record holds; never SQL, never a value.</summary>
/// <remarks>Straight to Serilog: whatever lies between would cost each request more than the line itself.</remarks>
internal sealed class RequestLog(RequestDelegate next, TimeProvider clock, Serilog.ILogger log)
{
    private static readonly MessageTemplate Answered = Parse(
        "{Method} {Route} {Status} caller={Caller} connection={Connection} activity={ActivityId} rows={Rows} in {Elapsed} ms");

    private static readonly MessageTemplate Failed = Parse(
        "{Method} {Route} {Status} {Code} caller={Caller} connection={Connection} activity={ActivityId} in {Elapsed} ms");

    private static readonly MessageTemplate CallerLeft = Parse(
        "{Method} {Route}: the caller left; caller={Caller} connection={Connection} activity={ActivityId} after {Elapsed} ms");

    private static readonly MessageTemplate Probed = Parse("{Route} {Status}");

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
            Write(http, record);
        }
    }

    private void Write(HttpContext http, RequestRecord record)
    {
        // The route and not the path: a path holds whatever the caller put there.
        var route = (http.GetEndpoint() as RouteEndpoint)?.RoutePattern.RawText ?? "(none)";
        var isProbe = !record.CallerLeft && route.StartsWith("/healthz", StringComparison.Ordinal);
        var level = isProbe || record.CallerLeft ? LogEventLevel.Debug : LogEventLevel.Information;
        if (!log.IsEnabled(level))
            return;

        var template = record.CallerLeft ? CallerLeft : isProbe ? Probed : record.Code is null ? Answered : Failed;
        var trace = Activity.Current;
        var line = new LogEvent(
            clock.GetLocalNow(), level, exception: null, template, [], trace?.TraceId ?? default, trace?.SpanId ?? default);
        Add(line, "Route", route);
        if (!record.CallerLeft)
            Add(line, "Status", http.Response.StatusCode);
        if (!isProbe)
        {
            Add(line, "Method", http.Request.Method);
            Add(line, "Caller", record.Caller?.Name);
            Add(line, "Connection", record.Connection);
            Add(line, "ActivityId", record.ActivityId);
            Add(line, "Elapsed", Math.Round(record.Elapsed.TotalMilliseconds, 3));
            if (template == Answered)
                Add(line, "Rows", record.Rows);
            if (template == Failed)
                Add(line, "Code", record.Code);
            if (record.Attempt is { } attempt)
                Add(line, "Attempt", attempt);
        }
        log.Write(line);
    }

    private static void Add(LogEvent line, string name, object? value) =>
        line.AddOrUpdateProperty(new LogEventProperty(name, new ScalarValue(value)));

    private static MessageTemplate Parse(string template) => new MessageTemplateParser().Parse(template);
}
