using OpenTelemetry.Trace;

namespace Gateway.Api.Telemetry;

/// <summary>
/// Ends the export of spans: sends those that are left, for a bounded time. Logs what can't be exported until then.
/// </summary>
internal sealed class TraceExport(TracerProvider provider, ILogger<TraceFaults> log, TimeProvider clock)
    : IHostedService, IDisposable
{
    /// <summary>The maximum time for the last spans.</summary>
    private static readonly TimeSpan FlushTime = TimeSpan.FromSeconds(3);

    private readonly TraceFaults _faults = new(log, clock);

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    // The server stops before this, so every request's span is there.
    public Task StopAsync(CancellationToken cancellationToken) =>
        Task.Run(() => provider.Shutdown((int)FlushTime.TotalMilliseconds), CancellationToken.None);

    public void Dispose() => _faults.Dispose();
}
