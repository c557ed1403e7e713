using System.Net.Sockets;
using Npgsql;

namespace Gateway.Api.Postgres;

/// <summary>
/// The clean sessions of one connection. It stands in for Npgsql's own pool, which cleans a session before its next use
/// instead of after this one, and which one caller's error (SQLSTATE XX000, say) empties for all (docs/decisions/0003).
/// How many there may be is the queue's business.
/// </summary>
/// <param name="source">Opens sessions.</param>
/// <param name="queue">Says how many there may be.</param>
/// <param name="watchdog">Ends what runs in them.</param>
/// <param name="reuses">
/// Whether a request may get a session that another one had, whoever sent that; null for a session of the same caller's only, and none
/// where the database has one of <see cref="StatefulExtensions"/>.
/// </param>
/// <param name="clock">The clock that idle times run by.</param>
internal sealed class SessionPool(
    NpgsqlDataSource source, ConnectionQueue queue, Watchdog watchdog, bool? reuses, TimeProvider clock) : IAsyncDisposable
{
    /// <summary>
    /// A session that has been idle for longer is asked for a sign of life first: what is between it and its server may
    /// have dropped it without a word, and a statement sent into the void would spend its whole budget there.
    /// </summary>
    private static readonly TimeSpan TrustedIdleTime = TimeSpan.FromSeconds(1);

    /// <summary>How long a server that refuses connections is asked again: a restart takes about that.</summary>
    private static readonly TimeSpan ConnectPatience = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan ConnectPause = TimeSpan.FromMilliseconds(50);

    /// <summary>How long a server that has let the gateway in may take to name the session's backend.</summary>
    private static readonly TimeSpan FirstAnswerTime = TimeSpan.FromSeconds(5);

    /// <summary>
    /// As PostgreSQL itself has them: a pooler in between tells the client another process ID.
    /// </summary>
    private const string FindBackend =
        $"SELECT pg_catalog.pg_backend_pid(), pg_catalog.inet_client_port(), {StatefulExtensions.Exist}";

    /// <summary>
    /// How many connects may hang that nobody waits for any more: Npgsql can't be made to end one before its time-out. So
    /// many that a server which is back is not kept waiting for them, and so few that they don't fill it.
    /// </summary>
    private const int LeftBehind = 8;

    /// <summary>
    /// How many abandoned sessions may be left behind of which the server does not say whether they run still: a network that
    /// swallows packets must not take the whole pool along. Where the server answers, each counts until it is gone.
    /// </summary>
    private const int LeftUnknown = 4;

    /// <summary>How long the server must have been silent for that; one look takes a second at most.</summary>
    private static readonly TimeSpan Silence = TimeSpan.FromSeconds(0.9);

    /// <summary>
    /// How long an abandoned session counts while the server is silent: it has most likely ended it by its own checks of the
    /// connection, or lost it.
    /// </summary>
    private static readonly TimeSpan LongSilence = TimeSpan.FromSeconds(10);

    private readonly Lock _lock = new();

    // Last in, first out: what is in use stays warm, and what is not grows old.
    private readonly List<Session> _idle = [];
    private readonly SemaphoreSlim _connecting = new(queue.Places + LeftBehind);
    private readonly SemaphoreSlim _unknown = new(LeftUnknown);
    private volatile bool _closed;
    private volatile bool _mayKeepState;

    /// <summary>The sessions that wait for a request.</summary>
    public int Idle
    {
        get
        {
            lock (_lock)
                return _idle.Count;
        }
    }

    /// <summary>Whether the database has an extension by which a session may keep something of a request; as was seen last.</summary>
    public bool MayKeepState
    {
        get => _mayKeepState;
        set => _mayKeepState = value;
    }

    private bool Reuses => reuses ?? !MayKeepState;

    /// <summary>Is told of each new session, and how long it took to come to be.</summary>
    public Action<TimeSpan> Opened { get; set; } = _ => { };

    /// <summary>
    /// A clean session: an idle one that may be reused, or a new one where there is none or <paramref name="fresh"/> is asked. PostgreSQL
    /// keeps the plans of functions, and what it has made of their text, beyond all cleaning: by the settings of whoever called them
    /// first. So a session serves one caller (docs/decisions/0014).
    /// </summary>
    /// <exception cref="NpgsqlException">The server can't be reached, or does not let the gateway in.</exception>
    /// <exception cref="OperationCanceledException">The deadline came first.</exception>
    public async ValueTask<Session> RentAsync(string caller, bool fresh, Deadline deadline)
    {
        if (!Reuses)
            await CloseIdleAsync();
        else if (!fresh && TakeIdle(caller) is { } idle)
        {
            if (idle.IdleTime < TrustedIdleTime || await idle.AnswersAsync())
                return idle;
            // What cut this one off has most likely cut off all.
            await CloseAsync(idle);
            await CloseIdleAsync();
        }
        if (TakeSuperfluous() is { } superfluous)
            await CloseAsync(superfluous);
        var session = await OpenAsync(deadline);
        session.Caller = caller;
        return session;
    }

    /// <summary>Takes a session back; one that is not clean, or may not be so, is closed.</summary>
    public async ValueTask ReturnAsync(Session session)
    {
        session.Rest();
        if (session.IsClean && Reuses && !_closed)
        {
            lock (_lock)
                _idle.Add(session);
        }
        else
            await CloseAsync(session);
    }

    public async ValueTask DisposeAsync()
    {
        _closed = true;
        await CloseIdleAsync();
        await source.DisposeAsync();
    }

    private ValueTask CloseAsync(Session session)
    {
        if (!session.Abandoned)
            return session.DisposeAsync();
        _ = EndAbandonedAsync(session, queue.Hold());
        return ValueTask.CompletedTask;
    }

    /// <summary>Has an abandoned session count against the pool until it is gone.</summary>
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

    /// <summary>The newest idle session that the caller may have.</summary>
    private Session? TakeIdle(string caller)
    {
        lock (_lock)
        {
            var index = reuses is true ? _idle.Count - 1 : _idle.FindLastIndex(session => session.Caller == caller);
            return index < 0 ? null : TakeAt(index);
        }
    }

    /// <summary>The idle session that has waited longest, where with one more there would be more than the pool may have.</summary>
    private Session? TakeSuperfluous()
    {
        // The session that is to be opened is for one of those.
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

    private async Task<Session> OpenAsync(Deadline deadline)
    {
        var begun = clock.GetTimestamp();
        while (true)
        {
            try
            {
                var session = await ConnectAsync(deadline);
                Opened(clock.GetElapsedTime(begun));
                return session;
            }
            catch (NpgsqlException error) when (MayPass(error) && clock.GetElapsedTime(begun) < ConnectPatience)
            {
                await Task.Delay(ConnectPause, clock, CancellationToken.None);
                // That there was a reason says more than that the time is over.
                if (deadline.Token.IsCancellationRequested)
                    throw;
            }
        }
    }

    /// <summary>Npgsql does not end every wait of a connect at once; the connect may end by itself, when it does.</summary>
    private async Task<Session> ConnectAsync(Deadline deadline)
    {
        await _connecting.WaitAsync(deadline.Token);
        var opening = ConnectAndLeaveAsync(deadline.Token);
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

    /// <summary>Gives its place among the connects up when it ends, whether or not anybody still waits for it.</summary>
    private async Task<Session> ConnectAndLeaveAsync(CancellationToken cancellation)
    {
        try
        {
            var connection = await source.OpenConnectionAsync(cancellation);
            Backend backend = default;
            try
            {
                await BoundedWait.RunAsync(
                    async ending => backend = await FindBackendAsync(connection, ending), FirstAnswerTime, clock,
                    CancellationToken.None);
            }
            catch (NpgsqlException)
            {
                await connection.DisposeAsync();
                throw;
            }
            catch (TimeoutException error)
            {
                // The connection is the abandoned work's, which is ended later.
                throw new NpgsqlException("The server lets the gateway in and does not answer.", error);
            }
            return new Session(connection, backend, watchdog, clock);
        }
        finally
        {
            _connecting.Release();
        }
    }

    private async Task<Backend> FindBackendAsync(NpgsqlConnection connection, CancellationToken cancellation)
    {
        await using var find = new NpgsqlCommand(FindBackend, connection);
        await using var reader = await find.ExecuteReaderAsync(cancellation);
        await reader.ReadAsync(cancellation);
        MayKeepState = reader.GetBoolean(2);
        return new Backend(reader.GetInt32(0), reader.IsDBNull(1) ? null : reader.GetInt32(1));
    }

    private static async Task CloseAsync(Task<Session> opening)
    {
        try
        {
            await using var late = await opening;
        }
        catch (Exception error) when (error is NpgsqlException or OperationCanceledException)
        {
            // It has not come to be.
        }
    }

    /// <summary>A server that is starting, stopping or full, or whose machine refuses: nothing has been asked of it yet.</summary>
    private static bool MayPass(NpgsqlException error) => error is PostgresException refusal
        ? refusal.SqlState is PostgresErrorCodes.CannotConnectNow or PostgresErrorCodes.AdminShutdown
            or PostgresErrorCodes.CrashShutdown or PostgresErrorCodes.TooManyConnections
        : error.InnerException is SocketException or IOException;
}
