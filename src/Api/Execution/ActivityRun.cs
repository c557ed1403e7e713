using System.Runtime.CompilerServices;
using Gateway.Api.Callers;
using Gateway.Api.Connections;
using Gateway.Api.Errors;
using Gateway.Api.Journal;
using Gateway.Api.Postgres;
using Gateway.Api.Results;
using Gateway.Api.Sql;
using Gateway.Api.Types;
using Gateway.Contracts;
using Npgsql;

namespace Gateway.Api.Execution;

/// <summary>One run of a call in one session: from BEGIN to the end of its transaction.</summary>
/// <param name="call">The request.</param>
/// <param name="connection">Its connection.</param>
/// <param name="session">A clean session.</param>
/// <param name="key">The key of the journal's codes; may be null where the activity is not recorded.</param>
/// <param name="answer">Gets the results.</param>
/// <param name="deadline">The budget.</param>
/// <param name="asksAll">Whether the server is asked of all that depends on types.</param>
/// <param name="refusal">
/// What an earlier run failed by at COMMIT, if it kept nothing: this one claims the activity to find that out, and runs
/// nothing.
/// </param>
internal sealed class ActivityRun(
    ActivityCall call, NamedConnection connection, Session session, CodeKey? key, ActivityAnswer answer, Deadline deadline,
    bool asksAll, Failure? refusal = null) : IDisposable
{
    private readonly NpgsqlBatchCommand _begin = new(call.Mode.Begin);

    // The server reports a changed encoding at the end of a round trip; where the transaction ends within, it is what it was by then.
    private readonly NpgsqlBatchCommand _showEncoding = new("SHOW client_encoding");
    private readonly OutgoingStatements _statements = new(call, answer.Results, connection.Descriptions, asksAll, answer.Memory);

    // All that the round trip which is on took along.
    private List<NpgsqlBatchCommand> _roundTrip = [];
    private NpgsqlBatchCommand? _claimCommand;
    private Claim? _claim;
    private bool _isRecorded;
    private string? _shownEncoding;

    public ActivityAnswer Answer => answer;

    /// <summary>
    /// Whether it has found out what became of the activity's earlier runs: it had the claim, so they kept nothing, or
    /// there is a record.
    /// </summary>
    public bool KnowsOutcome { get; private set; }

    private bool IsSeveralReads => call is { Mode.Access: Access.ReadOnly, Statements.Count: > 1 };

    /// <summary>
    /// Whether the transaction's end goes along with the round trip that is on: nothing is to be recorded, and whether it is
    /// answered or not, what only reads is rolled back.
    /// </summary>
    private bool EndGoesAlong => call.Mode.Access == Access.ReadOnly && _statements.AreAllSent;

    /// <summary>Claims the activity and runs the statements, in as few round trips as references between them allow.</summary>
    /// <returns>The recorded answer, where there is one: then nothing has run.</returns>
    public async Task<ActivityAnswer?> RunStatementsAsync()
    {
        if (call is { IsRetry: true, RequestHash: not null } && await FindRecordAsync() is { } record)
            return Replay(record);
        do
        {
            await GuardAsync(_begin.StatementType == StatementType.Unknown ? BeginAsync() : GoOnAsync());
            // Where it was purged between the two, the next try has the activity to itself.
            if (_isRecorded)
                return Replay(await FindRefusedAsync() ?? throw ActivityJournal.InFlight());
        }
        while (!_statements.AreAllSent);

        if (!(_shownEncoding is null ? session.SpeaksUtf8 : _shownEncoding == "UTF8"))
        {
            throw new Failure(
                ProblemCode.SqlRejected,
                "The statement changes client_encoding, and an answer's text would be wrong; convert_to() makes bytes of another encoding.");
        }
        return null;
    }

    /// <summary>Records the answer, and ends the transaction.</summary>
    /// <exception cref="CommitInDoubtException">No answer to COMMIT came, and a claim of the activity can settle it.</exception>
    public async Task EndAsync()
    {
        if (call.Mode.Access == Access.ReadOnly)
        {
            // Most often that has been done; and where it has not, nothing is lost.
            await session.RollBackAsync();
            return;
        }

        var finish = _claim is null ? null : ActivityJournal.Finish(key!, session.Backend, _claim, answer.Body);
        try
        {
            await session.GuardAsync(session.CommitAsync(finish), deadline.BudgetEnd);
        }
        catch (PostgresException error) when (finish is not null && error.BatchCommand == finish && error.SqlState == ActivityJournal.ClaimLost)
        {
            session.Reject();
            throw ActivityJournal.Escaped();
        }
        catch (PostgresException error) when (error.SqlState == PostgresErrorCodes.QueryCanceled && deadline.BudgetEnd.IsCancellationRequested)
        {
            throw deadline.Ended("committing", error);
        }
        catch (PostgresException error)
        {
            if (await IsCancelledAsync(error))
                throw Cancelled(error);
            if (finish is not null && error.BatchCommand == finish)
                throw OwnStatementRefused(error);
            throw StatementFailure.Of(error, [.. _statements.Sent.Select(sent => sent.Statement)], connection.ShowsErrorValues);
        }
        catch (Exception error) when (error is CommitInDoubtException or OperationCanceledException)
        {
            throw call.RequestHash is null ? Attempts.OutcomeUnknown(call, error) : InDoubt(error);
        }
    }

    public void Dispose() => _statements.Dispose();

    private CommitInDoubtException InDoubt(Exception error)
    {
        var cause = error is CommitInDoubtException { InnerException: { } inner } ? inner : error;
        var said = cause is PostgresException ended
            ? StatementFailure.Of(ended, [.. _statements.Sent.Select(sent => sent.Statement)], connection.ShowsErrorValues)
            : null;
        var isFinal = said is not null && !FailureTable.For(said.Code).Retryable;
        return new CommitInDoubtException(cause) { Refusal = isFinal ? said : null };
    }

    private ActivityAnswer Replay(ActivityRecord record)
    {
        KnowsOutcome = true;
        if (!call.RequestHash!.Matches(record.RequestHash))
            throw ActivityJournal.Mismatch();
        return answer.Recorded(record.Answer ?? throw ActivityJournal.Escaped());
    }

    /// <summary>Looks for the activity's record, by the control role.</summary>
    private async Task<ActivityRecord?> FindRecordAsync()
    {
        try
        {
            return await connection.Journal.FindAsync(call.Activity, deadline.Token);
        }
        catch (OperationCanceledException error) when (deadline.Token.IsCancellationRequested)
        {
            throw deadline.Ended("looking for the activity's record", error);
        }
        catch (NpgsqlException error)
        {
            throw PostgresFailure.Unreachable(error, connection.Name);
        }
    }

    /// <summary>Looks for the record that the claim was refused for, and ends the claim's transaction meanwhile.</summary>
    private async Task<ActivityRecord?> FindRefusedAsync()
    {
        var rollingBack = session.RollBackAsync();
        try
        {
            return await FindRecordAsync();
        }
        finally
        {
            await rollingBack;
        }
    }

    /// <summary>The first round trip: the journal's part and BEGIN stand before the statements.</summary>
    private async Task BeginAsync()
    {
        var tag = new ActivityTag(call.Activity, connection.ApplicationName, key, session.Backend);
        if (call.RequestHash is { } hash)
        {
            session.KeepPlans(ActivityJournal.Clean);
            _claimCommand = connection.Journal.Claim(key!, session.Backend, tag, hash.Bytes);
        }
        ReadOnlySpan<NpgsqlBatchCommand> tagging = _claimCommand is { } claim ? [claim] : IsSeveralReads ? [tag.Select()] : tag.Set();
        var last = tagging[^1];

        await using var reader = await SendAsync([_begin, .. tagging, .. refusal is null ? Take() : []]);
        if (IsAt(reader, last))
        {
            if (last == _claimCommand && await reader.ReadAsync(session.Abandoning))
                _claim = Claim.Parse(reader.GetString(0));
            KnowsOutcome = _claim is not null;
            await reader.NextResultAsync(session.Abandoning);
        }
        if (refusal is not null)
            throw refusal;
        await ReadResultsAsync(reader);
    }

    private async Task GoOnAsync()
    {
        var statements = Take();
        if (statements.Count == 0)
        {
            await AskAsync();
            statements = Take();
        }
        await using var reader = await SendAsync(statements);
        await ReadResultsAsync(reader);
    }

    private List<NpgsqlBatchCommand> Take()
    {
        try
        {
            return _statements.Take(deadline);
        }
        catch (Failure failure)
        {
            failure.Statement = IndexOf(_statements.Sent.Count);
            throw;
        }
    }

    private async Task AskAsync()
    {
        try
        {
            await _statements.AskAsync(session);
        }
        catch (Failure failure)
        {
            failure.Statement = IndexOf(_statements.Sent.Count);
            throw;
        }
    }

    private Task<NpgsqlDataReader> SendAsync(List<NpgsqlBatchCommand> commands)
    {
        _roundTrip = commands;
        if (!EndGoesAlong)
            return session.ExecuteAsync([.. commands]);
        commands.Add(_showEncoding);
        return session.ExecuteAndRollBackAsync([.. commands]);
    }

    private async Task ReadResultsAsync(NpgsqlDataReader reader)
    {
        try
        {
            while (answer.Results.Count < _statements.Sent.Count)
                await ReadResultAsync(reader, _statements.Sent[answer.Results.Count]);
            if (EndGoesAlong && IsAt(reader, _showEncoding) && await reader.ReadAsync(session.Abandoning))
                _shownEncoding = reader.GetString(0);
        }
        catch (Exception error) when (error is not NpgsqlException)
        {
            if (error is Failure failure)
                failure.Statement ??= IndexOf(answer.Results.Count - 1);
            // What is left of the result would be read to its end, however long that is.
            await session.CutShortAsync(reader);
            throw;
        }
    }

    private async Task ReadResultAsync(NpgsqlDataReader reader, SentStatement statement)
    {
        if (statement.Check is not null)
            await reader.NextResultAsync(session.Abandoning);
        var types = statement.FollowsLook ? await LookAsync(reader, statement) : statement.ResultTypes?.Types ?? [];
        var result = answer.Add(call, statement.Call);
        await result.ReadAsync(
            reader, statement.Command, IsAt(reader, statement.Command),
            oids => FindTypesAsync(statement, oids, types), new ReadingWaits(session.Abandoning, deadline.Token));
        if (result.Truncated)
            await session.SkipRestAsync(reader);
        if (statement.Call.ExpectedRowCount is { } expected && result.RowCount != expected)
        {
            throw new Failure(
                ProblemCode.ExpectationFailed,
                $"The request expects a row count of {expected} and the statement has {result.RowCount?.ToString() ?? "none"}; "
                + "it was rolled back.");
        }
        _statements.Remember(statement, result);
    }

    /// <summary>Reads whether the composites that a statement's values are of are still what they were.</summary>
    /// <returns>The types of its columns that are; none where they have to be read.</returns>
    /// <exception cref="StaleDescriptionException">The statement's parameters were made for what they were.</exception>
    private async Task<IReadOnlyList<DataType>> LookAsync(NpgsqlDataReader reader, SentStatement statement)
    {
        var areUnchanged = await statement.Known.Watch.AreUnchangedAsync(reader, session.Abandoning);
        // The statement behind it may have failed for that.
        if (!areUnchanged && statement.Statement.HasTypes)
            throw Stale(statement, "A type of the statement's parameters was altered meanwhile; try again.");
        await reader.NextResultAsync(session.Abandoning);
        return areUnchanged ? statement.Known.AlterableResults : [];
    }

    /// <summary>
    /// The types of a result's columns: those that are known in this transaction, and else as all see them.
    /// </summary>
    /// <exception cref="StaleDescriptionException">They may be others in this transaction than all see.</exception>
    private async ValueTask<DataType[]> FindTypesAsync(
        SentStatement statement, IReadOnlyList<uint> oids, IReadOnlyList<DataType> current)
    {
        var types = await connection.Types.FindAsync(oids, current, session.Abandoning);
        if (statement.MayFollowDdl && !asksAll && types.Any(IsUnconfirmed))
            throw Stale(statement, "A type of the statement's result is being altered; try again.");
        return types;

        bool IsUnconfirmed(DataType type) =>
            TypeCatalog.MayBeNew(type) && !current.Contains(type, ReferenceEqualityComparer.Instance);
    }

    /// <summary>
    /// Whether the reader is at a command's result, of rows or of none; Npgsql goes past a command that has no result, and whose tag
    /// is there then. That tells nothing by itself: of a result without rows Npgsql has read the tag too, and stays.
    /// </summary>
    private bool IsAt(NpgsqlDataReader reader, NpgsqlBatchCommand command) =>
        _roundTrip.ElementAtOrDefault(StatementIndexOf(reader)) == command;

    private StaleDescriptionException Stale(SentStatement statement, string detail)
    {
        _statements.Forget(statement);
        return new StaleDescriptionException(new Failure(ProblemCode.Conflict, detail));
    }

    /// <summary>Waits for a round trip until the deadline, and classifies what comes of it.</summary>
    private async Task GuardAsync(Task work)
    {
        try
        {
            await session.GuardAsync(work, deadline.Token);
        }
        catch (Exception error) when (deadline.Token.IsCancellationRequested && IsEnding(error))
        {
            throw deadline.Ended("running the statement", error);
        }
        catch (NpgsqlException error) when (session.Used && HasNotBegun(error))
        {
            throw new StaleSessionException(error);
        }
        catch (PostgresException error) when (session.HasFailedToClean(error))
        {
            // It is closed, and the caller's statements have run.
        }
        catch (PostgresException error)
        {
            // As asked: nothing has run.
            _isRecorded = error.SqlState == ActivityJournal.Recorded && error.BatchCommand is { } refused && refused == _claimCommand;
            if (_isRecorded && PostgresFailure.EndsSession(error))
                throw new StaleSessionException(error);
            if (_isRecorded)
                return;
            throw await IsCancelledAsync(error) ? Cancelled(error) : Refused(error);
        }
        catch (NpgsqlException error)
        {
            throw PostgresFailure.Lost(error, connection.Name);
        }

        if (deadline.Token.IsCancellationRequested)
            throw deadline.Ended("running the statement");
    }

    private Exception Refused(PostgresException error)
    {
        if (error.BatchCommand is { } refused && refused == _claimCommand)
        {
            if (error.SqlState == PostgresErrorCodes.LockNotAvailable)
                return ActivityJournal.InFlight();
            if (ActivityJournal.IsOfAnotherJournal(error))
            {
                // Nothing has run. The next run reads the key again, and finds out whether there is a journal.
                connection.Journal.Forget(key!);
                session.Reject();
                return new StaleSessionException(ActivityJournal.CodeRefused(connection.Name));
            }
        }
        if (_statements.BeingAsked is { } asked)
            return Refused(error, asked, _statements.Sent.Count);
        foreach (var (index, sent) in _statements.Sent.Index())
        {
            if (sent.IsStale(error))
                return Stale(sent, "The types of the statement's parameters were changed meanwhile; try again.");
            if (sent.Command != error.BatchCommand && sent.Check?.Has(error.BatchCommand) != true)
                continue;
            return Refused(error, sent.Statement, index);
        }
        return error.BatchCommand is null ? StatementFailure.Of(error, [], connection.ShowsErrorValues)
            : OwnStatementRefused(error);
    }

    /// <summary>
    /// PostgreSQL refused a statement of the gateway's own, by what the caller's SQL has set, say. Nothing that it says of it is
    /// passed on, and the session is closed: all but a conflict between transactions can come of a session that was tampered with.
    /// </summary>
    private Failure OwnStatementRefused(PostgresException error)
    {
        var failure = error.SqlState == ActivityJournal.InvalidCode
            ? ActivityJournal.CodeRefused(connection.Name)
            : PostgresFailure.OwnStatementRefused(error);
        if (failure.Code != ProblemCode.Conflict)
            session.Reject();
        return failure;
    }

    private Failure Refused(PostgresException error, BoundStatement statement, int index)
    {
        var failure = StatementFailure.Of(error, [statement], connection.ShowsErrorValues);
        failure.Statement = IndexOf(index);
        return failure;
    }

    /// <summary>What the watchdog brings about; any other error is the statement's own, and came before it.</summary>
    private static bool IsEnding(Exception error) => error is not PostgresException refusal
        ? error is OperationCanceledException or NpgsqlException
        : refusal.SqlState == PostgresErrorCodes.QueryCanceled || PostgresFailure.EndsSession(refusal);

    /// <summary>
    /// Whether the session was gone before BEGIN: its tag is not there. Then no statement has run, and they may run in
    /// another session; else it is the caller's to decide, who may have had it ended on purpose.
    /// </summary>
    private bool HasNotBegun(NpgsqlException error) =>
        _begin.StatementType == StatementType.Unknown
        && (error is not PostgresException refusal || PostgresFailure.EndsSession(refusal));

    /// <summary>Whether it failed by the cancel endpoint, of any replica, and not by somebody else's cancel.</summary>
    private async Task<bool> IsCancelledAsync(PostgresException error) =>
        (error.SqlState == PostgresErrorCodes.QueryCanceled || PostgresFailure.EndsSession(error))
        && await connection.Activities.IsBeingCancelledAsync(call.Activity);

    private static Failure Cancelled(PostgresException error) =>
        new(ProblemCode.Cancelled, "The activity was cancelled, and rolled back.", error);

    private int? IndexOf(int statement) => call.IsTransaction ? statement : null;

    /// <summary>Of the command in its batch whose result the reader is at. Npgsql keeps it to itself.</summary>
    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "get_StatementIndex")]
    private static extern int StatementIndexOf(NpgsqlDataReader reader);
}
