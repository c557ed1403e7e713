using Gateway.Api.Configuration;

namespace Gateway.Api.Connections;

/// <summary>
/// Checks the connections in the background, so that readiness always answers at once. Each connection has its own
/// timer, so that a server that hangs does not delay the checks of others.
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
            // The service stops. Without this catch, the host logs that as a fault if another service could not start.
        }
    }
}
