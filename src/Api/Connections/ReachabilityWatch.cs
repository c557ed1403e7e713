using Gateway.Api.Configuration;

namespace Gateway.Api.Connections;

/// <summary>
/// Checks every connection in turn of its own, so that readiness answers at once, whatever a server does, and one that
/// hangs delays no other's check.
/// </summary>
internal sealed class ReachabilityWatch(ConnectionRegistry connections, GatewayOptions options, TimeProvider clock)
    : BackgroundService
{
    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        Task.WhenAll(connections.All.Select(connection => WatchAsync(connection.Reachability, stoppingToken)));

    private async Task WatchAsync(Reachability reachability, CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(options.ReadinessIntervalMs), clock);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
                await reachability.CheckAsync(options.ReadinessFailures, stoppingToken);
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The host logs it as a fault otherwise, where it was another service that could not start.
        }
    }
}
