using Gateway.Api.Postgres;
using Gateway.Contracts;
using Npgsql;

namespace Gateway.Api.Connections;

/// <summary>
/// Whether a connection's server can be reached, by checks of its own: several in a row must fail before it counts as
/// unreachable, and one that succeeds is enough for the way back.
/// </summary>
/// <param name="control">The control role's sessions, which stay open.</param>
/// <param name="callers">Opens sessions as callers' requests get them: their role may make that impossible, by ALTER ROLE.</param>
/// <param name="role">That role.</param>
/// <param name="sessions">Are told whether the database has an extension that keeps state.</param>
/// <param name="clock">The clock that a check's limit runs by.</param>
internal sealed class Reachability(
    NpgsqlDataSource control, NpgsqlDataSource callers, string role, SessionPool sessions, TimeProvider clock)
{
    private static readonly TimeSpan CheckTime = TimeSpan.FromSeconds(2);
    private volatile ConnectionReadiness _now = new(Reachable: true, FailedChecks: 0, Detail: null);

    public ConnectionReadiness Now => _now;

    /// <summary>Checks once.</summary>
    /// <param name="failuresToFlip">The checks in a row that must fail before the server counts as unreachable.</param>
    /// <param name="cancellation">Ends the check with no verdict.</param>
    public async Task CheckAsync(int failuresToFlip, CancellationToken cancellation)
    {
        try
        {
            string? detail = null;
            await BoundedWait.RunAsync(async ending => detail = await AskAsync(ending), CheckTime, clock, cancellation);
            _now = new ConnectionReadiness(Reachable: true, FailedChecks: 0, detail);
        }
        catch (Exception error) when (error is NpgsqlException or TimeoutException)
        {
            var failed = _now.FailedChecks + 1;
            // The SQLSTATE or the kind of fault only: probes are often open to all.
            var detail = error is PostgresException refusal ? $"SQLSTATE {refusal.SqlState}" : "no answer";
            _now = new ConnectionReadiness(failed < failuresToFlip, failed, detail);
        }
    }

    /// <returns>What an operator should know though requests are served; null where there is nothing.</returns>
    private async Task<string?> AskAsync(CancellationToken cancellation)
    {
        bool seesRole;
        await using (var ask = control.CreateCommand($"SELECT {ControlRole.SeesRole}, {StatefulExtensions.Exist}"))
        {
            ask.Parameters.Add(new NpgsqlParameter<string> { TypedValue = role });
            await using var reader = await ask.ExecuteReaderAsync(cancellation);
            await reader.ReadAsync(cancellation);
            seesRole = reader.GetBoolean(0);
            sessions.MayKeepState = reader.GetBoolean(1);
        }
        try
        {
            await using var session = await callers.OpenConnectionAsync(cancellation);
        }
        catch (PostgresException error) when (error.SqlState == PostgresErrorCodes.TooManyConnections)
        {
            // All that the role may have are in use: requests are served by them.
        }
        // Before PostgreSQL 15 a role may take membership in itself away.
        return seesRole ? null : "the control role is no member of the connection's role";
    }
}
