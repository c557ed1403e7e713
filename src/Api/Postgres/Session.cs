using System.Data;
using Gateway.Api.Dsns;
using Npgsql;

namespace Gateway.Api.Postgres;

/// <summary>
/// A session on the server, used by one request at a time: its lifetime, and the ways to end the work in it. Its round
/// trips are in <see cref="Transaction"/>.
/// </summary>
/// <remarks>
/// The session is cleaned as soon as a request's transaction has ended, not before the next use. Otherwise a lock
/// that a request took would be held until then.
/// </remarks>
internal sealed class Session : IAsyncDisposable
{
    /// <summary>
    /// Maximum time for the gateway's own work (ROLLBACK, cleaning, ping). After it, the session is closed.
    /// </summary>
    private static readonly TimeSpan OwnWorkTime = TimeSpan.FromMilliseconds(250);

    /// <summary>Maximum time for work to fail after its connection was cut.</summary>
    private static readonly TimeSpan CutTime = TimeSpan.FromSeconds(1);

    /// <summary>
    /// How long to read on, when the rest of a result is not needed, before the statement is cancelled. Most often
    /// there is no rest, and a cancel costs the session.
    /// </summary>
    private static readonly TimeSpan ReadOnTime = TimeSpan.FromMilliseconds(20);

    private readonly NpgsqlConnection _connection;
    private readonly Watchdog _watchdog;
    private readonly TimeProvider _clock;
    private readonly SessionCleaning _cleaning = new();

    // Ends a wait that nothing else ends.
    private readonly CancellationTokenSource _abandon = new();
    private readonly long _opened;
    private long _lastUse;
    private bool _cancelSent;
    private bool _isRejected;

    /// <param name="connection">The connection, which only this session uses.</param>
    /// <param name="backend">The session's backend on the server, as PostgreSQL itself sees it.</param>
    /// <param name="watchdog">Ends the work in the session from outside.</param>
    /// <param name="clock">The clock for idle times.</param>
    /// <param name="keepsQueries">
    /// Whether queries stay prepared in the session, so that it is cleaned in full only after other statements.
    /// </param>
    /// <param name="localSettings">
    /// A query that makes the session's settings at the start of a transaction; null if the session started with them.
    /// </param>
    /// <param name="readsPosition">Whether the server's position is read after each COMMIT.</param>
    public Session(
        NpgsqlConnection connection, Backend backend, Watchdog watchdog, TimeProvider clock, bool keepsQueries,
        string? localSettings = null, bool readsPosition = false)
    {
        (_connection, Backend, _watchdog, _clock) = (connection, backend, watchdog, clock);
        _lastUse = _opened = clock.GetTimestamp();
        var queries = keepsQueries ? new PreparedQueries(connection, clock) : null;
        Transaction = new SessionTransaction(connection, _cleaning, queries, Abandoning, localSettings, readsPosition);
    }

    /// <summary>Gets the round trips of the current request's transaction.</summary>
    public SessionTransaction Transaction { get; }

    /// <summary>Gets the session's backend on the server.</summary>
    public Backend Backend { get; }

    /// <summary>Gets the server that the session is on: one of several, if the DSN names several.</summary>
    public DsnHost Server => new(_connection.Host ?? "", _connection.Port);

    /// <summary>Gets or sets the caller whose requests run in the session.</summary>
    public string Caller { get; set; } = "";

    /// <summary>
    /// Gets whether statements may be prepared in the session: it was not cleaned in full after its last request.
    /// </summary>
    public bool MayHoldStatements => Transaction.Queries is { MayHoldStatements: true };

    /// <summary>Gets whether an earlier request ran in the session: its server may have closed it since.</summary>
    public bool Used { get; private set; }

    /// <summary>
    /// Gets whether nothing of a request is left in the session, so that the next request may have it.
    /// </summary>
    /// <remarks>After a cancel it is never clean: the cancel may arrive late, and must not hit another
    /// request.</remarks>
    public bool IsClean => Transaction is { State: TransactionState.None, HasFailedBehindCommit: false } && !Abandoned
        && !_cancelSent && !_isRejected && _connection.State == ConnectionState.Open;

    /// <summary>
    /// Gets whether something still waits for a server that does not answer. The memory that this work writes to may
    /// not be reused.
    /// </summary>
    public bool Abandoned => !Work.IsCompleted;

    /// <summary>Gets the work that waits for the server, or waited last.</summary>
    public Task Work { get; private set; } = Task.CompletedTask;

    /// <summary>Gets the time since the last request.</summary>
    public TimeSpan IdleTime => _clock.GetElapsedTime(_lastUse);

    /// <summary>Gets the time since the session was opened.</summary>
    public TimeSpan Age => _clock.GetElapsedTime(_opened);

    /// <summary>
    /// Gets whether text comes as UTF-8, as the server reported by the end of the last round trip. A session that had
    /// to be ended, to cut a result short, has reported nothing else.
    /// </summary>
    public bool SpeaksUtf8 => _connection.State != ConnectionState.Open
        || _connection.PostgresParameters.GetValueOrDefault("client_encoding") == "UTF8";

    /// <summary>
    /// Gets whether the server is a standby, as it reported last. False before PostgreSQL 14, or behind a pooler that
    /// does not pass it on.
    /// </summary>
    public bool IsOnStandby => _connection.State == ConnectionState.Open
        && _connection.PostgresParameters.GetValueOrDefault("in_hot_standby") == "on";

    /// <summary>Gets the token for each wait for the server.</summary>
    public CancellationToken Abandoning => _abandon.Token;

    /// <summary>Keeps the plans of functions for a while: the journal's functions run in this request.</summary>
    /// <param name="cleaning">Resets the session as DISCARD ALL does, and keeps the plans.</param>
    public void KeepPlans(string cleaning) => _cleaning.KeepPlans(cleaning);

    /// <summary>
    /// Closes the session after this request: its server is a standby, or a statement of the gateway's own has failed
    /// in it, which only a caller's SQL can bring about.
    /// </summary>
    public void Reject() => _isRejected = true;

    /// <summary>
    /// Waits for the work. At the deadline, or when the caller disconnects, has the watchdog end it on the server.
    /// Propagates the work's result or exception, if it ends after all.
    /// </summary>
    /// <param name="work">The work, which waits for the server.</param>
    /// <param name="end">A token of the request's <see cref="Deadline"/>.</param>
    /// <exception cref="OperationCanceledException">The server does not answer: the session is abandoned.</exception>
    public async Task GuardAsync(Task work, CancellationToken end)
    {
        Work = work;
        try
        {
            await work.WaitAsync(end);
        }
        catch (OperationCanceledException) when (end.IsCancellationRequested)
        {
            _cancelSent = true;
            if (!await _watchdog.EndAsync(Backend, work))
                throw;
            await work;
        }
    }

    /// <summary>
    /// Closes a reader without reading the rest of its results; a statement that still runs is ended.
    /// </summary>
    public Task CutShortAsync(NpgsqlDataReader reader) => CutShortAsync(() => reader.DisposeAsync().AsTask());

    /// <summary>Moves past the rest of a result without reading it; a statement that still runs is ended.</summary>
    public Task SkipRestAsync(NpgsqlDataReader reader) => CutShortAsync(() => reader.NextResultAsync(Abandoning));

    /// <summary>
    /// Rolls back what is open, and cleans the session. A session that is closed is rolled back first too: a server may
    /// take its time over closing, and holds the locks meanwhile.
    /// </summary>
    public async Task RollBackAsync()
    {
        if (Transaction.State != TransactionState.None && !Abandoned)
            await SucceedsAsync(Transaction.RollBackAsync);
    }

    /// <summary>Removes the prepared queries, and all else that is left. Returns whether that succeeded.</summary>
    public Task<bool> CleanAsync() => SucceedsAsync(Transaction.CleanAsync);

    /// <summary>Returns whether the server still answers.</summary>
    public Task<bool> AnswersAsync() => SucceedsAsync(PingAsync);

    /// <summary>Reads the server's position in the write-ahead log; of a standby, what it has replayed.</summary>
    /// <param name="end">A token of the request's <see cref="Deadline"/>.</param>
    /// <returns>Null if the server has none.</returns>
    /// <exception cref="NpgsqlException">The server refuses, or can't be reached.</exception>
    /// <exception cref="OperationCanceledException">The server does not answer: the session is abandoned.</exception>
    public async Task<ServerPosition?> ReadPositionAsync(CancellationToken end)
    {
        var reading = ReadAsync();
        await GuardAsync(reading, end);
        return await reading;

        async Task<ServerPosition?> ReadAsync()
        {
            await using var read = new NpgsqlCommand(ServerPosition.Select, _connection);
            await using var reader = await read.ExecuteReaderAsync(Abandoning);
            return await ServerPosition.ReadAsync(reader, isInserted: false, Abandoning);
        }
    }

    /// <summary>Marks the session as idle: the request is done with it.</summary>
    public void MarkIdle()
    {
        Used = true;
        if (!Abandoned)
            Transaction.ReleaseCommands();
        _cleaning.CountRequest();
        _lastUse = _clock.GetTimestamp();
    }

    /// <summary>
    /// Closes the session; PostgreSQL rolls back what is open. Does not wait for a server that does not answer.
    /// </summary>
    public async ValueTask DisposeAsync()
    {
        if (Abandoned)
        {
            _ = LeaveAsync(new TaskCompletionSource());
            return;
        }
        await _connection.DisposeAsync();
        _abandon.Dispose();
    }

    /// <summary>Ends an abandoned session, and returns when nothing of it is left on the server.</summary>
    /// <param name="givesUp">Returns whether to stop; gets the time for which the server has been silent.</param>
    public async Task EndAbandonedAsync(Func<TimeSpan, bool> givesUp)
    {
        var ended = new TaskCompletionSource();
        _ = LeaveAsync(ended);
        await _watchdog.PursueAsync(Backend, ended.Task, givesUp);
    }

    private async Task CutShortAsync(Func<Task> read)
    {
        // On another thread: Npgsql's method returns only when it has to wait for data. On a busy machine there may
        // always be more rows; it then kept this thread for seconds, past the deadline.
        var reading = Task.Run(read);
        if (await Task.WhenAny(reading, Task.Delay(ReadOnTime, _clock)) != reading)
        {
            _cancelSent = true;
            // Again, if none of the signals reached the server: otherwise the statement runs until the deadline.
            while (!await _watchdog.EndAsync(Backend, reading) && !Abandoning.IsCancellationRequested)
            {
            }
        }
        try
        {
            await reading;
        }
        catch (NpgsqlException)
        {
            // The cancel or the termination that was asked for (PostgreSQL takes no cancel while it waits for its
            // client); or the failure of a later statement, which no longer matters.
        }
    }

    /// <summary>
    /// Closes the connection when the work that waits on it has ended, at the latest after 10 seconds.
    /// </summary>
    /// <remarks>
    /// It is cut, not cancelled: when Npgsql cancels, it has the server end the statement, and that must not happen to
    /// a COMMIT that waits for a standby (docs/decisions/0019).
    /// </remarks>
    /// <param name="ended">Set if the server ended the work. If the gateway had to, the backend may still run.</param>
    private async Task LeaveAsync(TaskCompletionSource ended)
    {
        var isCut = await Task.WhenAny(Work, Task.Delay(BoundedWait.LeftAlone, _clock)) != Work;
        if (isCut)
            NpgsqlInternals.Cut(_connection);
        // The work may wait for something else than this connection.
        await BoundedWait.AbandonAsync(Work, _abandon, CutTime, _clock);
        await _connection.DisposeAsync();
        if (!isCut)
            ended.SetResult();
    }

    private async Task PingAsync()
    {
        await using var ping = new NpgsqlCommand("SELECT 1", _connection);
        await ping.ExecuteNonQueryAsync(Abandoning);
    }

    private async Task<bool> SucceedsAsync(Func<Task> work)
    {
        if (_connection.State != ConnectionState.Open)
            return false;
        try
        {
            Work = work();
            await Work.WaitAsync(OwnWorkTime, _clock);
            return true;
        }
        catch (Exception error) when (error is NpgsqlException or TimeoutException or OperationCanceledException)
        {
            return false;
        }
    }
}
