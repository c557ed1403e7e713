using System.Diagnostics.Tracing;

namespace Gateway.Api.Telemetry;

/// <summary>
/// Logs the faults of OpenTelemetry's export, for example that it can't reach the collector: at most one line a minute
/// for each kind of fault.
/// </summary>
internal sealed partial class TraceFaults(ILogger<TraceFaults> log, TimeProvider clock) : EventListener
{
    /// <summary>An event source. All its events are about spans.</summary>
    private const string Exporter = "OpenTelemetry-Exporter-OpenTelemetryProtocol";

    /// <summary>
    /// An event source. It reports dropped spans, and also faults of metrics, which are left out here.
    /// </summary>
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

    /// <summary>
    /// Returns the parts of an event. Of an exception, it returns the first line, which has the message.
    /// </summary>
    private static string Reason(EventWrittenEventArgs eventData)
    {
        var parts = eventData.Payload?.Select(part => part?.ToString()?.Split('\n')[0].TrimEnd()) ?? [];
        var reason = string.Join("; ", parts);
        return reason.Length <= LongestReason ? reason : reason[..LongestReason];
    }

    [LoggerMessage(
        30, LogLevel.Warning,
        "Traces are not exported: {Kind}: {Reason}; {Since} more of its kind since the last such line")]
    private partial void TracesLost(string kind, string reason, int since);
}
