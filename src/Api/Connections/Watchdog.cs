using Npgsql;

namespace Gateway.Api.Connections;

/// <summary>
/// Ends what runs in a session, from outside of it: whatever the SQL did to its own time-outs, and whether or not it
/// catches a cancel. It speaks to the server by the gateway's own sessions, so that no thread waits for a connection
/// that is made for a cancel.
/// </summary>
/// <param name="control">The control role's sessions.</param>
/// <param name="own">
/// Sessions of the role that is watched: before PostgreSQL 15 a role may take membership in itself away, the control role's too.
/// </param>
internal sealed class Watchdog(NpgsqlDataSource control, NpgsqlDataSource own)
{
    private const string Cancel = "SELECT pg_catalog.pg_cancel_backend($1)";
    private const string Terminate = "SELECT pg_catalog.pg_terminate_backend($1)";

    private static readonly TimeSpan SendTime = TimeSpan.FromSeconds(1);

    /// <summary>Over so many seconds; then the session's end of the connection is closed.</summary>
    private const int Attempts = 10;

    /// <summary>
    /// What is sent, and how long to wait then. A cancel that comes before the statement has begun is lost, so it is
    /// sent again; PL/pgSQL can catch a cancel, and nothing can catch a termination.
    /// </summary>
    private static readonly (string Sql, TimeSpan Wait)[] Steps =
    [
        (Cancel, TimeSpan.FromMilliseconds(30)),
        (Cancel, TimeSpan.FromMilliseconds(70)),
        (Cancel, TimeSpan.FromMilliseconds(100)),
        (Terminate, TimeSpan.FromMilliseconds(150)),
    ];

    /// <summary>Ends what runs in the backend.</summary>
    /// <param name="processId">The backend's process ID.</param>
    /// <param name="work">What waits for the backend; done when the backend has ended what ran.</param>
    /// <returns>Whether the work is done; false after 350 ms, where the server does not answer.</returns>
    public async Task<bool> EndAsync(int processId, Task work)
    {
        foreach (var (sql, wait) in Steps)
        {
            _ = SendAsync(sql, processId);
            if (await Task.WhenAny(work, Task.Delay(wait)) == work)
                return true;
        }
        return work.IsCompleted;
    }

    /// <summary>Ends the backend of an abandoned session as soon as its server listens again.</summary>
    public async Task PursueAsync(int processId, Task work)
    {
        for (var attempt = 0; attempt < Attempts && !work.IsCompleted; attempt++)
        {
            await SendAsync(Terminate, processId);
            await Task.WhenAny(work, Task.Delay(SendTime));
        }
    }

    private async Task SendAsync(string sql, int processId)
    {
        try
        {
            await Bounded.RunAsync(
                async cancellation =>
                {
                    try
                    {
                        await SendAsync(control, sql, processId, cancellation);
                    }
                    catch (PostgresException error) when (error.SqlState == PostgresErrorCodes.InsufficientPrivilege)
                    {
                        await SendAsync(own, sql, processId, cancellation);
                    }
                },
                SendTime);
        }
        catch (Exception error) when (error is NpgsqlException or TimeoutException)
        {
            // The next step is taken all the same, and the last is to give the session up.
        }
    }

    private static async Task SendAsync(NpgsqlDataSource source, string sql, int processId, CancellationToken cancellation)
    {
        await using var command = source.CreateCommand(sql);
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = processId });
        await command.ExecuteNonQueryAsync(cancellation);
    }
}
