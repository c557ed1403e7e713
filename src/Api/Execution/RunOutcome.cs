using Gateway.Api.Errors;

namespace Gateway.Api.Execution;

/// <summary>Represents the outcome of one run of a call in a session: one of the nested types.</summary>
internal abstract record RunOutcome
{
    private RunOutcome()
    {
    }

    /// <summary>Gets the exception that ended the run; null if the run was answered.</summary>
    public virtual Exception? Error => null;

    /// <summary>The statements ran. The effect of a write is committed; a read was rolled back.</summary>
    public sealed record Answered(ActivityAnswer Answer) : RunOutcome;

    /// <summary>The activity has a record: nothing ran, and the record is the answer.</summary>
    public sealed record Replayed(ActivityAnswer Answer) : RunOutcome;

    /// <summary>
    /// The session could not be used: its server had closed it while it was idle, or the journal's key was replaced.
    /// Nothing was kept.
    /// </summary>
    /// <param name="Failure">The answer if there is no other run.</param>
    public sealed record StaleSession(Failure Failure) : RunOutcome
    {
        public override Exception Error => Failure;
    }

    /// <summary>
    /// A statement was sent with types from the cache that are no longer right. The transaction was rolled back, and
    /// the types are no longer in the cache.
    /// </summary>
    /// <param name="Failure">The answer if there is no other run.</param>
    public sealed record StaleTypes(Failure Failure) : RunOutcome
    {
        public override Exception Error => Failure;
    }

    /// <summary>
    /// The answer to COMMIT was lost: the effect was kept or not. <see cref="RetryPolicy"/> settles it by another run.
    /// </summary>
    /// <param name="Failure">The answer if there is no other run: <c>outcome_unknown</c>.</param>
    /// <param name="CanBeSettled">Whether the next run's claim can find it out: the delivery is exactly-once.</param>
    /// <param name="FailureAtCommit">
    /// The failure that the server reported as it ended the session at COMMIT; null if the statements may succeed
    /// next time. It is the answer if the next run finds that nothing was kept.
    /// </param>
    public sealed record InDoubt(Failure Failure, bool CanBeSettled, Failure? FailureAtCommit) : RunOutcome
    {
        public override Exception Error => Failure;
    }

    /// <summary>The run failed before COMMIT, and was rolled back; or PostgreSQL refused COMMIT.</summary>
    /// <param name="Failure">The failure.</param>
    /// <param name="IsSettled">
    /// Whether this run found out what earlier runs kept: it had the claim, so they kept nothing, or it found their
    /// record.
    /// </param>
    public sealed record Failed(Failure Failure, bool IsSettled) : RunOutcome
    {
        public override Exception Error => Failure;
    }
}
