using System.Runtime.ExceptionServices;
using Gateway.Api.Callers;
using Gateway.Api.Configuration;
using Gateway.Api.Connections;
using Gateway.Api.Errors;
using Gateway.Api.Journal;
using Gateway.Api.Postgres;
using Gateway.Api.Results;
using Gateway.Api.Sql;
using Gateway.Api.Telemetry;
using Gateway.Contracts;
using Npgsql;

namespace Gateway.Api.Execution;

/// <summary>
/// The path of every statement, from a valid request to an answer that may be sent:
/// <list type="number">
/// <item>
/// Refuse a statement that the caller may not run, or that the gateway never runs. The server is not asked yet.
/// </item>
/// <item>
/// Wait in the queue for a place, or be refused. A request that was sent before looks for the activity's record, which
/// needs no session.
/// </item>
/// <item>Take a clean session: an idle one or a new one.</item>
/// <item>
/// BEGIN, claim the activity (or find its record, and run nothing) and run the statements, in one round trip. It
/// takes more if a parameter refers to an earlier statement's result.
/// </item>
/// <item>
/// Read the results, and check the request's expectations. A result that can't be answered must not be committed.
/// </item>
/// <item>Write the answer as it will be sent.</item>
/// <item>
/// Record the answer in the journal, COMMIT and clean the session, in one round trip. A transaction that only reads is
/// rolled back instead, in the round trip of step 4.
/// </item>
/// <item>Return the session to the pool; if it may not be clean, close it.</item>
/// </list>
/// Steps 3 to 8 are one run. <see cref="RetryPolicy"/> decides whether there is another.
/// </summary>
internal sealed class StatementPath(ConnectionRegistry connections, GatewayOptions options, TimeProvider clock)
{
    /// <summary>Runs the call, again if the retry policy says so.</summary>
    /// <param name="call">The request.</param>
    /// <param name="deadline">Its deadline.</param>
    /// <param name="record">Gets the stages, the number of runs and the outcome, for the log.</param>
    /// <param name="stream">Sends a query's rows to the caller in steps 4 and 5; null if they are held.</param>
    /// <exception cref="Failure">The request failed.</exception>
    /// <exception cref="CallerLeftException">The caller has disconnected.</exception>
    public async Task<ActivityAnswer> RunAsync(
        ActivityCall call, Deadline deadline, RequestRecord record, RowStream? stream = null)
    {
        // 1.
        call.Caller.Require(call.Activity.Connection, call.Mode.Access);
        for (var index = 0; index < call.Statements.Count; index++)
            RefuseStatement(call, index, call.Statements[index].Statement.Sql);
        var connection = connections.Find(call.Activity.Connection);
        record.Connection = connection.Name;
        if (call.Mode.Access == Access.ReadWrite)
            RefuseWrite(connection);

        // 2.
        record.Enter(Stage.Queue);
        using var place = await connection.Queue.EnterAsync(call.Activity.Caller, deadline);

        for (var history = default(RunHistory); ;)
        {
            record.Runs++;
            RunOutcome? outcome = record.Runs > 1 ? await RenewPlaceAsync(place, call, connection, deadline) : null;
            outcome ??= await (RequestTrace.IsOn
                ? RunTracedAsync(call, connection, history, deadline, record, stream)
                : RunOnceAsync(call, connection, history, deadline, record, stream));
            record.WasInDoubt |= outcome is RunOutcome.InDoubt { CanBeSettled: true };
            switch (RetryPolicy.Decide(outcome, history))
            {
                case RetryDecision.Respond respond:
                    return await ConfirmAsync(respond.Answer, call, connection, deadline, record);
                case RetryDecision.Retry retry:
                    // After the first row the answer can't become another.
                    if (stream is { HasBegun: true } || !await WaitAsync(retry, deadline))
                        ExceptionDispatchInfo.Throw(retry.Otherwise);
                    history = retry.History;
                    break;
                case RetryDecision.WaitForOther wait:
                    history = wait.History;
                    var (found, isCancelled) =
                        await WaitForOtherAsync(place, call, connection, wait.Least, deadline, record);
                    if (found is not null)
                        return await ConfirmAsync(ReplayFrom(found, call, record), call, connection, deadline, record);
                    if (isCancelled)
                        history = history with { FailureIfClaimed = ActivityJournal.Cancelled() };
                    break;
                case RetryDecision.Fail fail:
                    ExceptionDispatchInfo.Throw(fail.Failure);
                    break;
            }
        }
    }

    /// <summary>
    /// Waits until the effect can be answered for, if the connection's durability is synchronous. Returns the answer.
    /// </summary>
    /// <exception cref="Failure">
    /// <c>outcome_unknown</c>: no synchronous standby has the effect by the deadline.
    /// </exception>
    private static async Task<ActivityAnswer> ConfirmAsync(
        ActivityAnswer answer, ActivityCall call, NamedConnection connection, Deadline deadline, RequestRecord record)
    {
        if (connection.Standbys is not { } standbys || call.Mode.Access == Access.ReadOnly)
            return answer;
        try
        {
            record.Enter(Stage.Commit);
            await standbys.ConfirmAsync(answer.Position, call.RequestHash is not null, deadline.BudgetEnd);
            return answer;
        }
        catch
        {
            answer.Dispose();
            throw;
        }
    }

    /// <summary>Waits for the next run. Returns false if the deadline comes first, or the caller leaves.</summary>
    private async Task<bool> WaitAsync(RetryDecision.Retry retry, Deadline deadline)
    {
        var delay = retry.HasJitter ? retry.Delay * (0.5 + Random.Shared.NextDouble()) : retry.Delay;
        try
        {
            await Task.Delay(delay, clock, deadline.Token);
            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    /// <summary>
    /// Releases the request's place, and waits until no other attempt of the activity is running. Then returns the
    /// activity's record, if it has one, and whether the activity was cancelled during the wait.
    /// </summary>
    /// <exception cref="Failure">
    /// <c>activity_in_flight</c>: the deadline came first, or too many requests are waiting.
    /// <c>database_unavailable</c>: the deadline came first, and the server can't be asked.
    /// </exception>
    /// <exception cref="CallerLeftException">
    /// The caller has disconnected, also if the call outlives its caller: nothing of it has run, and a retry will wait.
    /// </exception>
    private static async Task<(ActivityRecord? Found, bool IsCancelled)> WaitForOtherAsync(
        ConnectionQueue.Place place, ActivityCall call, NamedConnection connection, TimeSpan least, Deadline deadline,
        RequestRecord record)
    {
        record.Enter(Stage.Wait);
        place.Dispose();
        using var waiter = connection.InFlight.Enter(call.Activity, least) ?? throw ActivityJournal.TooManyWait();
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, deadline.CallerLeft);
        try
        {
            var found = await waiter.WaitAsync(ending.Token);
            record.Enter(Stage.Queue);
            return (found, waiter.IsCancelled);
        }
        catch (OperationCanceledException error) when (ending.IsCancellationRequested)
        {
            if (deadline.Ended("waiting for an earlier attempt", error) is CallerLeftException left)
                throw left;
            if (connection.InFlight.Fault is not { } fault)
                throw ActivityJournal.InFlight(waiter.Age);
            var failure = PostgresFailure.Unreachable(fault, connection.Name);
            failure.Committed = Committed.Unknown;
            throw failure;
        }
    }

    /// <summary>Answers from the record that was found after a wait.</summary>
    /// <exception cref="Failure">The record is of another request, or has no answer.</exception>
    private ActivityAnswer ReplayFrom(ActivityRecord found, ActivityCall call, RequestRecord record)
    {
        var replayed = Replay.From(found, call, NewAnswer(record, stream: null));
        record.IsReplay = true;
        return replayed.Answer;
    }

    /// <summary>
    /// Lets other callers go first before another run. Returns null if the request has its place again.
    /// </summary>
    private static async Task<RunOutcome.Failed?> RenewPlaceAsync(
        ConnectionQueue.Place place, ActivityCall call, NamedConnection connection, Deadline deadline)
    {
        try
        {
            await connection.Queue.RenewAsync(place, call.Activity.Caller, deadline);
            return null;
        }
        catch (Failure failure)
        {
            return new RunOutcome.Failed(failure, IsSettled: false);
        }
    }

    // A method of its own: its closure would be allocated for each request, also without traces.
    private Task<RunOutcome> RunTracedAsync(
        ActivityCall call, NamedConnection connection, RunHistory history, Deadline deadline, RequestRecord record,
        RowStream? stream) =>
        DatabaseTrace.RunAsync(
            call, connection, options.Tracing.SqlText, record.Runs,
            () => RunOnceAsync(call, connection, history, deadline, record, stream));

    /// <exception cref="CallerLeftException">The caller has disconnected.</exception>
    private async Task<RunOutcome> RunOnceAsync(
        ActivityCall call, NamedConnection connection, RunHistory history, Deadline deadline, RequestRecord record,
        RowStream? stream)
    {
        if (call.LooksFirst(history) && await LookFirstAsync(call, connection, deadline, record) is { } early)
            return early;
        Session session;
        CodeKey? key;
        try
        {
            stream?.Restart();

            // 3.
            record.Enter(Stage.Connect);
            (session, key) = await OpenAsync(call, connection, history.NeedsNewSession, deadline);
        }
        catch (Failure failure)
        {
            return new RunOutcome.Failed(failure, IsSettled: false);
        }
        DatabaseTrace.Reach(connection, session);
        var answer = NewAnswer(record, stream);
        using var run = new ActivityRun(call, connection, session, key, answer, deadline, history);
        RunOutcome? outcome = null;
        try
        {
            // 4. to 7. are the run.
            outcome = await run.RunAsync(record);
            record.IsReplay = outcome is RunOutcome.Replayed;
            if (outcome is RunOutcome.Answered)
                record.Rows = answer.RowCount;
            return outcome;
        }
        finally
        {
            try
            {
                if (outcome is not (RunOutcome.Answered or RunOutcome.Replayed))
                    await DiscardAsync(session, answer, record, stream);
            }
            finally
            {
                // 8.
                await connection.Sessions.ReturnAsync(session);
            }
        }
    }

    /// <summary>Looks for the record of a call that was sent before. Returns null if there is none.</summary>
    /// <exception cref="CallerLeftException">The caller has disconnected.</exception>
    private async Task<RunOutcome?> LookFirstAsync(
        ActivityCall call, NamedConnection connection, Deadline deadline, RequestRecord record)
    {
        record.Enter(Stage.Execute);
        ActivityRecord? found = null;
        try
        {
            found = await Replay.FindRecordAsync(call, connection, deadline);
            return found is null ? null : new RunOutcome.Replayed(ReplayFrom(found, call, record));
        }
        catch (Failure failure)
        {
            return new RunOutcome.Failed(failure, IsSettled: found is not null);
        }
    }

    private ActivityAnswer NewAnswer(RequestRecord record, RowStream? stream) =>
        new(new AnswerLimits(options.ResponseLimitBytes, options.RowLimit), record.Memory, clock, stream);

    /// <summary>Discards the results of a run that failed, and rolls it back.</summary>
    private static Task DiscardAsync(Session session, ActivityAnswer answer, RequestRecord record, RowStream? stream)
    {
        // Abandoned work may still write to the answer's memory.
        if (session.Abandoned)
        {
            stream?.GiveUp();
            record.Memory.KeepUntil(session.Work);
        }
        else
            answer.Dispose();
        return session.RollBackAsync();
    }

    private static void RefuseStatement(ActivityCall call, int index, SqlText sql)
    {
        var detail = sql.Kind switch
        {
            StatementKind.TransactionControl =>
                $"{sql.Keyword} controls the transaction, which is the gateway's: each request is one.",
            StatementKind.Copy => "COPY speaks a protocol of its own, which no JSON carries; use SELECT or INSERT.",
            _ => null,
        };
        if (detail is not null)
            throw new Failure(ProblemCode.SqlRejected, detail) { Statement = call.IsTransaction ? index : null };
    }

    private static void RefuseWrite(NamedConnection connection)
    {
        if (connection.ReadOnly)
        {
            throw new Failure(
                ProblemCode.ReadOnly,
                $"Connection \"{connection.Name}\" takes no writes "
                + $"(Gateway__Connections__{connection.Name}__ReadOnly).");
        }
        if (connection.Standbys is { Confirm: false } standbys)
            throw standbys.Missing();
    }

    /// <summary>
    /// Rents a session, and gets the key of the journal's codes. An activity that is recorded must have the key.
    /// </summary>
    private async ValueTask<(Session Session, CodeKey? Key)> OpenAsync(
        ActivityCall call, NamedConnection connection, bool needsNew, Deadline deadline)
    {
        try
        {
            var key = call.RequestHash is null
                ? await connection.Journal.FindTagKeyAsync(deadline.Token)
                : await connection.Journal.FindKeyAsync(deadline.Token)
                    ?? throw connection.Journal.Missing(connection.Name);
            var caller = call.Activity.Caller;
            var reads = call.Mode.Access == Access.ReadOnly;
            var session = call.MinLsn is { } minLsn
                ? await new CaughtUpSessions(connection.Name, connection.Sessions, clock)
                    .RentAsync(caller, needsNew, minLsn, deadline)
                : await connection.Sessions.RentAsync(caller, reads, needsNew, deadline);
            return (session, key);
        }
        catch (OperationCanceledException error)
        {
            throw deadline.Ended($"connecting to the server of connection \"{connection.Name}\"", error);
        }
        catch (NpgsqlException error)
        {
            throw PostgresFailure.Unreachable(error, connection.Name);
        }
    }
}
