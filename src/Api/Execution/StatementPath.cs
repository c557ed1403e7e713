using Gateway.Api.Connections;
using Gateway.Api.Errors;
using Gateway.Api.Replay;
using Gateway.Api.Telemetry;
using Gateway.Contracts;
using Npgsql;

namespace Gateway.Api.Execution;

/// <summary>
/// THE path of a statement, from a valid request to an answer that may be sent:
/// <list type="number">
/// <item>Refuse what the gateway does not run at all: nothing has been asked of the server yet.</item>
/// <item>Admit: wait for the right to hold a session, or be refused.</item>
/// <item>Take a clean session: an idle one or a new one.</item>
/// <item>BEGIN and run the statement, in one round trip. (A claim of the activity ID goes between the two.)</item>
/// <item>Read the rows into the answer. What can't be answered must not be committed, so this comes first.</item>
/// <item>Check what the request expects of the outcome.</item>
/// <item>Record the answer in the journal, in the same transaction.</item>
/// <item>COMMIT, or ROLLBACK of what only reads, and clean the session.</item>
/// <item>Give the session back; on any doubt about it, close it.</item>
/// </list>
/// </summary>
internal sealed class StatementPath(ConnectionRegistry connections, GatewayOptions options)
{
    public async Task<StatementAnswer> RunAsync(StatementCall call, Deadline deadline, RequestRecord record)
    {
        // 1.
        RefuseStatement(call.Statement.Sql);
        var connection = connections.Find(call.Connection);
        record.Connection = connection.Name;
        if (call.Access == Access.ReadWrite)
        {
            RefuseWrite(connection);
            Journal.RequireFor(call.Delivery);
        }

        // 2.
        record.Enter(Stage.Queue);
        using var place = await connection.Queue.EnterAsync(call.Caller, deadline);

        // 3. to 9., once more where an idle session turns out to have been closed by its server: nothing was
        // committed in it, and a new one can't be stale.
        try
        {
            return await RunInSessionAsync(call, connection, fresh: false, deadline, record);
        }
        catch (StaleSessionException)
        {
            return await RunInSessionAsync(call, connection, fresh: true, deadline, record);
        }
    }

    private async Task<StatementAnswer> RunInSessionAsync(
        StatementCall call, NamedConnection connection, bool fresh, Deadline deadline, RequestRecord record)
    {
        // 3.
        record.Enter(Stage.Connect);
        var session = await OpenAsync(connection, fresh, deadline);
        var answer = new StatementAnswer(options.ResponseLimitBytes);
        try
        {
            // 4. and 5.
            record.Enter(Stage.Execute);
            await RunStatementAsync(call, connection, session, answer, deadline);
            // 6.
            Expect(call, answer);
            // 7. The journal records here.
            answer.Complete(call.ActivityId);

            // 8.
            record.Enter(Stage.Commit);
            await EndAsync(call, connection, session, deadline);
            record.Rows = answer.RowCount;
            return answer;
        }
        catch
        {
            // What is abandoned may still write to it, so its memory is not given back then.
            if (!session.Abandoned)
                answer.Dispose();
            await session.RollBackAsync();
            throw;
        }
        finally
        {
            // 9.
            await connection.Sessions.ReturnAsync(session);
        }
    }

    private static void RefuseStatement(SqlText sql)
    {
        if (sql.Kind is StatementKind.TransactionControl)
        {
            throw new Failure(
                ProblemCode.SqlRejected,
                $"{sql.Keyword} controls the transaction, which is the gateway's: each request is one.");
        }
        if (sql.Kind is StatementKind.Copy)
        {
            throw new Failure(
                ProblemCode.SqlRejected,
                "COPY speaks a protocol of its own, which no JSON carries; use SELECT or INSERT.");
        }
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

    private static async Task<Session> OpenAsync(NamedConnection connection, bool fresh, Deadline deadline)
    {
        try
        {
            return await connection.Sessions.RentAsync(fresh, deadline);
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

    private static async Task RunStatementAsync(
        StatementCall call, NamedConnection connection, Session session, StatementAnswer answer, Deadline deadline)
    {
        var begin = new NpgsqlBatchCommand(call.Access == Access.ReadOnly ? "BEGIN READ ONLY" : "BEGIN READ WRITE");
        try
        {
            await session.GuardAsync(ReadAsync(call, connection, session, begin, answer), deadline.Token);
        }
        catch (Exception error) when (deadline.Token.IsCancellationRequested && IsEnding(error))
        {
            throw deadline.Ended("running the statement", error);
        }
        catch (NpgsqlException error) when (session.Used && HasNotBegun(error, begin))
        {
            throw new StaleSessionException(error);
        }
        catch (PostgresException error)
        {
            throw PostgresFailure.Refused(error, call.Statement);
        }
        catch (NpgsqlException error)
        {
            throw PostgresFailure.Lost(error, connection.Name);
        }

        if (deadline.Token.IsCancellationRequested)
            throw deadline.Ended("running the statement");
        if (!session.SpeaksUtf8)
        {
            throw new Failure(
                ProblemCode.SqlRejected,
                "The statement changes client_encoding, and an answer's text would be wrong; convert_to() makes bytes of another encoding.");
        }
    }

    private static async Task ReadAsync(
        StatementCall call, NamedConnection connection, Session session, NpgsqlBatchCommand begin, StatementAnswer answer)
    {
        var statement = call.Statement.ToCommand();
        await using var reader = await session.ExecuteAsync(begin, statement);
        try
        {
            await answer.ReadAsync(reader, statement, call, connection.Types, session.Abandoning);
        }
        catch (Failure)
        {
            // What is left of the result would be read to its end, however long that is.
            await session.CutShortAsync(reader);
            throw;
        }
    }

    /// <summary>What the watchdog brings about; any other error is the statement's own, and came before it.</summary>
    private static bool IsEnding(Exception error) => error is not PostgresException refusal
        ? error is OperationCanceledException or NpgsqlException
        : refusal.SqlState == PostgresErrorCodes.QueryCanceled || PostgresFailure.EndsSession(refusal);

    /// <summary>
    /// Whether the session was gone before BEGIN: its tag is not there. Then the statement has not run, and may run in
    /// another session; else it is the caller's to decide, who may have had it ended on purpose.
    /// </summary>
    private static bool HasNotBegun(NpgsqlException error, NpgsqlBatchCommand begin) =>
        begin.StatementType == StatementType.Unknown
        && (error is not PostgresException refusal || PostgresFailure.EndsSession(refusal));

    private static void Expect(StatementCall call, StatementAnswer answer)
    {
        if (call.ExpectedRowCount is { } expected && answer.RowCount != expected)
        {
            throw new Failure(
                ProblemCode.ExpectationFailed,
                $"The request expects a row count of {expected} and the statement has {answer.RowCount?.ToString() ?? "none"}; "
                + "it was rolled back.");
        }
    }

    private static async Task EndAsync(
        StatementCall call, NamedConnection connection, Session session, Deadline deadline)
    {
        try
        {
            await session.GuardAsync(session.EndTransactionAsync(call.Access), deadline.BudgetEnd);
        }
        catch (PostgresException error) when (error.SqlState == PostgresErrorCodes.QueryCanceled && deadline.BudgetEnd.IsCancellationRequested)
        {
            throw deadline.Ended("committing", error);
        }
        catch (PostgresException error)
        {
            throw PostgresFailure.Refused(error, call.Statement);
        }
        catch (Exception error) when (error is CommitInDoubtException or OperationCanceledException)
        {
            throw InDoubt(call, connection, deadline, error);
        }
    }

    /// <summary>No answer to COMMIT came; where nothing was written there is nothing to doubt.</summary>
    private static Exception InDoubt(StatementCall call, NamedConnection connection, Deadline deadline, Exception error)
    {
        if (call.Access == Access.ReadOnly)
        {
            return deadline.BudgetEnd.IsCancellationRequested
                ? deadline.Ended("ending the transaction", error)
                : PostgresFailure.Lost(error, connection.Name);
        }
        return new Failure(
            ProblemCode.OutcomeUnknown,
            "The answer to COMMIT was lost. Delivery is at-least-once, so sending the request again may do it twice: "
            + "look at the data first.",
            error)
        { Committed = Committed.Unknown };
    }
}

/// <summary>An idle session that its server had closed: nothing of the request has had an effect.</summary>
internal sealed class StaleSessionException(Exception cause) : Exception("The idle session was closed.", cause);
