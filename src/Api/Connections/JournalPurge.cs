using Gateway.Api.Configuration;
using Gateway.Api.Errors;
using Npgsql;

namespace Gateway.Api.Connections;

/// <summary>
/// Deletes expired records of the journal in the background, in small batches, and then reads what the journal holds,
/// for the metrics. Every replica does so, and none waits for another.
/// </summary>
internal sealed partial class JournalPurge(
    ConnectionRegistry connections,
    GatewayOptions options,
    TimeProvider clock,
    ConnectionMetrics metrics,
    ILogger<JournalPurge> log)
    : BackgroundService
{
    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        Task.WhenAll(connections.All
            .Where(connection => !connection.ReadOnly)
            .Select(connection => KeepAsync(connection, stoppingToken)));

    private async Task KeepAsync(NamedConnection connection, CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(options.PurgeIntervalMs), clock);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
            {
                await PurgeAsync(connection, stoppingToken);
                await ReadContentsAsync(connection, stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The service stops. Without this catch, the host may log that as a fault.
        }
    }

    private async Task PurgeAsync(NamedConnection connection, CancellationToken stoppingToken)
    {
        try
        {
            var deleted = await connection.Journal.PurgeAsync(stoppingToken);
            metrics.Purged(connection.Name, deleted);
            if (deleted > 0)
                Purged(connection.Name, deleted);
        }
        catch (Exception error) when (error is NpgsqlException or TimeoutException)
        {
            // The next round comes soon. Readiness reports an unreachable server.
            metrics.PurgeFailed(connection.Name);
            PurgeFailed(connection.Name, PostgresFailure.ReasonOf(error) ?? error.GetType().Name);
        }
    }

    /// <summary>Reads what the journal holds, for the metrics. If that fails, the metrics show nothing.</summary>
    private static async Task ReadContentsAsync(NamedConnection connection, CancellationToken stoppingToken)
    {
        try
        {
            connection.Journal.Contents = await connection.Journal.ReadContentsAsync(stoppingToken);
        }
        catch (NpgsqlException)
        {
            connection.Journal.Contents = null;
        }
    }

    [LoggerMessage(20, LogLevel.Debug, "The journal of connection {Connection}: {Deleted} expired records deleted")]
    private partial void Purged(string connection, int deleted);

    [LoggerMessage(21, LogLevel.Warning, "The journal of connection {Connection} could not be purged: {Reason}")]
    private partial void PurgeFailed(string connection, string reason);
}
