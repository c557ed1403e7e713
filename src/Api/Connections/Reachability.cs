using Dapper;
using Gateway.Contracts;
using Npgsql;

namespace Gateway.Api.Connections;

/// <summary>
/// Whether a connection's server can be reached, by checks of its own: several in a row must fail before it counts as
/// unreachable, and one that succeeds is enough for the way back.
/// </summary>
internal sealed class Reachability(NpgsqlDataSource source)
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
            await Bounded.RunAsync(AskAsync, CheckTime, cancellation);
            _now = new ConnectionReadiness(Reachable: true, FailedChecks: 0, Detail: null);
        }
        catch (Exception error) when (error is NpgsqlException or TimeoutException)
        {
            var failed = _now.FailedChecks + 1;
            // The SQLSTATE or the kind of fault only: probes are often open to all.
            var detail = error is PostgresException refusal ? $"SQLSTATE {refusal.SqlState}" : "no answer";
            _now = new ConnectionReadiness(failed < failuresToFlip, failed, detail);
        }
    }

    private async Task AskAsync(CancellationToken cancellation)
    {
        await using var connection = await source.OpenConnectionAsync(cancellation);
        await connection.ExecuteAsync(new CommandDefinition("SELECT 1", cancellationToken: cancellation));
    }
}
