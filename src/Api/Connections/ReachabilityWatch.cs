using Gateway.Api.Configuration;
using Gateway.Api.Journal;
using Gateway.Api.Postgres;
using Npgsql;

namespace Gateway.Api.Connections;

/// <summary>
/// Checks the connections and their journals in the background, so that readiness always answers at once. Each
/// connection has its own timer, so that a server that hangs does not delay the checks of others.
/// </summary>
internal sealed partial class ReachabilityWatch(
    ConnectionRegistry connections, GatewayOptions options, TimeProvider clock, ILogger<ReachabilityWatch> log)
    : BackgroundService
{
    /// <summary>The maximum time for a look at the journal, so that the next check of the server is not late.</summary>
    private static readonly TimeSpan LookTime = TimeSpan.FromSeconds(2);

    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        Task.WhenAll(connections.All.Select(connection => WatchAsync(connection, stoppingToken)));

    private async Task WatchAsync(NamedConnection connection, CancellationToken stoppingToken)
    {
        var reachability = connection.Reachability;
        var journal = JournalState.Open;
        var confirms = true;
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(options.ReadinessIntervalMs), clock);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
            {
                await reachability.CheckAsync(options.ReadinessFailures, stoppingToken);
                if (!connection.ReadOnly && reachability.Now.FailedChecks == 0)
                    journal = await LookAtJournalAsync(connection, journal, stoppingToken);
                if (connection.Standbys is { } standbys && reachability.Now.FailedChecks == 0)
                    confirms = await LookAtStandbysAsync(connection.Name, standbys, confirms, stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The service stops. Without this catch, the host logs that as a fault if another service could not start.
        }
    }

    /// <summary>Looks at the journal, and logs a change of its state. Returns the state.</summary>
    private async Task<JournalState> LookAtJournalAsync(
        NamedConnection connection, JournalState before, CancellationToken stoppingToken)
    {
        JournalState now;
        try
        {
            now = await connection.Journal.LookAsync(stoppingToken, LookTime);
        }
        catch (NpgsqlException)
        {
            // The next check comes soon, and readiness reports a server that can't be reached.
            return before;
        }
        if (now == before)
            return now;
        if (now.IsUsable())
            JournalIsUsable(connection.Name, now.Name());
        else
            JournalIsNotUsable(connection.Name, now.Name(), ActivityJournal.Missing(connection.Name, now).Message);
        return now;
    }

    /// <summary>Looks at the standbys, and logs a change. Returns whether they would confirm a write.</summary>
    private async Task<bool> LookAtStandbysAsync(
        string connection, SynchronousStandbys standbys, bool before, CancellationToken stoppingToken)
    {
        try
        {
            await standbys.LookAsync(stoppingToken);
        }
        catch (NpgsqlException)
        {
            // The next check comes soon, and readiness reports a server that can't be reached.
            return before;
        }
        if (standbys.Confirm && !before)
            StandbyConfirms(connection);
        else if (!standbys.Confirm && before)
            NoStandbyConfirms(connection);
        return standbys.Confirm;
    }

    [LoggerMessage(25, LogLevel.Warning, "The journal of connection {Connection} can't be used ({State}): {Fault}")]
    private partial void JournalIsNotUsable(string connection, string state, string fault);

    [LoggerMessage(26, LogLevel.Information, "The journal of connection {Connection} can be used ({State})")]
    private partial void JournalIsUsable(string connection, string state);

    [LoggerMessage(
        27, LogLevel.Warning, "No synchronous standby of connection {Connection} confirms writes; they are refused")]
    private partial void NoStandbyConfirms(string connection);

    [LoggerMessage(
        28, LogLevel.Information, "A synchronous standby of connection {Connection} confirms writes again")]
    private partial void StandbyConfirms(string connection);
}
