using Gateway.Api.Callers;
using Gateway.Api.Connections;
using Gateway.Api.Errors;
using Gateway.Api.Journal;
using Gateway.Api.Postgres;
using Gateway.Api.Sql;
using Gateway.Contracts;
using Npgsql;

namespace Gateway.Api.Execution;

/// <summary>Classifies the errors of PostgreSQL in a run: whose statement failed, and what it means.</summary>
internal sealed class RunErrors(
    ActivityCall call, NamedConnection connection, Session session, OutgoingStatements statements)
{
    /// <summary>
    /// Returns whether the watchdog may have caused the error. Any other error is the statement's own, and came first.
    /// </summary>
    public static bool MayBeOfTheWatchdog(Exception error) => error is not PostgresException refusal
        ? error is OperationCanceledException or NpgsqlException
        : refusal.SqlState == PostgresErrorCodes.QueryCanceled || PostgresFailure.EndsSession(refusal);

    /// <summary>
    /// Returns whether the session was lost before BEGIN was confirmed. Most likely its server had closed it while it
    /// was idle, and in any case nothing was kept, so the statements may run in another session. After BEGIN they may
    /// not: a statement may have ended its own session on purpose, and the caller decides whether to send it again.
    /// </summary>
    public bool IsOfAStaleSession(NpgsqlException error) =>
        session is { Used: true, Transaction.State: TransactionState.Beginning }
        && (error is not PostgresException refusal || PostgresFailure.EndsSession(refusal));

    /// <summary>
    /// Returns whether the request failed because the server is a standby, on a connection that takes writes. BEGIN
    /// READ WRITE fails there, and BEGIN of a serializable transaction. Of the errors of statements, only some routines
    /// of PostgreSQL mean that; the same SQLSTATEs also have other causes.
    /// </summary>
    public bool IsOfStandby(PostgresException error) => !connection.ReadOnly && error.SqlState switch
    {
        PostgresErrorCodes.FeatureNotSupported => session.Transaction.State == TransactionState.Beginning
            || (session.IsOnStandby && error.Routine == "GetSerializableTransactionSnapshot"),
        PostgresErrorCodes.ReadOnlySqlTransaction => error.Routine == "PreventCommandDuringRecovery",
        // Functions such as pg_current_wal_lsn().
        PostgresErrorCodes.ObjectNotInPrerequisiteState => session.IsOnStandby
            && error.Routine?.StartsWith("pg_", StringComparison.Ordinal) == true,
        _ => false,
    };

    /// <summary>
    /// Returns the failure if the cancel endpoint, of any replica, ended the run; null if it did not.
    /// </summary>
    public async Task<Failure?> FindCancelAsync(PostgresException error) =>
        (error.SqlState == PostgresErrorCodes.QueryCanceled || PostgresFailure.EndsSession(error))
        && await connection.Activities.IsBeingCancelledAsync(call.Activity, session.Backend)
            ? new Failure(ProblemCode.Cancelled, "The activity was cancelled, and rolled back.", error)
            : null;

    /// <summary>
    /// Returns the outcome if another run may succeed: the journal's key or cached types are out of date.
    /// </summary>
    /// <param name="error">The error.</param>
    /// <param name="claimKey">The key of the claim, if it is the claim that failed.</param>
    public RunOutcome? FindStale(PostgresException error, CodeKey? claimKey)
    {
        if (claimKey is not null)
        {
            if (error.SqlState == PostgresErrorCodes.LockNotAvailable || !ActivityJournal.IsOfAnotherJournal(error))
                return null;
            // Nothing has run. The next run reads the key again, and finds out whether there is a journal.
            connection.Journal.Forget(claimKey);
            session.Reject();
            return new RunOutcome.StaleSession(ActivityJournal.CodeRefused(connection.Name));
        }
        if (session.Transaction.Queries is { } queries)
        {
            // Only a read may run again after such an error of the caller's own statement.
            if (queries.FailedOwn(error)
                || (call.Mode.Access == Access.ReadOnly && queries.MayBeOfAnEarlierRequest(error)))
            {
                session.Reject();
                return StaleQueries();
            }
            // Whatever the error says, it is the answer if the query fails without being prepared too.
            if (queries.MayHaveCaused(error))
                return new RunOutcome.StaleTypes(FailureOf(error, isOfClaim: false));
        }
        return statements.BeingAsked is null
            && statements.Taken.FirstOrDefault(taken => taken.IsStale(error)) is { } stale
            ? StaleTypes(stale, "The types of the statement's parameters were changed meanwhile; try again.")
            : null;
    }

    /// <summary>
    /// Returns the failure for an error of a statement, of the claim, or of another command of the gateway.
    /// </summary>
    public Failure FailureOf(PostgresException error, bool isOfClaim)
    {
        if (isOfClaim && error.SqlState == PostgresErrorCodes.LockNotAvailable)
            return ActivityJournal.InFlight();
        if (statements.BeingAsked is { } asked)
            return OfCallersStatement(error, asked, statements.Taken.Count);
        foreach (var (index, taken) in statements.Taken.Index())
        {
            if (taken.Command == error.BatchCommand || taken.Check?.Has(error.BatchCommand) == true)
                return OfCallersStatement(error, taken.Statement, index);
        }
        return error.BatchCommand is null
            ? StatementFailure.Of(error, [], connection.ShowsErrorValues)
            : OfOwnStatement(error);
    }

    /// <summary>
    /// Returns the exception to throw for an error that refused COMMIT, or a command before it.
    /// </summary>
    /// <param name="error">The error.</param>
    /// <param name="finish">The command that writes the record; null if the activity has none.</param>
    /// <param name="deadline">The request's deadline.</param>
    public async Task<Exception> OfCommitAsync(PostgresException error, NpgsqlBatchCommand? finish, Deadline deadline)
    {
        if (session.Transaction.HasNoStandby(error))
            return connection.Standbys!.Missing();
        var isAtRecord = finish is not null && error.BatchCommand == finish;
        if (isAtRecord && error.SqlState == ActivityJournal.ClaimLost)
        {
            session.Reject();
            return ActivityJournal.Escaped();
        }
        if (error.SqlState == PostgresErrorCodes.QueryCanceled && deadline.BudgetEnd.IsCancellationRequested)
            return deadline.Ended("committing", error);
        if (await FindCancelAsync(error) is { } cancelled)
            return cancelled;
        return isAtRecord || session.Transaction.IsOfGuard(error) ? OfOwnStatement(error) : OfAnyStatement(error);
    }

    /// <summary>Returns the outcome for a lost answer to COMMIT.</summary>
    public RunOutcome.InDoubt OfLostCommit(Exception cause)
    {
        var failure = cause is PostgresException ended ? OfAnyStatement(ended) : null;
        var isFinal = failure is not null && !ProblemTable.For(failure.Code).Retryable;
        var isExactlyOnce = call.RequestHash is not null;
        return new RunOutcome.InDoubt(
            RetryPolicy.OutcomeUnknown(isExactlyOnce, cause), CanBeSettled: isExactlyOnce, isFinal ? failure : null);
    }

    /// <summary>Returns the outcome if callers' SQL has changed the session's prepared statements.</summary>
    public static RunOutcome.StaleSession StaleQueries() => new(new Failure(
        ProblemCode.Conflict, "SQL of an earlier request changed the session's prepared statements; try again."));

    /// <summary>Removes the statement's types from the cache, and returns the outcome.</summary>
    public RunOutcome.StaleTypes StaleTypes(OutgoingStatement statement, string detail)
    {
        statements.Forget(statement);
        return new RunOutcome.StaleTypes(new Failure(ProblemCode.Conflict, detail));
    }

    /// <summary>
    /// PostgreSQL refused a statement of the gateway's own, for example because of a setting that the caller's SQL
    /// made. The answer contains nothing of the error's text. The session is closed after any error but a conflict: a
    /// caller may have tampered with it.
    /// </summary>
    private Failure OfOwnStatement(PostgresException error)
    {
        var failure = error.SqlState == ActivityJournal.InvalidCode
            ? ActivityJournal.CodeRefused(connection.Name)
            : PostgresFailure.OwnStatementRefused(error);
        if (failure.Code != ProblemCode.Conflict)
            session.Reject();
        return failure;
    }

    private Failure OfCallersStatement(PostgresException error, BoundStatement statement, int index)
    {
        var failure = StatementFailure.Of(error, [statement], connection.ShowsErrorValues);
        failure.Statement = call.IsTransaction ? index : null;
        return failure;
    }

    /// <summary>At COMMIT, a deferred constraint of any statement may fail.</summary>
    private Failure OfAnyStatement(PostgresException error) =>
        StatementFailure.Of(error, [.. statements.Taken.Select(taken => taken.Statement)], connection.ShowsErrorValues);
}
