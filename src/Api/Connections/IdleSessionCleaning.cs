using Gateway.Api.Postgres;

namespace Gateway.Api.Connections;

/// <summary>Once a second, removes what is prepared in sessions that are not used.</summary>
internal sealed class IdleSessionCleaning(ConnectionRegistry connections, TimeProvider clock) : BackgroundService
{
    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        Task.WhenAll(connections.All.Select(connection => KeepAsync(connection.Sessions, stoppingToken)));

    private async Task KeepAsync(SessionPool sessions, CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(PreparedQueries.CheckAfter, clock);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
                await sessions.CleanIdleAsync();
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The service stops. Without this catch, the host may log that as a fault.
        }
    }
}
