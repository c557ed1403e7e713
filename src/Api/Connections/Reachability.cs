using Dapper;
using Gateway.Api.Dsns;
using Gateway.Api.Postgres;
using Gateway.Contracts;
using Npgsql;

namespace Gateway.Api.Connections;

/// <summary>
/// Checks whether a connection's server can be reached. Several checks in a row must fail before the server counts as
/// unreachable; one successful check makes it reachable again.
/// </summary>
/// <param name="control">The control role's sessions, which stay open.</param>
/// <param name="callers">
/// Opens sessions in the same way as for callers' requests: by ALTER ROLE, the callers' role may have made that
/// impossible.
/// </param>
/// <param name="role">The name of the callers' role.</param>
/// <param name="takesWrites">Whether the connection takes writes, so that its server must not be a standby.</param>
/// <param name="sessions">Gets whether the database has an extension that keeps state.</param>
/// <param name="clock">The clock for the time limit of a check.</param>
internal sealed class Reachability(
    SessionSource control, SessionSource callers, string role, bool takesWrites, SessionPool sessions,
    TimeProvider clock)
{
    private static readonly TimeSpan CheckTimeOfAHost = TimeSpan.FromSeconds(2);

    // A check has time for each of the DSN's hosts.
    private readonly TimeSpan _checkTime = Math.Max(1, callers.Hosts.Several.Count) * CheckTimeOfAHost;
    private volatile ConnectionReadiness _now = new(Reachable: true, FailedChecks: 0, Detail: null);

    /// <summary>Gets the result of the last checks.</summary>
    public ConnectionReadiness Now => _now;

    /// <summary>Checks once.</summary>
    /// <param name="failuresToFlip">The number of checks in a row that must fail.</param>
    /// <param name="cancellation">Ends the check without a result.</param>
    public async Task CheckAsync(int failuresToFlip, CancellationToken cancellation)
    {
        try
        {
            string? detail = null;
            await BoundedWait.RunAsync(
                async ending => detail = await AskAsync(ending), _checkTime, clock, cancellation);
            _now = new ConnectionReadiness(Reachable: true, FailedChecks: 0, detail);
        }
        catch (Exception error) when (error is NpgsqlException or TimeoutException)
        {
            var failed = _now.FailedChecks + 1;
            // Only the SQLSTATE or the kind of fault: probes are often open to everyone.
            var detail = error is PostgresException refusal ? $"SQLSTATE {refusal.SqlState}" : "no answer";
            _now = new ConnectionReadiness(failed < failuresToFlip, failed, detail);
        }
    }

    /// <returns>A fault that operators should know although requests are served; null if there is none.</returns>
    private async Task<string?> AskAsync(CancellationToken cancellation)
    {
        bool seesRole, isStandby;
        // The watchdog then has an open session on each server that it may need one on.
        if (callers.Hosts.Spread.Count > 0)
            await callers.Hosts.AskEachAsync(host => OpenAsync(host, cancellation), _ => true);
        await using (var session = await control.OpenConnectionAsync(cancellation))
        {
            (seesRole, sessions.MayKeepState, isStandby) = await session.QuerySingleAsync<(bool, bool, bool)>(
                FixedStatement.Of(
                    $"SELECT {ControlRole.SeesRole}, {StatefulExtensions.Exist}, pg_catalog.pg_is_in_recovery()",
                    cancellation, role));
        }
        try
        {
            // A pooler lets a client in without a session of the server. With settings it would wait for one.
            await using var session = callers.Pooler.IsPresent
                ? await callers.OpenBareAsync(cancellation)
                : await callers.OpenConnectionAsync(cancellation);
        }
        catch (PostgresException error) when (error.SqlState == PostgresErrorCodes.TooManyConnections)
        {
            // All sessions that the role may have are in use, so requests are served.
        }
        // Before PostgreSQL 15, a role may revoke membership in itself.
        return !seesRole ? "the control role is not a member of the connection's role"
            : isStandby && takesWrites ? "the server is a standby, and takes no writes"
            : null;
    }

    private async Task<bool> OpenAsync(DsnHost? host, CancellationToken cancellation)
    {
        await using var session = await control.OpenConnectionAsync(host, cancellation);
        return true;
    }
}
