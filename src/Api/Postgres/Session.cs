using System.Data;
using System.Runtime.CompilerServices;
using Gateway.Api.Callers;
using Gateway.Api.Dsns;
using Gateway.Api.Errors;
using Gateway.Api.Types;
using Gateway.Contracts;
using Npgsql;

namespace Gateway.Api.Postgres;

/// <summary>
/// One session on the server, held by one request at a time. What a request leaves in it is thrown away as soon as its
/// transaction has ended, not before the next use: a lock that is kept until somebody comes along is a lock too long.
/// </summary>
/// <param name="connection">The connection, which is the session's alone.</param>
/// <param name="backend">Its backend on the server, as PostgreSQL itself sees it.</param>
/// <param name="watchdog">Ends from outside what runs in it.</param>
/// <param name="clock">The clock that its idle time runs by.</param>
internal sealed class Session(NpgsqlConnection connection, Backend backend, Watchdog watchdog, TimeProvider clock)
    : IAsyncDisposable
{
    /// <summary>How long a server may take over what is not the caller's: past it, the session is given up.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(250);

    /// <summary>So many requests that only read cost about what the plans cost that are kept meanwhile.</summary>
    private const int KeepPlansFor = 8;

    /// <summary>Of the one statement with that text that was prepared by the protocol, and not by a caller's PREPARE.</summary>
    private const string ParameterTypes =
        """
        SELECT pg_catalog.array_to_string(parameter_types::pg_catalog.oid[], ',')
          FROM pg_catalog.pg_prepared_statements
         WHERE NOT from_sql AND statement OPERATOR(pg_catalog.=) $1
        """;

    /// <summary>
    /// How long the rest of a result may take that nobody will read: most often there is none, and a cancel would cost
    /// the session.
    /// </summary>
    private static readonly TimeSpan LeftOver = TimeSpan.FromMilliseconds(20);

    // Takes back a wait that nothing else ends.
    private readonly CancellationTokenSource _abandon = new();
    private Task _work = Task.CompletedTask;
    private long _lastUse = clock.GetTimestamp();
    private bool _cancelSent;
    private bool _isRejected;

    // Whether no caller's SQL has run in it since it was clean; and where some has, what is to clean it.
    private bool _isUntouched = true;
    private TransactionEnd? _end;

    // Requests since the plans of functions became worth keeping, and the statement that then cleans the session.
    private int _sinceKeepingPlans = KeepPlansFor;
    private string _cleaningThatKeepsPlans = "";

    /// <summary>The one that it is on, where the DSN names several.</summary>
    public DsnHost Server => new(connection.Host ?? "", connection.Port);

    /// <summary>Whose requests run in it.</summary>
    public string Caller { get; set; } = "";

    /// <summary>Whether an earlier request ran in it: its server may have closed it since.</summary>
    public bool Used { get; private set; }

    /// <summary>Whether nothing is left in it, so that the next request may have it.</summary>
    /// <remarks>A cancel may arrive late, and must not hit another request's statement.</remarks>
    public bool IsClean => HasEnded && !_cancelSent && !_isRejected && connection.State == ConnectionState.Open;

    /// <summary>
    /// Whether something waits for the server still, which does not answer. What that work writes to may not be touched.
    /// </summary>
    public bool Abandoned => !_work.IsCompleted;

    /// <summary>What waits for the server, or has waited last.</summary>
    public Task Work => _work;

    /// <summary>The time since its last request.</summary>
    public TimeSpan IdleTime => clock.GetElapsedTime(_lastUse);

    /// <summary>
    /// Whether text still comes as UTF-8, as far as the server has said by the end of the last round trip. A server that had to
    /// end the session, to cut a result short, has not said.
    /// </summary>
    public bool SpeaksUtf8 => connection.State != ConnectionState.Open
        || connection.PostgresParameters.GetValueOrDefault("client_encoding") == "UTF8";

    /// <summary>For each wait for the server.</summary>
    public CancellationToken Abandoning => _abandon.Token;

    /// <summary>Its backend on the server.</summary>
    public Backend Backend => backend;

    /// <summary>
    /// DISCARD ALL is the cheaper, but throws away the plans of functions too, which nobody could tell a request by: making the
    /// journal's anew for each request takes longer than the rest of its work.
    /// </summary>
    private string Cleaning => _sinceKeepingPlans < KeepPlansFor ? _cleaningThatKeepsPlans : "DISCARD ALL";

    private bool HasEnded => _isUntouched || (_end is { HasCleaned: true } && !Abandoned);

    /// <summary>The journal's functions run in it: their plans are worth keeping for a while.</summary>
    /// <param name="cleaning">Resets the session as DISCARD ALL does, and keeps the plans.</param>
    public void KeepPlans(string cleaning) => (_sinceKeepingPlans, _cleaningThatKeepsPlans) = (0, cleaning);

    /// <summary>A statement of the gateway's own has failed in it, which only a caller's SQL can bring about: it is not used again.</summary>
    public void Reject() => _isRejected = true;

    /// <summary>
    /// Waits for what runs in the session until a moment, and then ends it on the server. Returns where it has succeeded
    /// all the same, and throws what it throws.
    /// </summary>
    /// <exception cref="OperationCanceledException">The server does not answer: the session is abandoned.</exception>
    public async Task GuardAsync(Task work, CancellationToken end)
    {
        _work = work;
        try
        {
            await work.WaitAsync(end);
        }
        catch (OperationCanceledException) when (end.IsCancellationRequested)
        {
            _cancelSent = true;
            if (!await watchdog.EndAsync(backend, work))
                throw;
            await work;
        }
    }

    /// <summary>
    /// Sends the statements in one round trip. All their results come as text, which PostgreSQL has for every type,
    /// those that were created after the gateway connected included.
    /// </summary>
    /// <param name="commands">The statements, in order; the first that fails ends the rest.</param>
    public Task<NpgsqlDataReader> ExecuteAsync(params ReadOnlySpan<NpgsqlBatchCommand> commands)
    {
        (_isUntouched, _end) = (false, null);
        var batch = Batch(commands);
        AskForText(batch, true);
        // A row need not fit into memory.
        return batch.ExecuteReaderAsync(CommandBehavior.SequentialAccess, Abandoning);
    }

    /// <summary>Has the server parse a statement and say of which types its parameters are; nothing of it runs.</summary>
    /// <param name="sql">The statement.</param>
    /// <param name="types">The OID of each parameter's type; 0 where the server is to infer it.</param>
    /// <returns>The OID of each parameter's type.</returns>
    public async Task<IReadOnlyList<uint>> DescribeAsync(string sql, IReadOnlyList<uint> types)
    {
        (_isUntouched, _end) = (false, null);
        await using var statement = new NpgsqlCommand(sql, connection);
        foreach (var type in types)
            statement.Parameters.Add(new NpgsqlParameter<ParameterText> { TypedValue = new ParameterText(null, type) });
        await statement.PrepareAsync(Abandoning);

        var described = new NpgsqlBatchCommand(ParameterTypes)
        {
            Parameters = { new NpgsqlParameter<string> { TypedValue = sql } },
        };
        await using (var reader = await ExecuteAsync(described))
        {
            await reader.ReadAsync(Abandoning);
            var oids = reader.GetString(0);
            types = oids.Length == 0 ? [] : Array.ConvertAll(oids.Split(','), Oids.Parse);
        }
        await statement.UnprepareAsync(Abandoning);
        return types;
    }

    /// <summary>Has the server parse a statement and say of which types its columns are; nothing of it runs.</summary>
    /// <returns>The OID of each column's type; none where it returns no rows.</returns>
    public async Task<IReadOnlyList<uint>> DescribeResultAsync(NpgsqlBatchCommand statement)
    {
        (_isUntouched, _end) = (false, null);
        await using var batch = Batch(statement);
        await using var reader = await batch.ExecuteReaderAsync(CommandBehavior.SchemaOnly, Abandoning);
        return [.. Enumerable.Range(0, reader.FieldCount).Select(reader.GetDataTypeOID)];
    }

    /// <summary>Whether the transaction had ended and what came after it failed: the session is not used again.</summary>
    public bool HasFailedToClean(PostgresException error) => _end is { } end && end.HasFailedToClean(error);

    /// <summary>Closes a reader whose rest nobody will read; what runs on is ended on the server.</summary>
    public Task CutShortAsync(NpgsqlDataReader reader) => CutShortAsync(() => reader.DisposeAsync().AsTask());

    /// <summary>Goes past the rest of a result that nobody will read; what runs on is ended on the server.</summary>
    public Task SkipRestAsync(NpgsqlDataReader reader) => CutShortAsync(() => reader.NextResultAsync(Abandoning));

    private async Task CutShortAsync(Func<Task> read)
    {
        // On another thread: Npgsql's method returns only when it has to wait for data. On a busy machine there may always
        // be more rows; it then kept this thread for seconds, past the deadline.
        var reading = Task.Run(read);
        if (await Task.WhenAny(reading, Task.Delay(LeftOver, clock)) != reading)
        {
            _cancelSent = true;
            // Again, if none of the signals reached the server: otherwise the statement runs until the deadline.
            while (!await watchdog.EndAsync(backend, reading) && !Abandoning.IsCancellationRequested)
            {
            }
        }
        try
        {
            await reading;
        }
        catch (NpgsqlException)
        {
            // The end that was asked for, by a cancel or with the session (PostgreSQL takes no cancel while it waits for its reader);
            // or the failure of a statement behind the one that decided.
        }
    }

    /// <summary>
    /// Sends the statements, and what rolls them back and throws away what they leave, in one round trip. Where one fails, the
    /// transaction stays open.
    /// </summary>
    public Task<NpgsqlDataReader> ExecuteAndRollBackAsync(params ReadOnlySpan<NpgsqlBatchCommand> commands)
    {
        var end = new TransactionEnd(Access.ReadOnly, Cleaning);
        var reading = ExecuteAsync([.. commands, .. end.Commands]);
        _end = end;
        return reading;
    }

    /// <summary>Commits, and throws away what the request left, in one round trip.</summary>
    /// <param name="record">What goes into the journal, in the same transaction and the same round trip.</param>
    /// <returns>Only once PostgreSQL has said that it committed.</returns>
    /// <exception cref="PostgresException">PostgreSQL refused to commit, and rolled back.</exception>
    /// <exception cref="CommitInDoubtException">No answer to COMMIT came.</exception>
    public async Task CommitAsync(NpgsqlBatchCommand? record)
    {
        var end = _end = new TransactionEnd(Access.ReadWrite, Cleaning);
        try
        {
            await using var batch = record is null ? Batch(end.Commands) : Batch([record, .. end.Commands]);
            await batch.ExecuteNonQueryAsync(Abandoning);
        }
        catch (PostgresException error) when (IsRefused(error))
        {
            throw;
        }
        catch (Exception error) when (error is NpgsqlException or OperationCanceledException)
        {
            // The tag of COMMIT is here if it came at all; then only the cleaning failed, and the session is closed.
            if (!end.IsOver)
                throw new CommitInDoubtException(error);
        }

        // What ended the session at COMMIT tells nothing of the effect. At the record it does: COMMIT stood behind it,
        // and has not run; but where the server is at fault, a run in another session helps the caller more.
        bool IsRefused(PostgresException error) => record is not null && error.BatchCommand == record
            ? !PostgresFailure.EndsSession(error) || PostgresFailure.Classify(error) != ProblemCode.DatabaseUnavailable
            : end.IsRefusedBy(error) && !PostgresFailure.EndsSession(error);
    }

    /// <summary>
    /// Ends the transaction without effect and throws away what the request left; before the session is closed too, since
    /// a server takes its time over closing, and would hold the locks meanwhile.
    /// </summary>
    public async Task RollBackAsync()
    {
        if (HasEnded || Abandoned)
            return;
        _end = new TransactionEnd(Access.ReadOnly, Cleaning);
        await SucceedsAsync(_end.Commands);
    }

    /// <summary>Whether the server still answers.</summary>
    public Task<bool> AnswersAsync() => SucceedsAsync(new NpgsqlBatchCommand("SELECT 1"));

    /// <summary>The request is done with it.</summary>
    public void Rest()
    {
        Used = true;
        _sinceKeepingPlans++;
        _lastUse = clock.GetTimestamp();
    }

    /// <summary>Closes it; PostgreSQL rolls back what is open. Does not wait for a server that does not answer.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Abandoned)
        {
            _ = LeaveAsync(new TaskCompletionSource());
            return;
        }
        await connection.DisposeAsync();
        _abandon.Dispose();
    }

    /// <summary>Ends an abandoned session, and returns once nothing of it is left on the server.</summary>
    /// <param name="givesUp">Whether to look no further; told how long the server has been silent.</param>
    public async Task EndAbandonedAsync(Func<TimeSpan, bool> givesUp)
    {
        var ended = new TaskCompletionSource();
        _ = LeaveAsync(ended);
        await watchdog.PursueAsync(backend, ended.Task, givesUp);
    }

    /// <summary>Closes the connection when what waits on it has ended.</summary>
    /// <param name="ended">Set where the server ended that; the backend may run on where the gateway had to.</param>
    private async Task LeaveAsync(TaskCompletionSource ended)
    {
        await BoundedWait.AbandonAsync(_work, _abandon, clock);
        await connection.DisposeAsync();
        if (!_abandon.IsCancellationRequested)
            ended.SetResult();
    }

    private async Task<bool> SucceedsAsync(params NpgsqlBatchCommand[] commands)
    {
        if (connection.State != ConnectionState.Open)
            return false;
        try
        {
            await using var batch = Batch(commands);
            _work = batch.ExecuteNonQueryAsync(Abandoning);
            await _work.WaitAsync(Patience, clock);
            return true;
        }
        catch (Exception error) when (error is NpgsqlException or TimeoutException or OperationCanceledException)
        {
            return false;
        }
    }

    private NpgsqlBatch Batch(params ReadOnlySpan<NpgsqlBatchCommand> commands)
    {
        var batch = new NpgsqlBatch(connection);
        foreach (var command in commands)
            batch.BatchCommands.Add(command);
        return batch;
    }

    /// <summary>
    /// Npgsql has it in public on a command, where one statement goes at a time, and not on a batch, which saves the
    /// round trip of BEGIN (docs/decisions/0002).
    /// </summary>
    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "set_AllResultTypesAreUnknown")]
    private static extern void AskForText(NpgsqlBatch batch, bool value);
}

/// <summary>COMMIT was sent and no answer came: the effect may have been kept or not.</summary>
internal sealed class CommitInDoubtException(Exception cause)
    : Exception("The answer to COMMIT was lost.", cause)
{
    /// <summary>
    /// What to answer where nothing was kept, if the server said why as it ended the session; null where the statements
    /// may succeed the next time.
    /// </summary>
    public Failure? Refusal { get; init; }
}
