using Npgsql;

namespace Gateway.Api.Postgres;

/// <summary>
/// Ends the statement that runs in a session, from another session: at the deadline, and when the caller disconnects
/// (<see cref="Deadline"/>, <see cref="Session.GuardAsync"/>). It works even if the SQL changed its own timeouts, or
/// catches a cancel. It uses sessions that are open, so no thread waits for a new connection for the cancel. A COMMIT
/// that waits for a standby is not ended (<see cref="SyncReplication"/>).
/// </summary>
/// <param name="control">The control role's sessions.</param>
/// <param name="own">
/// Sessions of the watched role. Before PostgreSQL 15 a role can revoke membership in itself, also the control role's.
/// </param>
/// <param name="clock">The clock for the waits.</param>
internal sealed class Watchdog(SessionSource control, SessionSource own, TimeProvider clock)
{
    private const string Cancel = $"SELECT {Awaited} ELSE pg_catalog.pg_cancel_backend(pid) END {Target}";
    private const string Terminate = $"SELECT {Awaited} ELSE pg_catalog.pg_terminate_backend(pid) END {Target}";

    /// <summary>The backend that waits for a standby exists, and gets no signal.</summary>
    private const string Awaited = $"CASE WHEN {SyncReplication.IsAwaited} THEN true";

    /// <summary>
    /// The backend, and not another one that has its process ID now. A role that has lost the right to see the port
    /// sees NULL.
    /// </summary>
    private const string Target =
        "FROM pg_catalog.pg_stat_get_activity($1) WHERE client_port IS NULL OR client_port OPERATOR(pg_catalog.=) $2";

    private static readonly TimeSpan SendTime = TimeSpan.FromSeconds(1);

    /// <summary>The first delay before an abandoned session is looked at again. It doubles each time.</summary>
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(25);

    /// <summary>
    /// The signals to send, and how long to wait after each. A cancel that arrives before the statement has begun is
    /// lost, so it is sent again. PL/pgSQL can catch a cancel, but not a termination.
    /// </summary>
    private static readonly (string Sql, TimeSpan Wait)[] Steps =
    [
        (Cancel, TimeSpan.FromMilliseconds(30)),
        (Cancel, TimeSpan.FromMilliseconds(70)),
        (Cancel, TimeSpan.FromMilliseconds(100)),
        (Terminate, TimeSpan.FromMilliseconds(150)),
    ];

    /// <summary>Ends the statement that runs in the backend.</summary>
    /// <param name="backend">The backend.</param>
    /// <param name="work">The work that waits for the backend, and ends with the statement.</param>
    /// <returns>Whether the work has ended; false after 350 ms, if the server does not answer.</returns>
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

    /// <summary>Ends the backend of an abandoned session, and returns when it is gone.</summary>
    /// <param name="backend">The backend.</param>
    /// <param name="ended">Ends with the session's connection, if its server ended that.</param>
    /// <param name="givesUp">Returns whether to stop; gets the time for which the server has been silent.</param>
    public async Task PursueAsync(Backend backend, Task ended, Func<TimeSpan, bool> givesUp)
    {
        var heard = clock.GetTimestamp();
        var pause = FirstPause;
        while (!ended.IsCompleted)
        {
            switch (await SendAsync(Terminate, backend))
            {
                case false:
                    // The backend is gone.
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

    /// <returns>Whether the backend exists; null if its server did not answer.</returns>
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
            // The next step follows in any case. The last one is to abandon the session.
            return null;
        }
        return answer;
    }

    private static async Task<bool?> SendAsync(
        SessionSource source, string sql, Backend backend, CancellationToken cancellation)
    {
        await using var session = await source.OpenConnectionAsync(backend.Host, cancellation);
        await using var command = new NpgsqlCommand(sql, session);
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = backend.ProcessId });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = backend.ClientPort ?? Backend.UnixSocket });
        if (await command.ExecuteScalarAsync(cancellation) is true)
            return true;
        // At another host, it says nothing that the backend was not found.
        return backend.Host is null || source.Hosts.Several.Contains(backend.Host) ? false : null;
    }
}
