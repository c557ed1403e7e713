using Gateway.Api.Callers;
using Gateway.Api.Connections;
using Gateway.Api.Errors;
using Gateway.Api.Journal;
using Gateway.Api.Postgres;
using Gateway.Api.Results;
using Gateway.Api.Telemetry;
using Gateway.Api.Types;
using Gateway.Contracts;
using Npgsql;

namespace Gateway.Api.Execution;

/// <summary>One run of a call in one session: steps 4 to 7 of <see cref="StatementPath"/>.</summary>
/// <param name="call">The request.</param>
/// <param name="connection">Its connection.</param>
/// <param name="session">A clean session.</param>
/// <param name="key">The key of the journal's codes; may be null if the activity is not recorded.</param>
/// <param name="answer">Gets the results.</param>
/// <param name="deadline">The request's deadline.</param>
/// <param name="history">The runs of the request so far.</param>
internal sealed class ActivityRun(
    ActivityCall call, NamedConnection connection, Session session, CodeKey? key, ActivityAnswer answer,
    Deadline deadline, RunHistory history) : IDisposable
{
    private const string Utf8 = "UTF8";

    private readonly OutgoingStatements _statements =
        new(call, answer.Results, connection.Descriptions, history.HadStaleTypes, answer.Memory);

    private NpgsqlBatchCommand? _claimCommand;
    private ClaimProof? _proof;
    private Claim? _claim;
    private string? _shownEncoding;

    // Whether the effects of earlier runs are known: this run has the claim, or found the record.
    private bool _isSettled;
    private RunErrors? _errors;

    private RunErrors Errors => _errors ??= new RunErrors(call, connection, session, _statements);

    /// <summary>
    /// Whether ROLLBACK goes with the current round trip: a transaction that only reads has no record, and is rolled
    /// back in any case. It depends on the statements that were taken, so take them first.
    /// </summary>
    private RoundTripEnd End => call.Mode.Access == Access.ReadWrite || !_statements.AreAllTaken ? RoundTripEnd.Open
        : _statements.AreQueries ? RoundTripEnd.RollBackQueries
        : RoundTripEnd.RollBack;

    /// <summary>
    /// Runs the statements, in as few round trips as the references between them allow. A write is committed, with the
    /// claim and the record of its activity if the delivery is exactly-once. A read is rolled back.
    /// </summary>
    /// <param name="request">Gets the stages, for the log.</param>
    /// <exception cref="CallerLeftException">The caller has disconnected.</exception>
    public async Task<RunOutcome> RunAsync(RequestRecord request)
    {
        try
        {
            // Steps 4 and 5.
            request.Enter(Stage.Execute);
            do
            {
                var isFirst = session.Transaction.State == TransactionState.None;
                if (await GuardAsync(isFirst ? BeginAsync() : ContinueAsync()) is { } ended)
                    return ended;
            }
            while (!_statements.AreAllTaken);
            RequireUtf8();

            // Step 6.
            answer.Complete(call);

            // Step 7.
            request.Enter(Stage.Commit);
            return await EndAsync();
        }
        catch (Failure failure)
        {
            return new RunOutcome.Failed(failure, _isSettled);
        }
    }

    public void Dispose() => _statements.Dispose();

    /// <summary>Records the answer, and ends the transaction.</summary>
    private async Task<RunOutcome> EndAsync()
    {
        if (call.Mode.Access == Access.ReadOnly)
        {
            // Most often ROLLBACK went with the statements, and this does nothing. The answer does not depend on it.
            await session.RollBackAsync();
            return new RunOutcome.Answered(answer);
        }

        var finish = _claim is null ? null : ActivityJournal.Finish(_claim, answer.Body);
        var committing = session.Transaction.CommitAsync(finish, connection.Standbys is not null);
        try
        {
            await session.GuardAsync(committing, deadline.BudgetEnd);
        }
        catch (OperationCanceledException error)
        {
            return Errors.OfLostCommit(error);
        }
        return await committing switch
        {
            CommitOutcome.Refused refused => throw await Errors.OfCommitAsync(refused.Error, finish, deadline),
            CommitOutcome.InDoubt doubt => Errors.OfLostCommit(doubt.Cause),
            CommitOutcome.Committed committed => Answered(committed),
            var other => throw new ArgumentOutOfRangeException(nameof(committing), other, null),
        };

        RunOutcome.Answered Answered(CommitOutcome.Committed committed)
        {
            answer.Position = committed.Position;
            return new RunOutcome.Answered(answer);
        }
    }

    private RunOutcome.Replayed ReplayFrom(ActivityRecord record)
    {
        _isSettled = true;
        return Replay.From(record, call, answer);
    }

    /// <summary>Looks for the record that the claim has met, and ends the claim's transaction meanwhile.</summary>
    private async Task<ActivityRecord?> FindRecordAndRollBackAsync()
    {
        var rollingBack = session.RollBackAsync();
        try
        {
            return await Replay.FindRecordAsync(call, connection, deadline);
        }
        finally
        {
            await rollingBack;
        }
    }

    /// <summary>The first round trip: BEGIN, the claim or the session's tag, and the statements.</summary>
    private async Task<RunOutcome?> BeginAsync()
    {
        var tag = new ActivityTag(call.Activity, connection.ApplicationName, key, session.Backend);
        if (call.RequestHash is { } hash)
        {
            session.KeepPlans(ActivityJournal.Clean);
            _proof = ClaimProof.Create();
            _claimCommand = connection.Journal.Claim(key!, session.Backend, tag, hash.Bytes, _proof);
        }
        var taken = history.FailureIfClaimed is null ? TakeStatements() : 0;
        var end = End;
        var queries = end == RoundTripEnd.RollBackQueries ? session.Transaction.Queries : null;
        var commands = new List<NpgsqlBatchCommand>();
        // Whatever a caller's SQL has done to prepared statements is found before one is used.
        var check = queries?.Check();
        if (check is not null)
            commands.Add(check);
        // Only a transaction of one query uses prepared ones: the SQL of an earlier statement could change how a later
        // one is to be parsed.
        var usable = call.Statements.Count == 1 && !history.HadStaleTypes ? queries : null;
        AddTags(commands, tag, usable);
        var last = commands[^1];
        if (usable is not null)
            _statements.UsePrepared(usable);
        AddStatements(commands, taken);

        await using var reader = await session.Transaction.BeginAsync(call.Mode.Begin, commands, end);
        if (check is not null && session.Transaction.IsAt(reader, check))
        {
            if (!await PreparedQueries.AreUnchangedAsync(reader, session.Abandoning))
            {
                session.Reject();
                await session.CutShortAsync(reader);
                return RunErrors.StaleQueries();
            }
            await reader.NextResultAsync(session.Abandoning);
        }
        if (session.Transaction.IsAt(reader, last))
        {
            if (last == _claimCommand && await reader.ReadAsync(session.Abandoning))
                _claim = new Claim(reader.GetString(0), _proof!);
            _isSettled = _claim is not null;
            await reader.NextResultAsync(session.Abandoning);
        }
        // With the claim, the run in doubt kept nothing. Without it, RetryPolicy goes on.
        return history.FailureIfClaimed is null ? await ReadResultsAsync(reader) : throw history.FailureIfClaimed;
    }

    /// <summary>A later round trip: the statements whose references or types are known now.</summary>
    private async Task<RunOutcome?> ContinueAsync()
    {
        var taken = TakeStatements();
        if (taken == 0)
        {
            await AskForTypesAsync();
            taken = TakeStatements();
        }
        var commands = new List<NpgsqlBatchCommand>();
        AddStatements(commands, taken);
        await using var reader = await session.Transaction.ExecuteAsync(commands, End);
        return await ReadResultsAsync(reader);
    }

    /// <summary>Adds the claim, which also sets the tags, or the commands that set the tags.</summary>
    private void AddTags(List<NpgsqlBatchCommand> commands, ActivityTag tag, PreparedQueries? usable)
    {
        if (_claimCommand is { } claim)
        {
            commands.Add(claim);
        }
        else if (call.Mode.Access == Access.ReadOnly)
        {
            var query = tag.Select();
            usable?.UseForTag(query);
            commands.Add(query);
        }
        else
        {
            commands.AddRange(tag.Set());
        }
    }

    /// <summary>Adds the commands of the statements that were taken last.</summary>
    private void AddStatements(List<NpgsqlBatchCommand> commands, int taken)
    {
        for (var index = _statements.Taken.Count - taken; index < _statements.Taken.Count; index++)
            commands.AddRange(_statements.Taken[index].Commands);
    }

    private int TakeStatements()
    {
        try
        {
            return _statements.Take(deadline);
        }
        catch (Failure failure)
        {
            failure.Statement = IndexOf(_statements.Taken.Count);
            throw;
        }
    }

    private async Task AskForTypesAsync()
    {
        try
        {
            await _statements.AskAsync(session);
        }
        catch (Failure failure)
        {
            failure.Statement = IndexOf(_statements.Taken.Count);
            throw;
        }
    }

    private async Task<RunOutcome?> ReadResultsAsync(NpgsqlDataReader reader)
    {
        var index = answer.Results.Count;
        RunOutcome? stale = null;
        try
        {
            for (; stale is null && index < _statements.Taken.Count; index++)
                stale = await ReadResultAsync(reader, _statements.Taken[index]);
            if (stale is null)
                _shownEncoding = await session.Transaction.ReadEncodingAsync(reader);
        }
        catch (Exception error) when (error is not NpgsqlException)
        {
            if (error is Failure failure)
                failure.Statement ??= IndexOf(index);
            // Closing the reader would read the rest of the result, however long it is.
            await session.CutShortAsync(reader);
            throw;
        }
        if (stale is not null)
            await session.CutShortAsync(reader);
        return stale;
    }

    private async Task<RunOutcome?> ReadResultAsync(NpgsqlDataReader reader, OutgoingStatement statement)
    {
        if (statement.Check is not null)
            await reader.NextResultAsync(session.Abandoning);
        var confirmed = statement.ResultTypes?.Types ?? [];
        if (statement.FollowsLook)
        {
            var areUnchanged = await statement.Known.Watch.AreUnchangedAsync(reader, session.Abandoning);
            // The statement behind the look may have failed for that.
            if (!areUnchanged && statement.Statement.HasTypes)
            {
                return Errors.StaleTypes(
                    statement, "A type of the statement's parameters was altered meanwhile; try again.");
            }
            await reader.NextResultAsync(session.Abandoning);
            confirmed = areUnchanged ? statement.Known.AlterableResults : [];
        }

        DataType[]? types = null;
        if (session.Transaction.IsAt(reader, statement.Command))
        {
            session.Transaction.Queries?.Release(statement.Command, reader.FieldCount);
            types = await connection.Types.FindAsync(RowReader.TypeOidsOf(reader), confirmed, session.Abandoning);
            if (statement.MayFollowDdl && !history.HadStaleTypes && types.Any(type => IsUnconfirmed(type, confirmed)))
                return Errors.StaleTypes(statement, "A type of the statement's result is being altered; try again.");
        }
        var result = answer.Add(call, statement.Call);
        await result.ReadAsync(reader, statement.Command, types, new ReadingWaits(session.Abandoning, deadline.Token));
        if (result.Truncated)
            await session.SkipRestAsync(reader);
        RequireRowCount(statement.Call.ExpectedRowCount, result.RowCount);
        _statements.Remember(statement, result);
        return null;
    }

    /// <summary>Whether a type may be another in this transaction than other sessions see.</summary>
    private static bool IsUnconfirmed(DataType type, IReadOnlyList<DataType> confirmed) =>
        TypeCatalog.MayBeNew(type) && !confirmed.Contains(type, ReferenceEqualityComparer.Instance);

    private static void RequireRowCount(long? expected, long? rowCount)
    {
        if (expected is not null && rowCount != expected)
        {
            throw new Failure(
                ProblemCode.ExpectationFailed,
                $"The request expects a row count of {expected} and the statement has "
                + $"{rowCount?.ToString() ?? "none"}; it was rolled back.");
        }
    }

    private void RequireUtf8()
    {
        if (_shownEncoding is null ? !session.SpeaksUtf8 : _shownEncoding != Utf8)
        {
            throw new Failure(
                ProblemCode.SqlRejected,
                "The statement changes client_encoding, and an answer's text would be wrong; convert_to() makes bytes "
                + "of another encoding.");
        }
    }

    /// <summary>Waits for a round trip until the deadline, and classifies its errors.</summary>
    /// <returns>The outcome that ends the run; null if the run goes on.</returns>
    private async Task<RunOutcome?> GuardAsync(Task<RunOutcome?> roundTrip)
    {
        RunOutcome? outcome = null;
        try
        {
            await session.GuardAsync(roundTrip, deadline.Token);
            outcome = await roundTrip;
        }
        catch (Exception error) when (deadline.Token.IsCancellationRequested && RunErrors.MayBeOfTheWatchdog(error))
        {
            throw deadline.Ended("running the statement", error);
        }
        catch (NpgsqlException error) when (Errors.IsOfAStaleSession(error))
        {
            return new RunOutcome.StaleSession(PostgresFailure.Lost(error, connection.Name));
        }
        catch (PostgresException error) when (session.Transaction.HasFailedToClean(error))
        {
            // The caller's statements have run, and their results were read, so the run goes on. The session will be
            // closed.
        }
        catch (PostgresException error)
        {
            return await OfErrorAsync(error);
        }
        catch (NpgsqlException error)
        {
            throw PostgresFailure.Lost(error, connection.Name);
        }

        if (outcome is null && deadline.Token.IsCancellationRequested)
            throw deadline.Ended("running the statement");
        return outcome;
    }

    private async Task<RunOutcome> OfErrorAsync(PostgresException error)
    {
        var isOfClaim = error.BatchCommand is { } refused && refused == _claimCommand;
        if (isOfClaim && error.SqlState == ActivityJournal.Recorded)
        {
            if (PostgresFailure.EndsSession(error))
                return new RunOutcome.StaleSession(PostgresFailure.Lost(error, connection.Name));
            // If the record was purged in between, the next attempt has the activity to itself.
            return ReplayFrom(await FindRecordAndRollBackAsync() ?? throw ActivityJournal.InFlight());
        }
        if (Errors.IsOfStandby(error))
        {
            session.Reject();
            if (call.RequestHash is not null && !call.LooksFirst(history)
                && await Replay.FindRecordAsync(call, connection, deadline) is { } found)
            {
                return ReplayFrom(found);
            }
            var standby = PostgresFailure.Standby(connection.Name, error);
            // A new session may reach the primary.
            return history.HadStaleSession || !session.Used ? throw standby : new RunOutcome.StaleSession(standby);
        }
        if (await Errors.FindCancelAsync(error) is { } cancelled)
            throw cancelled;
        return Errors.FindStale(error, isOfClaim ? key : null) ?? throw Errors.FailureOf(error, isOfClaim);
    }

    private int? IndexOf(int statement) => call.IsTransaction ? statement : null;
}
