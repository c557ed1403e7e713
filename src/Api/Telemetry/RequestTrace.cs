using System.Diagnostics;

namespace Gateway.Api.Telemetry;

/// <summary>
/// Completes a request's span, by OpenTelemetry's conventions for HTTP servers. ASP.NET Core starts and ends the span,
/// with the caller's trace as its parent; the gateway sets its name and tags. The path is left out, because it is a
/// caller's text.
/// </summary>
internal static class RequestTrace
{
    /// <summary>The source of the spans that ASP.NET Core starts.</summary>
    public const string HttpSource = "Microsoft.AspNetCore";

    private const int ServerFault = 500;

    /// <summary>Gets the source of the gateway's own spans.</summary>
    public static ActivitySource Source { get; } = new("Gateway");

    /// <summary>Gets whether spans are exported. If they are not, the gateway makes none.</summary>
    public static bool IsOn => Source.HasListeners();

    /// <summary>Returns the span if it will be exported; otherwise null.</summary>
    public static Activity? Recorded(Activity? span) => IsOn && span is { Recorded: true } ? span : null;

    /// <summary>Sets the span's name, tags and status from the request and its outcome.</summary>
    public static void Complete(Activity span, HttpLabels http, RequestRecord record)
    {
        span.DisplayName = http.Route is null ? http.Method : $"{http.Method} {http.Route}";
        span.SetTag("http.request.method", http.Method)
            .SetTag("url.scheme", http.Scheme)
            .SetTag("http.route", http.Route)
            .SetTag("gateway.caller", record.Caller?.Name)
            .SetTag("gateway.connection", record.Connection)
            .SetTag("gateway.activity_id", record.ActivityId)
            .SetTag("gateway.attempt", record.Attempt)
            .SetTag("error.type", record.ErrorType);
        if (record.Runs > 0)
            span.SetTag("gateway.runs", record.Runs).SetTag("gateway.replayed", record.IsReplay);
        if (record.CallerLeft)
            return;
        span.SetTag("http.response.status_code", http.Status);
        // By the conventions, a 4xx is not an error of a server's span. The status has no message, because PostgreSQL's
        // messages quote values.
        if (http.Status >= ServerFault)
            span.SetStatus(ActivityStatusCode.Error);
    }

    /// <summary>Excludes a span from the export, such as that of a probe.</summary>
    public static void Drop(Activity span) => span.ActivityTraceFlags &= ~ActivityTraceFlags.Recorded;
}
