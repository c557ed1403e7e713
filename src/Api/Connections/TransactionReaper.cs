using Gateway.Api.Configuration;
using Gateway.Api.Postgres;
using Npgsql;

namespace Gateway.Api.Connections;

/// <summary>
/// Ends transactions of a connection's role that are older than the longest budget: no gateway waits for them any more.
/// </summary>
/// <remarks>
/// If a gateway was killed, PostgreSQL does this itself (client_connection_check_interval), unless the SQL has turned
/// it off. This service runs only for a connection with a control role: then only the gateway uses the other role.
/// </remarks>
internal sealed partial class TransactionReaper(
    ConnectionRegistry connections, GatewayOptions options, TimeProvider clock, ILogger<TransactionReaper> log)
    : BackgroundService
{
    /// <summary>The time that a gateway's own watchdog may need to end a transaction.</summary>
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);

    /// <summary>More than a host that does not answer takes, so that the others are counted.</summary>
    private static readonly TimeSpan AskTime = TimeSpan.FromSeconds(4);

    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        Task.WhenAll(connections.All
            .Where(connection => connection.HasControlRole)
            .Select(connection => KeepAsync(connection, stoppingToken)));

    private async Task KeepAsync(NamedConnection connection, CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Interval, clock);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
                await ReapAsync(connection, stoppingToken);
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The service stops. Without this catch, the host may log that as a fault.
        }
    }

    private async Task ReapAsync(NamedConnection connection, CancellationToken stoppingToken)
    {
        var oldest = TimeSpan.FromMilliseconds(options.MaxTimeoutMs) + Grace;
        var ended = 0L;
        try
        {
            await BoundedWait.RunAsync(
                async ending => ended = await connection.EndTransactionsAsync(oldest, ending), AskTime, clock,
                stoppingToken);
        }
        catch (Exception error) when (error is NpgsqlException or TimeoutException)
        {
            // The next round comes soon. Readiness reports an unreachable server.
        }
        if (ended > 0)
            Ended(connection.Name, ended, oldest.TotalSeconds);
    }

    [LoggerMessage(
        24, LogLevel.Warning, "Connection {Connection}: {Ended} transactions older than {Seconds} s were ended")]
    private partial void Ended(string connection, long ended, double seconds);
}
