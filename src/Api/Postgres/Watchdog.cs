using Npgsql;

namespace Gateway.Api.Postgres;

/// <summary>
/// Ends what runs in a session, from outside of it: whatever the SQL did to its own time-outs, and whether or not it
/// catches a cancel. It speaks to the server by the gateway's own sessions, so that no thread waits for a connection
/// that is made for a cancel.
/// </summary>
/// <param name="control">The control role's sessions.</param>
/// <param name="own">
/// Sessions of the role that is watched: before PostgreSQL 15 a role may take membership in itself away, the control role's too.
/// </param>
/// <param name="clock">The clock that the waits run by.</param>
internal sealed class Watchdog(NpgsqlDataSource control, NpgsqlDataSource own, TimeProvider clock)
{
    private const string Cancel = $"SELECT pg_catalog.pg_cancel_backend(pid) {Target}";
    private const string Terminate = $"SELECT pg_catalog.pg_terminate_backend(pid) {Target}";

    /// <summary>
    /// The backend, and no other that has got its process ID since. The port is hidden from a role that has lost the right to see it.
    /// </summary>
    private const string Target =
        "FROM pg_catalog.pg_stat_get_activity($1) WHERE client_port IS NULL OR client_port OPERATOR(pg_catalog.=) $2";

    private static readonly TimeSpan SendTime = TimeSpan.FromSeconds(1);

    /// <summary>How soon an abandoned session is looked at again: twice as long each time.</summary>
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(25);

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
    /// <param name="backend">The backend.</param>
    /// <param name="work">What waits for the backend; done when the backend has ended what ran.</param>
    /// <returns>Whether the work is done; false after 350 ms, where the server does not answer.</returns>
    public async Task<bool> EndAsync(Backend backend, Task work)
    {
        foreach (var (sql, wait) in Steps)
        {
            _ = SendAsync(sql, backend);
            if (await Task.WhenAny(work, Task.Delay(wait, clock)) == work)
                return true;
        }
        return work.IsCompleted;
    }

    /// <summary>Ends the backend of an abandoned session, and returns once it is gone.</summary>
    /// <param name="backend">The backend.</param>
    /// <param name="ended">Ends with the session's connection, where nobody but its server ended that.</param>
    /// <param name="givesUp">Whether to look no further; told how long the server has been silent.</param>
    public async Task PursueAsync(Backend backend, Task ended, Func<TimeSpan, bool> givesUp)
    {
        var heard = clock.GetTimestamp();
        var pause = FirstPause;
        while (!ended.IsCompleted)
        {
            switch (await SendAsync(Terminate, backend))
            {
                case false:
                    // There is no such backend any more.
                    return;
                case true:
                    heard = clock.GetTimestamp();
                    break;
            }
            if (givesUp(clock.GetElapsedTime(heard)))
                return;
            await Task.WhenAny(ended, Task.Delay(pause, clock));
            pause = pause < SendTime ? pause * 2 : SendTime;
        }
    }

    /// <returns>Whether there is such a backend; null where the server did not say.</returns>
    private async Task<bool?> SendAsync(string sql, Backend backend)
    {
        bool? answer = null;
        try
        {
            await BoundedWait.RunAsync(
                async cancellation =>
                {
                    try
                    {
                        answer = await SendAsync(control, sql, backend, cancellation);
                    }
                    catch (PostgresException error) when (error.SqlState == PostgresErrorCodes.InsufficientPrivilege)
                    {
                        answer = await SendAsync(own, sql, backend, cancellation);
                    }
                },
                SendTime, clock);
        }
        catch (Exception error) when (error is NpgsqlException or TimeoutException or ObjectDisposedException)
        {
            // The next step is taken all the same, and the last is to give the session up.
            return null;
        }
        return answer;
    }

    private static async Task<bool> SendAsync(
        NpgsqlDataSource source, string sql, Backend backend, CancellationToken cancellation)
    {
        await using var command = source.CreateCommand(sql);
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = backend.ProcessId });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = backend.ClientPort ?? Backend.UnixSocket });
        return await command.ExecuteScalarAsync(cancellation) is true;
    }
}
