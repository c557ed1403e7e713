using System.Diagnostics;

namespace Gateway.Api.Telemetry;

/// <summary>
/// A request's span, by OpenTelemetry's conventions for HTTP servers. ASP.NET Core begins and ends it, with the caller's trace as its
/// parent; the gateway says what it was. The path is left out, which is a caller's text.
/// </summary>
internal static class RequestTrace
{
    /// <summary>Of the spans that ASP.NET Core begins.</summary>
    public const string HttpSource = "Microsoft.AspNetCore";

    private const int ServerFault = 500;

    /// <summary>Of the gateway's own.</summary>
    public static ActivitySource Source { get; } = new("Gateway");

    /// <summary>Whether anybody wants spans; where nobody does, nothing is made of them.</summary>
    public static bool IsOn => Source.HasListeners();

    /// <summary>A span, where it will be exported.</summary>
    public static Activity? Recorded(Activity? span) => IsOn && span is { Recorded: true } ? span : null;

    /// <summary>Says what the request was and what became of it.</summary>
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
        // What a caller did wrong is no error of the server's. Without a message: PostgreSQL's quote values.
        if (http.Status >= ServerFault)
            span.SetStatus(ActivityStatusCode.Error);
    }

    /// <summary>Leaves a span out of what is exported: a probe's.</summary>
    public static void Drop(Activity span) => span.ActivityTraceFlags &= ~ActivityTraceFlags.Recorded;
}
