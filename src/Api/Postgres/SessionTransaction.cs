using System.Data;
using Gateway.Api.Errors;
using Gateway.Api.Types;
using Gateway.Contracts;
using Npgsql;

namespace Gateway.Api.Postgres;

/// <summary>
/// The round trips of a session's transaction, from BEGIN to the cleaning behind its end, and its state.
/// </summary>
/// <remarks>
/// A batch fails at its first command that fails. Npgsql leaves the tag of each command that has run with the command,
/// and so tells how far the server got.
/// </remarks>
/// <param name="connection">The session's connection.</param>
/// <param name="cleaning">Chooses the statement that cleans the session.</param>
/// <param name="queries">The session's prepared queries; null if each request has to be cleaned in full.</param>
/// <param name="abandoning">Ends each wait for the server when the session is abandoned.</param>
/// <param name="localSettings">
/// A query that makes the session's settings at the start of a transaction; null if the session started with them.
/// </param>
/// <param name="readsPosition">Whether the server's position is read after each COMMIT.</param>
internal sealed class SessionTransaction(
    NpgsqlConnection connection, SessionCleaning cleaning, PreparedQueries? queries, CancellationToken abandoning,
    string? localSettings = null, bool readsPosition = false)
{
    /// <summary>
    /// Finds the statement with that text that was prepared by the protocol, other than for
    /// <see cref="PreparedQueries"/>; a caller's PREPARE may have the same text.
    /// </summary>
    private const string ParameterTypes =
        $"""
        SELECT pg_catalog.array_to_string(parameter_types::pg_catalog.oid[], ',')
          FROM pg_catalog.pg_prepared_statements
         WHERE NOT from_sql AND statement OPERATOR(pg_catalog.=) $1
           AND NOT pg_catalog.starts_with(name, '{PreparedQueries.NamePrefix}')
        """;

    /// <summary>
    /// A transaction of queries, when it is rolled back, leaves only session locks and prepared statements in the
    /// session (docs/decisions/0016).
    /// </summary>
    private const string EncodingAndUnlock =
        "SELECT pg_catalog.current_setting('client_encoding'), pg_catalog.pg_advisory_unlock_all()";

    private NpgsqlBatchCommand? _begin;
    private NpgsqlBatchCommand? _end;
    private NpgsqlBatchCommand? _cleaning;
    private NpgsqlBatchCommand? _encoding;
    private NpgsqlBatchCommand? _guard;
    private NpgsqlBatch? _roundTrip;

    /// <summary>Gets the state of the transaction, by the command tags that have arrived.</summary>
    public TransactionState State => TransactionStates.Of(StepOf(_begin), StepOf(_end), StepOf(_cleaning));

    /// <summary>Gets the prepared queries; null if the session has none.</summary>
    public PreparedQueries? Queries => queries;

    /// <summary>Gets whether the server has said after a COMMIT that it has no position.</summary>
    public bool HasNoPosition { get; private set; }

    /// <summary>
    /// Gets whether something failed behind a COMMIT that was confirmed. The commands behind it are one transaction, so
    /// the cleaning was undone, even if its tag has arrived.
    /// </summary>
    public bool HasFailedBehindCommit { get; private set; }

    /// <summary>Begins the transaction, and runs the commands in the same round trip.</summary>
    /// <param name="begin">BEGIN, with the transaction's modes.</param>
    /// <param name="commands">The commands, in order.</param>
    /// <param name="end">What follows in the same round trip. It does not run if a command fails.</param>
    /// <returns>The reader, at the first result of the commands.</returns>
    public Task<NpgsqlDataReader> BeginAsync(
        string begin, IEnumerable<NpgsqlBatchCommand> commands, RoundTripEnd end)
    {
        _begin = new NpgsqlBatchCommand(begin);
        return localSettings is null
            ? SendAsync(_begin, null, commands, end)
            : BeginWithSettingsAsync(_begin, new NpgsqlBatchCommand(localSettings), commands, end);
    }

    private async Task<NpgsqlDataReader> BeginWithSettingsAsync(
        NpgsqlBatchCommand begin, NpgsqlBatchCommand settings, IEnumerable<NpgsqlBatchCommand> commands,
        RoundTripEnd end)
    {
        var reader = await SendAsync(begin, settings, commands, end);
        try
        {
            if (IsAt(reader, settings))
                await reader.NextResultAsync(abandoning);
            return reader;
        }
        catch
        {
            await reader.DisposeAsync();
            throw;
        }
    }

    /// <summary>Runs the commands in one round trip.</summary>
    /// <param name="commands">The commands, in order.</param>
    /// <param name="end">As in <see cref="BeginAsync"/>.</param>
    public Task<NpgsqlDataReader> ExecuteAsync(
        IEnumerable<NpgsqlBatchCommand> commands, RoundTripEnd end = RoundTripEnd.Open) =>
        SendAsync(null, null, commands, end);

    /// <summary>
    /// Reads the encoding that text came in, if the round trip ends the transaction and the reader is past the results
    /// of the commands.
    /// </summary>
    /// <remarks>
    /// The server reports a changed encoding at the end of a round trip. If the transaction ends in the same round
    /// trip, the report is about the time after it; so the encoding is asked for.
    /// </remarks>
    public async Task<string?> ReadEncodingAsync(NpgsqlDataReader reader) =>
        _encoding is { } encoding && IsAt(reader, encoding) && await reader.ReadAsync(abandoning)
            ? reader.GetString(0)
            : null;

    /// <summary>Returns whether the reader is at the result of a command of the last round trip.</summary>
    /// <remarks>
    /// Npgsql moves past a command that returns no result. A tag alone does not tell: Npgsql reads the tag of a result
    /// without rows early, and stays at the result.
    /// </remarks>
    public bool IsAt(NpgsqlDataReader reader, NpgsqlBatchCommand command) =>
        _roundTrip is { } batch && CommandAt(reader, batch) == command;

    /// <summary>
    /// Has the server parse a statement and infer the types of its parameters; the statement does not run.
    /// </summary>
    /// <param name="sql">The statement.</param>
    /// <param name="types">The OID of each parameter's type; 0 where the server is to infer it.</param>
    /// <returns>The OID of each parameter's type.</returns>
    public async Task<IReadOnlyList<uint>> DescribeParametersAsync(string sql, IReadOnlyList<uint> types)
    {
        await using var statement = new NpgsqlCommand(sql, connection);
        foreach (var type in types)
            statement.Parameters.Add(StatementCommand.Parameter(null, type));
        await statement.PrepareAsync(abandoning);

        var described = new NpgsqlBatchCommand(ParameterTypes)
        {
            Parameters = { new NpgsqlParameter<string> { TypedValue = sql } },
        };
        await using (var reader = await ExecuteAsync([described]))
        {
            await reader.ReadAsync(abandoning);
            var oids = reader.GetString(0);
            types = oids.Length == 0 ? [] : Array.ConvertAll(oids.Split(','), Oids.Parse);
        }
        await statement.UnprepareAsync(abandoning);
        return types;
    }

    /// <summary>
    /// Has the server parse a statement and infer the types of its columns; the statement does not run.
    /// </summary>
    /// <returns>The OID of each column's type; none if the statement returns no rows.</returns>
    public async Task<IReadOnlyList<uint>> DescribeResultAsync(NpgsqlBatchCommand statement)
    {
        await using var batch = Batch(statement);
        await using var reader = await batch.ExecuteReaderAsync(CommandBehavior.SchemaOnly, abandoning);
        return [.. Enumerable.Range(0, reader.FieldCount).Select(reader.GetDataTypeOID)];
    }

    /// <summary>
    /// Commits, cleans the session, and reads the server's position, in one round trip.
    /// </summary>
    /// <param name="record">Writes the journal's record before COMMIT; null if the activity has none.</param>
    /// <param name="isSynchronous">Whether COMMIT must wait for a synchronous standby.</param>
    public async Task<CommitOutcome> CommitAsync(NpgsqlBatchCommand? record, bool isSynchronous = false)
    {
        var end = _end = new NpgsqlBatchCommand("COMMIT");
        _guard = isSynchronous ? new NpgsqlBatchCommand(SyncReplication.Require) : null;
        _cleaning = CleanInFull();
        // With a record, COMMIT waits for the disk, whatever the setting was.
        var setting = readsPosition && record is null && !isSynchronous
            ? new NpgsqlBatchCommand("SHOW synchronous_commit")
            : null;
        var reading = !readsPosition ? null : new NpgsqlBatchCommand(
            setting is null ? ServerPosition.SelectOfPrimary : ServerPosition.SelectWithInserted);
        // Deferred triggers run at COMMIT, after the guard, and could undo it; so they run first.
        NpgsqlBatchCommand?[] before =
            [isSynchronous ? new NpgsqlBatchCommand(SyncReplication.RunTriggers) : null, record, _guard, setting];
        ServerPosition? position = null;
        try
        {
            await using var batch = Batch([.. before.OfType<NpgsqlBatchCommand>(), end, _cleaning]);
            // Last: DISCARD ALL must not follow a query in a round trip.
            if (reading is not null)
                batch.BatchCommands.Add(reading);
            await using var reader = await batch.ExecuteReaderAsync(abandoning);
            var isAsynchronous = false;
            do
            {
                var command = CommandAt(reader, batch);
                if (command is not null && command == setting && await reader.ReadAsync(abandoning))
                    isAsynchronous = reader.GetString(0) == "off";
                if (command is not null && command == reading)
                    position = await ServerPosition.ReadAsync(reader, isAsynchronous, abandoning);
            }
            while (await reader.NextResultAsync(abandoning));
            return new CommitOutcome.Committed(position);
        }
        catch (PostgresException error) when (IsRefused(error))
        {
            return new CommitOutcome.Refused(error);
        }
        catch (Exception error) when (error is NpgsqlException or OperationCanceledException)
        {
            if (StepOf(end) != CommandStep.Confirmed)
                return new CommitOutcome.InDoubt(error);
            HasFailedBehindCommit = true;
            HasNoPosition = error is PostgresException { BatchCommand: { } failed } refusal && failed == reading
                && ServerPosition.IsMissing(refusal);
            return new CommitOutcome.Committed(position);
        }

        // An error that ended the session at COMMIT does not tell whether the effect was kept. Before COMMIT it does.
        // But if the server is at fault, another run in a new session may still succeed, if it can claim the activity.
        bool IsRefused(PostgresException error) => error.BatchCommand is { } failed && before.Contains(failed)
            ? record is null || !PostgresFailure.EndsSession(error)
                || PostgresFailure.Classify(error) != ProblemCode.DatabaseUnavailable
            : error.BatchCommand == end && !PostgresFailure.EndsSession(error);
    }

    /// <summary>Rolls back, and cleans the session, in one round trip.</summary>
    public async Task RollBackAsync()
    {
        await using var batch = Batch();
        AddRollBack(batch);
        await batch.ExecuteNonQueryAsync(abandoning);
    }

    /// <summary>Cleans the session in full, outside of a transaction.</summary>
    public async Task CleanAsync()
    {
        await using var batch = Batch(CleanInFull());
        await batch.ExecuteNonQueryAsync(abandoning);
    }

    /// <summary>
    /// Releases the commands of the last round trip, and with them the parameters. Otherwise this object, the prepared
    /// queries and Npgsql's reader, which a connection reuses, would keep them until the session's next request, and
    /// the memory budget does not count them any more.
    /// </summary>
    public void ReleaseCommands()
    {
        queries?.EndRequest();
        _roundTrip?.BatchCommands.Clear();
        _roundTrip = null;
    }

    /// <summary>
    /// Returns whether COMMIT was not sent because no synchronous standby is there to wait for.
    /// </summary>
    public bool HasNoStandby(PostgresException error) =>
        IsOfGuard(error) && error.SqlState == PostgresErrorCodes.InvalidParameterValue;

    /// <summary>Returns whether the guard before COMMIT failed.</summary>
    public bool IsOfGuard(PostgresException error) => _guard is { } sent && error.BatchCommand == sent;

    /// <summary>Returns whether the transaction had ended, and the cleaning behind its end failed.</summary>
    public bool HasFailedToClean(PostgresException error) => _cleaning is { } sent && error.BatchCommand == sent;

    private static NpgsqlBatchCommand? CommandAt(NpgsqlDataReader reader, NpgsqlBatch batch)
    {
        var index = NpgsqlInternals.StatementIndexOf(reader);
        return index >= 0 && index < batch.BatchCommands.Count ? batch.BatchCommands[index] : null;
    }

    private static CommandStep StepOf(NpgsqlBatchCommand? command) =>
        command is null ? CommandStep.NotSent
        : command.StatementType == Npgsql.StatementType.Unknown ? CommandStep.Sent
        : CommandStep.Confirmed;

    /// <summary>
    /// Results come as text, which PostgreSQL has for every type, those created after the gateway connected included.
    /// </summary>
    private Task<NpgsqlDataReader> SendAsync(
        NpgsqlBatchCommand? begin, NpgsqlBatchCommand? settings, IEnumerable<NpgsqlBatchCommand> commands,
        RoundTripEnd end)
    {
        (_end, _cleaning, _encoding, _guard) = (null, null, null, null);
        var batch = _roundTrip = Batch(commands);
        if (settings is not null)
            batch.BatchCommands.Insert(0, settings);
        if (begin is not null)
            batch.BatchCommands.Insert(0, begin);
        if (end == RoundTripEnd.RollBackQueries && queries is not null)
        {
            batch.BatchCommands.Add(_encoding = new NpgsqlBatchCommand(EncodingAndUnlock));
            queries.UseForEnd(_encoding);
            batch.BatchCommands.Add(_end = _cleaning = new NpgsqlBatchCommand("ROLLBACK"));
        }
        else if (end != RoundTripEnd.Open)
        {
            batch.BatchCommands.Add(_encoding = new NpgsqlBatchCommand("SHOW client_encoding"));
            AddRollBack(batch);
        }
        NpgsqlInternals.AskForText(batch);
        // Sequential: a row need not fit into memory.
        return batch.ExecuteReaderAsync(CommandBehavior.SequentialAccess, abandoning);
    }

    /// <summary>
    /// A transaction that only reads is rolled back, so that it can't have written: READ ONLY has gaps (large objects
    /// before version 16, EXPLAIN ANALYZE of CREATE TABLE AS).
    /// </summary>
    private void AddRollBack(NpgsqlBatch batch)
    {
        batch.BatchCommands.Add(_end = new NpgsqlBatchCommand("ROLLBACK"));
        batch.BatchCommands.Add(_cleaning = CleanInFull());
    }

    private NpgsqlBatchCommand CleanInFull()
    {
        queries?.Forget();
        return new NpgsqlBatchCommand(cleaning.Sql);
    }

    private NpgsqlBatch Batch(params IEnumerable<NpgsqlBatchCommand> commands)
    {
        var batch = new NpgsqlBatch(connection);
        foreach (var command in commands)
            batch.BatchCommands.Add(command);
        return batch;
    }
}

/// <summary>Represents what follows a round trip's commands in it.</summary>
internal enum RoundTripEnd
{
    /// <summary>Nothing: the transaction stays open.</summary>
    Open,

    /// <summary>ROLLBACK, and the cleaning of the session in full.</summary>
    RollBack,

    /// <summary>
    /// ROLLBACK, and the release of session locks. Only for queries in a READ ONLY transaction: nothing else can be
    /// left in the session.
    /// </summary>
    RollBackQueries,
}
