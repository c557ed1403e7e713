using System.Diagnostics.Tracing;

namespace Gateway.Api.Telemetry;

/// <summary>What OpenTelemetry can't do, such as reach the collector: one line a minute for each kind of fault.</summary>
internal sealed partial class TraceFaults(ILogger<TraceFaults> log, TimeProvider clock) : EventListener
{
    /// <summary>Everything of this one is about spans.</summary>
    private const string Exporter = "OpenTelemetry-Exporter-OpenTelemetryProtocol";

    /// <summary>Has the spans that were dropped, and what concerns metrics only.</summary>
    private const string Sdk = "OpenTelemetry-Sdk";

    private const int LongestReason = 300;

    private static readonly TimeSpan Pause = TimeSpan.FromMinutes(1);

    private readonly Lock _lock = new();
    private readonly Dictionary<string, (long Logged, int Since)> _kinds = new(StringComparer.Ordinal);

    protected override void OnEventSourceCreated(EventSource eventSource)
    {
        if (eventSource.Name is Exporter or Sdk)
            EnableEvents(eventSource, EventLevel.Warning);
    }

    protected override void OnEventWritten(EventWrittenEventArgs eventData)
    {
        var kind = eventData.EventName ?? eventData.EventId.ToString();
        if (kind.StartsWith("Metric", StringComparison.Ordinal))
            return;
        int since;
        lock (_lock)
        {
            if (_kinds.TryGetValue(kind, out var last) && clock.GetElapsedTime(last.Logged) < Pause)
            {
                _kinds[kind] = (last.Logged, last.Since + 1);
                return;
            }
            since = last.Since;
            _kinds[kind] = (clock.GetTimestamp(), 0);
        }
        TracesLost(kind, Reason(eventData), since);
    }

    /// <summary>An exception's first line says what there is to say.</summary>
    private static string Reason(EventWrittenEventArgs eventData)
    {
        var reason = string.Join("; ", eventData.Payload?.Select(part => part?.ToString()?.Split('\n')[0].TrimEnd()) ?? []);
        return reason.Length <= LongestReason ? reason : reason[..LongestReason];
    }

    [LoggerMessage(30, LogLevel.Warning, "Traces are not exported: {Kind}: {Reason}; {Since} more of its kind since the last such line")]
    private partial void TracesLost(string kind, string reason, int since);
}
