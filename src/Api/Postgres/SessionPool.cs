using System.Net.Sockets;
using Npgsql;

namespace Gateway.Api.Postgres;

/// <summary>
/// Represents the clean sessions of one connection. It replaces Npgsql's own pool, which cleans a session before its
/// next use instead of after the current one, and which one caller's error (for example SQLSTATE XX000) empties for all
/// callers (docs/decisions/0003). The queue limits the number of sessions.
/// </summary>
/// <param name="source">Opens sessions.</param>
/// <param name="queue">Limits the number of sessions.</param>
/// <param name="watchdog">Ends the work in the sessions.</param>
/// <param name="reuses">
/// True if any caller may reuse a session; false if no session is reused; null if only the same caller may reuse it,
/// and no session is reused while the database has one of <see cref="StatefulExtensions"/>.
/// </param>
/// <param name="clock">The clock for idle times and retries.</param>
internal sealed class SessionPool(
    SessionSource source, ConnectionQueue queue, Watchdog watchdog, bool? reuses, TimeProvider clock)
    : IAsyncDisposable
{
    /// <summary>
    /// Maximum idle time for a reuse without a ping. After it, a device on the way to the server may have dropped the
    /// connection without notice, and a statement would spend its whole budget on it.
    /// </summary>
    private static readonly TimeSpan TrustedIdleTime = TimeSpan.FromSeconds(1);

    /// <summary>How long to retry when a server refuses connections: about the time of a restart.</summary>
    private static readonly TimeSpan ConnectRetryTime = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan ConnectRetryDelay = TimeSpan.FromMilliseconds(50);

    /// <summary>Maximum time for the first query of a new session, which finds its backend.</summary>
    private static readonly TimeSpan FirstAnswerTime = TimeSpan.FromSeconds(5);

    /// <summary>
    /// Reads the process ID and the port from PostgreSQL: a pooler in between tells the client another process ID.
    /// </summary>
    private static readonly string FindBackend =
        $"""
        SELECT pg_catalog.pg_backend_pid(), pg_catalog.inet_client_port(), {StatefulExtensions.Exist},
               pg_catalog.has_function_privilege('pg_catalog.pg_advisory_unlock_all()', 'EXECUTE')
               AND pg_catalog.has_function_privilege('pg_catalog.pg_prepared_statement()', 'EXECUTE')
               AND pg_catalog.has_table_privilege('pg_catalog.pg_prepared_statements', 'SELECT'),
               {ServerPosition.MayRead("current_user")}
        """;

    /// <summary>
    /// Maximum number of abandoned connection attempts, since Npgsql can't end one before its timeout. They are enough
    /// that new attempts need not wait for them when the server is back, and too few to fill the server.
    /// </summary>
    private const int MaxAbandonedConnects = 8;

    /// <summary>
    /// Maximum number of sessions that a pooler had given to other clients, to end before a new one is opened: more than
    /// most poolers keep for a role.
    /// </summary>
    private const int MaxUsedSessions = 100;

    /// <summary>
    /// Maximum number of abandoned sessions that no longer count although the server has not said whether they still
    /// run. A network that drops packets must not use up the whole pool. If the server answers, each session counts
    /// until it has ended.
    /// </summary>
    private const int MaxUnknownSessions = 4;

    /// <summary>
    /// How long the server must be silent before such a session no longer counts. One query to it takes a second at
    /// most.
    /// </summary>
    private static readonly TimeSpan Silence = TimeSpan.FromSeconds(0.9);

    /// <summary>
    /// How long the server must be silent before no abandoned session counts. Most likely the server has ended the
    /// session by its own checks of the connection, or has lost it.
    /// </summary>
    private static readonly TimeSpan LongSilence = TimeSpan.FromSeconds(10);

    /// <summary>
    /// How long a session is reused on the primary, if <c>target_session_attrs</c> prefers a standby, or the reverse.
    /// No preferred server could be reached when it was opened, or its server was promoted since.
    /// </summary>
    private static readonly TimeSpan MisplacedTime = TimeSpan.FromSeconds(30);

    private readonly Lock _lock = new();

    // Last in, first out: the sessions in use stay warm, and those that are not needed age.
    private readonly List<Session> _idle = [];
    private readonly SemaphoreSlim _connecting = new(queue.Places + MaxAbandonedConnects);
    private readonly SemaphoreSlim _unknown = new(MaxUnknownSessions);
    private readonly PositionSupport _positions = new(clock);
    private bool _closed;
    private volatile bool _mayKeepState;

    /// <summary>Gets the hosts of the server.</summary>
    public ServerHosts Hosts => source.Hosts;

    /// <summary>Gets the number of idle sessions.</summary>
    public int Idle
    {
        get
        {
            lock (_lock)
                return _idle.Count;
        }
    }

    /// <summary>
    /// Gets or sets whether the database has an extension that may keep something of a request in a session, as seen
    /// last.
    /// </summary>
    public bool MayKeepState
    {
        get => _mayKeepState;
        set => _mayKeepState = value;
    }

    private bool Reuses => reuses ?? !MayKeepState;

    /// <summary>
    /// Gets or sets the callback for each new session. It gets the time that opening the session took.
    /// </summary>
    public Action<TimeSpan> Opened { get; set; } = _ => { };

    /// <summary>
    /// Returns a clean session: an idle one, or a new one if there is none or <paramref name="fresh"/> is true.
    /// </summary>
    /// <remarks>
    /// PostgreSQL keeps the plans and the parsed text of functions through all cleaning. They depend on the settings at
    /// the first call. So a session serves one caller (docs/decisions/0014).
    /// </remarks>
    /// <param name="caller">The caller.</param>
    /// <param name="reads">Whether the request only reads: it gets a session with prepared queries, if any.</param>
    /// <param name="fresh">Whether it needs a new session.</param>
    /// <param name="deadline">The request's deadline.</param>
    /// <exception cref="NpgsqlException">The server can't be reached, or refuses the connection.</exception>
    /// <exception cref="OperationCanceledException">The deadline came first.</exception>
    public async ValueTask<Session> RentAsync(string caller, bool reads, bool fresh, Deadline deadline)
    {
        if (!Reuses)
            await CloseIdleAsync();
        else if (!fresh && TakeIdle(caller, reads) is { } idle)
        {
            var isMisplaced = IsMisplaced(idle);
            if (!isMisplaced && (idle.IdleTime < TrustedIdleTime || await idle.AnswersAsync()))
                return idle;
            await CloseAsync(idle);
            // The cause has most likely cut off all other idle sessions too.
            if (!isMisplaced)
                await CloseIdleAsync();
        }
        return await OpenAsync(caller, choice: null, deadline);
    }

    /// <summary>
    /// Returns a new session on a given server. It is not reused: the sessions of the pool are to be on the servers
    /// that the DSN prefers.
    /// </summary>
    /// <exception cref="NpgsqlException">The server can't be reached, or refuses the connection.</exception>
    /// <exception cref="OperationCanceledException">The deadline came first.</exception>
    public async ValueTask<Session> RentAtAsync(HostChoice choice, string caller, Deadline deadline)
    {
        var session = await OpenAsync(caller, choice, deadline);
        session.Reject();
        return session;
    }

    /// <summary>Takes a session back. Closes it if it may not be clean, or if it is not to be reused.</summary>
    public async ValueTask ReturnAsync(Session session)
    {
        if (session.Transaction.HasNoPosition)
            _positions.SetMissing();
        session.MarkIdle();
        if (!session.IsClean || !Reuses || !TryKeep(session))
            await CloseAsync(session);
    }

    /// <summary>
    /// Removes what is prepared in sessions that were not used for a moment. In a session that is used, it is checked
    /// from time to time; what a caller's function may have changed there must not last in one that is not used.
    /// </summary>
    public async Task CleanIdleAsync()
    {
        while (TakeToClean() is { } session)
        {
            // While it is not in the list, the session counts as one in use. A request may have opened another one.
            using (queue.Hold())
            {
                var isClean = await session.CleanAsync();
                var isTooMany = queue.Read().Taken + Idle > queue.Places;
                if (!isClean || isTooMany || !TryKeep(session))
                    await CloseAsync(session);
                if (!isClean)
                {
                    // The cause has most likely cut off all other idle sessions too.
                    await CloseIdleAsync();
                }
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        lock (_lock)
            _closed = true;
        await CloseIdleAsync();
        await source.DisposeAsync();
    }

    /// <summary>Keeps an idle session. Returns false if the pool is closed.</summary>
    private bool TryKeep(Session session)
    {
        lock (_lock)
        {
            if (_closed)
                return false;
            // A session that was just used is the newest; one that was cleaned meanwhile is not.
            var index = _idle.Count;
            while (index > 0 && _idle[index - 1].IdleTime < session.IdleTime)
                index--;
            _idle.Insert(index, session);
            return true;
        }
    }

    /// <summary>Removes and returns a session that was idle for a moment and is not clean in full.</summary>
    private Session? TakeToClean()
    {
        lock (_lock)
        {
            var index = _idle.FindIndex(session =>
                session.MayHoldStatements && session.IdleTime >= PreparedQueries.CheckAfter);
            return index < 0 ? null : TakeAt(index);
        }
    }

    private ValueTask CloseAsync(Session session)
    {
        if (!session.Abandoned)
            return session.DisposeAsync();
        _ = EndAbandonedAsync(session, queue.Hold());
        return ValueTask.CompletedTask;
    }

    /// <summary>Ends an abandoned session, which counts against the pool until then.</summary>
    private async Task EndAbandonedAsync(Session session, ConnectionQueue.Place place)
    {
        using (place)
        {
            var isUnknown = false;
            await session.EndAbandonedAsync(silence =>
            {
                if (!isUnknown && silence >= Silence && _unknown.Wait(0))
                {
                    isUnknown = true;
                    place.Dispose();
                }
                return silence >= LongSilence;
            });
            if (isUnknown)
                _unknown.Release();
        }
    }

    private async Task CloseIdleAsync()
    {
        Session[] idle;
        lock (_lock)
        {
            idle = [.. _idle];
            _idle.Clear();
        }
        foreach (var session in idle)
            await session.DisposeAsync();
    }

    /// <summary>
    /// Removes and returns the newest idle session that the caller may reuse: for a read preferably one with prepared
    /// queries, and for a write one without, since the cleaning after a write removes them.
    /// </summary>
    private Session? TakeIdle(string caller, bool reads)
    {
        lock (_lock)
        {
            var newest = -1;
            for (var index = _idle.Count - 1; index >= 0; index--)
            {
                var session = _idle[index];
                if (reuses is not true && session.Caller != caller)
                    continue;
                if (session.MayHoldStatements == reads)
                    return TakeAt(index);
                newest = Math.Max(newest, index);
            }
            return newest < 0 ? null : TakeAt(newest);
        }
    }

    /// <summary>Removes and returns the session that is idle longest, if one more session would be too many.</summary>
    private Session? TakeSuperfluous()
    {
        // One of these places is for the session to be opened.
        var taken = queue.Read().Taken;
        lock (_lock)
            return _idle.Count > 0 && taken + _idle.Count > queue.Places ? TakeAt(0) : null;
    }

    private Session TakeAt(int index)
    {
        var session = _idle[index];
        _idle.RemoveAt(index);
        return session;
    }

    // A pooler does not say which server is a standby.
    private bool IsMisplaced(Session session) => Hosts.PrefersStandby is { } prefersStandby
        && !source.Pooler.IsPresent && session.IsOnStandby != prefersStandby && session.Age >= MisplacedTime;

    /// <param name="caller">The caller.</param>
    /// <param name="choice">The server; null for one that the DSN prefers.</param>
    /// <param name="deadline">The request's deadline.</param>
    private async Task<Session> OpenAsync(string caller, HostChoice? choice, Deadline deadline)
    {
        if (TakeSuperfluous() is { } superfluous)
            await CloseAsync(superfluous);
        var begun = clock.GetTimestamp();
        while (true)
        {
            try
            {
                var session = await ConnectAsync(choice ?? Hosts.Choice, deadline);
                session.Caller = caller;
                Opened(clock.GetElapsedTime(begun));
                return session;
            }
            catch (NpgsqlException error) when (MayPass(error) && clock.GetElapsedTime(begun) < ConnectRetryTime)
            {
                await Task.Delay(ConnectRetryDelay, clock, CancellationToken.None);
                // The server's error tells more than a timeout.
                if (deadline.Token.IsCancellationRequested)
                    throw;
            }
        }
    }

    /// <summary>
    /// Connects, until the deadline. Npgsql does not end every wait of a connection attempt at once, so an attempt that
    /// takes longer is left to end by itself.
    /// </summary>
    private async Task<Session> ConnectAsync(HostChoice choice, Deadline deadline)
    {
        await _connecting.WaitAsync(deadline.Token);
        var opening = ConnectAndLeaveAsync(choice, deadline.Token);
        try
        {
            return await opening.WaitAsync(deadline.Token);
        }
        catch (OperationCanceledException)
        {
            _ = CloseAsync(opening);
            throw;
        }
    }

    /// <summary>
    /// Connects. Counts in <see cref="_connecting"/> until the attempt ends, even if it is abandoned.
    /// </summary>
    private async Task<Session> ConnectAndLeaveAsync(HostChoice choice, CancellationToken cancellation)
    {
        NpgsqlConnection? connection = null;
        Task<FoundBackend?>? finding = null;
        try
        {
            FoundBackend? found;
            var tries = 0;
            do
            {
                cancellation.ThrowIfCancellationRequested();
                if (++tries > MaxUsedSessions)
                {
                    throw new NpgsqlException(
                        "The pooler gives the gateway sessions that other clients have used; set server_lifetime = 0 in "
                        + "PgBouncer (docs/poolers.md).");
                }
                if (connection is not null)
                    await connection.DisposeAsync();
                var begun = clock.GetTimestamp();
                connection = await source.OpenConnectionAsync(choice, cancellation);
                await BoundedWait.RunAsync(
                    ending => finding = FindBackendAsync(connection, begun, ending),
                    FirstAnswerTime,
                    clock,
                    CancellationToken.None);
                found = await finding!;
            }
            while (found is null);
            var session = new Session(
                connection, found.Backend, watchdog, clock, found.KeepsQueries, source.LocalSettings,
                found.HasPosition && _positions.IsExpected);
            _connecting.Release();
            return session;
        }
        catch (Exception error)
        {
            var closing = CloseAsync(connection, finding);
            if (error is TimeoutException && connection is not null)
                throw new NpgsqlException("The server lets the gateway in and does not answer.", error);
            await closing;
            throw;
        }
    }

    /// <summary>Closes a connection when the query that was abandoned in it has ended.</summary>
    private async Task CloseAsync(NpgsqlConnection? connection, Task? query)
    {
        try
        {
            if (query is not null)
                await query.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (connection is not null)
                await connection.DisposeAsync();
        }
        finally
        {
            _connecting.Release();
        }
    }

    /// <returns>Null if a pooler gave the session to another client before; it is ended.</returns>
    private async Task<FoundBackend?> FindBackendAsync(
        NpgsqlConnection connection, long begun, CancellationToken cancellation)
    {
        FoundBackend found;
        await using (var find = new NpgsqlCommand(FindBackend, connection))
        await using (var reader = await find.ExecuteReaderAsync(cancellation))
        {
            await reader.ReadAsync(cancellation);
            MayKeepState = reader.GetBoolean(2);
            var backend = new Backend(
                reader.GetInt32(0), reader.IsDBNull(1) ? null : reader.GetInt32(1), Hosts.HostOf(connection));
            found = new FoundBackend(backend, reader.GetBoolean(3), reader.GetBoolean(4));
        }
        // A pooler tells its clients process IDs of its own.
        if (found.Backend.ProcessId == connection.ProcessID)
            return found;
        source.Pooler.IsPresent = true;
        if (reuses is true || !await Pooler.WasUsedAsync(connection, () => clock.GetElapsedTime(begun), cancellation))
            return found;
        await Pooler.EndAsync(connection, cancellation);
        return null;
    }

    private static async Task CloseAsync(Task<Session> opening)
    {
        try
        {
            await using var late = await opening;
        }
        catch (Exception error) when (error is NpgsqlException or OperationCanceledException)
        {
            // No session was opened.
        }
    }

    /// <summary>
    /// Returns whether another attempt may succeed soon: the server is starting, stopping or full, or its machine
    /// refuses connections. No statement was sent yet, so a retry is safe.
    /// </summary>
    private static bool MayPass(NpgsqlException error) => error is PostgresException refusal
        ? refusal.SqlState is PostgresErrorCodes.CannotConnectNow or PostgresErrorCodes.AdminShutdown
            or PostgresErrorCodes.CrashShutdown or PostgresErrorCodes.TooManyConnections
        : error.InnerException is SocketException or IOException;

    /// <summary>Represents what a new session's first query finds.</summary>
    /// <param name="Backend">Its backend.</param>
    /// <param name="KeepsQueries">Whether queries may stay prepared in it.</param>
    /// <param name="HasPosition">Whether it may read the server's position.</param>
    private sealed record FoundBackend(Backend Backend, bool KeepsQueries, bool HasPosition);
}
