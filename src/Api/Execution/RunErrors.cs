using Gateway.Api.Connections;
using Gateway.Api.Errors;
using Gateway.Api.Journal;
using Gateway.Api.Postgres;
using Gateway.Api.Sql;
using Gateway.Contracts;
using Npgsql;

namespace Gateway.Api.Execution;

/// <summary>Classifies the errors of PostgreSQL in a run: whose statement failed, and what it means.</summary>
internal sealed class RunErrors(ActivityCall call, NamedConnection connection, Session session, OutgoingStatements statements)
{
    /// <summary>Returns whether the watchdog causes such an error. Any other error is the statement's own, and came first.</summary>
    public static bool IsOfTheWatchdog(Exception error) => error is not PostgresException refusal
        ? error is OperationCanceledException or NpgsqlException
        : refusal.SqlState == PostgresErrorCodes.QueryCanceled || PostgresFailure.EndsSession(refusal);

    /// <summary>
    /// Returns whether the session was gone before BEGIN. Then no statement has run, and they may run in another session.
    /// After BEGIN the caller decides: the statement may have ended its own session on purpose.
    /// </summary>
    public bool IsOfAStaleSession(NpgsqlException error) =>
        session is { Used: true, Transaction.State: TransactionState.Beginning }
        && (error is not PostgresException refusal || PostgresFailure.EndsSession(refusal));

    /// <summary>Returns the failure if the cancel endpoint, of any replica, ended the run; null if it did not.</summary>
    public async Task<Failure?> FindCancelAsync(PostgresException error) =>
        (error.SqlState == PostgresErrorCodes.QueryCanceled || PostgresFailure.EndsSession(error))
        && await connection.Activities.IsBeingCancelledAsync(call.Activity)
            ? new Failure(ProblemCode.Cancelled, "The activity was cancelled, and rolled back.", error)
            : null;

    /// <summary>Classifies the error of a claim that found no record.</summary>
    /// <exception cref="Failure">Another transaction holds the activity, or the gateway's statement was refused.</exception>
    public RunOutcome OfClaim(PostgresException error, CodeKey key)
    {
        if (error.SqlState == PostgresErrorCodes.LockNotAvailable)
            throw ActivityJournal.InFlight();
        if (!ActivityJournal.IsOfAnotherJournal(error))
            throw OfOwnStatement(error);
        // Nothing has run. The next run reads the key again, and finds out whether there is a journal.
        connection.Journal.Forget(key);
        session.Reject();
        return new RunOutcome.StaleSession(ActivityJournal.CodeRefused(connection.Name));
    }

    /// <summary>Classifies the error of a statement, or of the gateway's own command beside it.</summary>
    /// <exception cref="Failure">The statement failed.</exception>
    public RunOutcome OfStatement(PostgresException error)
    {
        if (statements.BeingAsked is { } asked)
            throw OfCallersStatement(error, asked, statements.Sent.Count);
        foreach (var (index, sent) in statements.Sent.Index())
        {
            if (sent.IsStale(error))
                return StaleTypes(sent, "The types of the statement's parameters were changed meanwhile; try again.");
            if (sent.Command == error.BatchCommand || sent.Check?.Has(error.BatchCommand) == true)
                throw OfCallersStatement(error, sent.Statement, index);
        }
        throw error.BatchCommand is null
            ? StatementFailure.Of(error, [], connection.ShowsErrorValues)
            : OfOwnStatement(error);
    }

    /// <summary>Classifies the error that refused COMMIT, or the journal's record before it.</summary>
    /// <param name="error">The error.</param>
    /// <param name="record">The command that writes the record; null if the activity has none.</param>
    /// <param name="deadline">The request's deadline.</param>
    public async Task<Exception> OfCommitAsync(PostgresException error, NpgsqlBatchCommand? record, Deadline deadline)
    {
        var isAtRecord = record is not null && error.BatchCommand == record;
        if (isAtRecord && error.SqlState == ActivityJournal.ClaimLost)
        {
            session.Reject();
            return ActivityJournal.Escaped();
        }
        if (error.SqlState == PostgresErrorCodes.QueryCanceled && deadline.BudgetEnd.IsCancellationRequested)
            return deadline.Ended("committing", error);
        if (await FindCancelAsync(error) is { } cancelled)
            return cancelled;
        return isAtRecord ? OfOwnStatement(error) : OfSentStatements(error);
    }

    /// <summary>Classifies a lost answer to COMMIT.</summary>
    public RunOutcome.InDoubt OfLostCommit(Exception cause)
    {
        var refusal = cause is PostgresException ended ? OfSentStatements(ended) : null;
        var isFinal = refusal is not null && !FailureTable.For(refusal.Code).Retryable;
        return new RunOutcome.InDoubt(cause, CanBeSettled: call.RequestHash is not null, isFinal ? refusal : null);
    }

    /// <summary>Removes the statement's types from the cache.</summary>
    public RunOutcome.StaleTypes StaleTypes(SentStatement statement, string detail)
    {
        statements.Forget(statement);
        return new RunOutcome.StaleTypes(new Failure(ProblemCode.Conflict, detail));
    }

    /// <summary>
    /// PostgreSQL refused a statement of the gateway's own, because of a setting that the caller's SQL made, for example.
    /// The answer has nothing of the error's text. The session is closed after any error but a conflict: a caller may have
    /// tampered with it.
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

    private Failure OfSentStatements(PostgresException error) =>
        StatementFailure.Of(error, [.. statements.Sent.Select(sent => sent.Statement)], connection.ShowsErrorValues);
}
