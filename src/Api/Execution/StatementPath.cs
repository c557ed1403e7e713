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
/// THE path of statements, from a valid request to an answer that may be sent:
/// <list type="number">
/// <item>Refuse what the caller may not do, and what the gateway does not run at all: nothing has been asked of the server yet.</item>
/// <item>Admit: wait for the right to hold a session, or be refused.</item>
/// <item>Take a clean session: an idle one or a new one.</item>
/// <item>
/// BEGIN, claim the activity (or get its record, and run nothing) and run its statements, in one round trip; in more where
/// a parameter refers to an earlier statement's result.
/// </item>
/// <item>Read the results, and check what the request expects of them. What can't be answered must not be committed.</item>
/// <item>Write the answer as it will be sent.</item>
/// <item>
/// Record it in the journal, COMMIT (or ROLLBACK what only reads), and clean the session, in one round trip; where nothing is to
/// be decided any more, that went along with step 4.
/// </item>
/// <item>Give the session back; on any doubt about it, close it.</item>
/// </list>
/// Steps 3 to 8 are one attempt: <see cref="Attempts"/> says after which failures there is another.
/// </summary>
internal sealed class StatementPath(ConnectionRegistry connections, GatewayOptions options, TimeProvider clock)
{
    /// <param name="call">The request.</param>
    /// <param name="deadline">Its budget.</param>
    /// <param name="record">Gets what becomes of it.</param>
    /// <param name="stream">Takes a query's rows to the caller in steps 4 and 5; null where they are held.</param>
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

        var attempts = new Attempts(deadline, clock);
        while (true)
        {
            record.Runs++;
            try
            {
                if (record.Runs > 1)
                    await connection.Queue.RenewAsync(place, call.Activity.Caller, deadline);
                return await (RequestTrace.IsOn
                    ? RunTracedAsync(call, connection, attempts, deadline, record, stream)
                    : RunOnceAsync(call, connection, attempts, deadline, record, stream));
            }
            catch (Exception error) when (
                error is Failure or StaleSessionException or StaleDescriptionException or CommitInDoubtException
                && stream is not { HasBegun: true })
            {
                record.WasInDoubt |= error is CommitInDoubtException;
                if (await attempts.GoOnAsync(error))
                    continue;
                if (attempts.IsInDoubtAfter(error))
                    throw Attempts.OutcomeUnknown(call, error);
                if (error is StaleDescriptionException stale)
                    throw stale.Failure;
                if (error is StaleSessionException)
                    throw error.InnerException as Failure ?? PostgresFailure.Lost(error, connection.Name);
                throw;
            }
        }
    }

    private Task<ActivityAnswer> RunTracedAsync(
        ActivityCall call, NamedConnection connection, Attempts attempts, Deadline deadline, RequestRecord record,
        RowStream? stream) =>
        DatabaseTrace.RunAsync(
            call, connection, options.Tracing.SqlText, record.Runs,
            () => RunOnceAsync(call, connection, attempts, deadline, record, stream));

    private async Task<ActivityAnswer> RunOnceAsync(
        ActivityCall call, NamedConnection connection, Attempts attempts, Deadline deadline, RequestRecord record,
        RowStream? stream)
    {
        stream?.Restart();
        // 3.
        record.Enter(Stage.Connect);
        var (session, key) = await OpenAsync(call, connection, attempts.NeedsNewSession, deadline);
        DatabaseTrace.Reach(connection, session);
        var answer = new ActivityAnswer(new AnswerLimits(options.ResponseLimitBytes, options.RowLimit), record.Memory, clock, stream);
        using var run = new ActivityRun(call, connection, session, key, answer, deadline, attempts.AsksAll, attempts.Refusal);
        try
        {
            // 4. and 5.
            record.Enter(Stage.Execute);
            if (await run.RunStatementsAsync() is { } recorded)
            {
                record.IsReplay = true;
                return recorded;
            }
            // 6.
            run.Answer.Complete(call);

            // 7.
            record.Enter(Stage.Commit);
            await run.EndAsync();
            record.Rows = run.Answer.RowCount;
            return run.Answer;
        }
        catch
        {
            attempts.KnowsOutcome = run.KnowsOutcome;
            // What is abandoned may still write to it, so its memory is not given back then.
            if (session.Abandoned)
            {
                stream?.GiveUp();
                record.Memory.KeepUntil(session.Work);
            }
            else
                run.Answer.Dispose();
            await session.RollBackAsync();
            throw;
        }
        finally
        {
            // 8.
            await connection.Sessions.ReturnAsync(session);
        }
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
                $"Connection \"{connection.Name}\" takes no writes (Gateway__Connections__{connection.Name}__ReadOnly).");
        }
    }

    /// <summary>Takes a session, and the key of the journal's codes, which the activity must have where it is to be recorded.</summary>
    private static async ValueTask<(Session Session, CodeKey? Key)> OpenAsync(
        ActivityCall call, NamedConnection connection, bool needsNew, Deadline deadline)
    {
        try
        {
            var key = call.RequestHash is null
                ? await connection.Journal.FindTagKeyAsync(deadline.Token)
                : await connection.Journal.FindKeyAsync(deadline.Token) ?? throw connection.Journal.Missing(connection.Name);
            return (await connection.Sessions.RentAsync(call.Activity.Caller, needsNew, deadline), key);
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
