using OpenTelemetry.Trace;

namespace Gateway.Api.Telemetry;

/// <summary>
/// Ends the export of spans: sends the remaining ones, for a bounded time. Until then, faults of the export are logged.
/// </summary>
internal sealed class TraceExport(TracerProvider provider, ILogger<TraceFaults> log, TimeProvider clock)
    : IHostedService, IDisposable
{
    /// <summary>The maximum time to send the remaining spans.</summary>
    private static readonly TimeSpan FlushTime = TimeSpan.FromSeconds(3);

    private readonly TraceFaults _faults = new(log, clock);

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    // The server stops before this service, so the span of every request has ended.
    public Task StopAsync(CancellationToken cancellationToken) =>
        Task.Run(() => provider.Shutdown((int)FlushTime.TotalMilliseconds), CancellationToken.None);

    public void Dispose() => _faults.Dispose();
}
