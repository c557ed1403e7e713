using Gateway.Api.Errors;
using Gateway.Api.Journal;
using Gateway.Contracts;
using Npgsql;

namespace Gateway.Api.Execution;

/// <summary>What the runs of a request so far mean for the next one.</summary>
internal readonly record struct RunHistory
{
    /// <summary>Gets the number of runs that ended with a conflict with another transaction.</summary>
    public int Conflicts { get; init; }

    /// <summary>Gets whether a run had a stale session.</summary>
    public bool HadStaleSession { get; init; }

    /// <summary>
    /// Gets whether a run used stale types. The next run then asks the server for all types, and uses none from the
    /// cache.
    /// </summary>
    public bool HadStaleTypes { get; init; }

    /// <summary>Gets the number of runs that met another attempt of the activity, which was running.</summary>
    public int MetOtherAttempts { get; init; }

    /// <summary>Gets whether an earlier run may have committed.</summary>
    public bool IsInDoubt { get; init; }

    /// <summary>
    /// Gets the failure to answer if a run gets the claim, which shows that nothing was kept. The next runs run no
    /// statements, and only claim the activity. It is the final failure that the server reported as it ended a session
    /// at COMMIT, or says that the activity was cancelled while the request waited for another attempt.
    /// </summary>
    public Failure? FailureIfClaimed { get; init; }

    /// <summary>Gets whether the next run needs a new session: idle sessions may be as stale as the last one.</summary>
    public bool NeedsNewSession => HadStaleSession || IsInDoubt;

    /// <summary>Returns the history with one more run.</summary>
    public RunHistory With(RunOutcome outcome) => outcome switch
    {
        RunOutcome.Failed failed when RetryPolicy.IsOverConflict(failed.Failure) =>
            this with { Conflicts = Conflicts + 1 },
        RunOutcome.Failed { Failure.Code: ProblemCode.ActivityInFlight } =>
            this with { MetOtherAttempts = MetOtherAttempts + 1 },
        RunOutcome.StaleSession => this with { HadStaleSession = true },
        RunOutcome.StaleTypes => this with { HadStaleTypes = true },
        RunOutcome.InDoubt { CanBeSettled: true } doubt =>
            this with { IsInDoubt = true, FailureIfClaimed = FailureIfClaimed ?? doubt.FailureAtCommit },
        _ => this,
    };
}

/// <summary>Represents the decision after a run: one of the nested types.</summary>
internal abstract record RetryDecision
{
    private RetryDecision()
    {
    }

    /// <summary>Answer the request.</summary>
    public sealed record Respond(ActivityAnswer Answer) : RetryDecision;

    /// <summary>Fail the request.</summary>
    public sealed record Fail(Failure Failure) : RetryDecision;

    /// <summary>Run the call again.</summary>
    /// <param name="Delay">How long to wait first.</param>
    /// <param name="HasJitter">Whether the delay is multiplied by a random factor from 0.5 to 1.5.</param>
    /// <param name="History">The history for the next run.</param>
    /// <param name="Otherwise">The failure to answer if the deadline comes first.</param>
    public sealed record Retry(TimeSpan Delay, bool HasJitter, RunHistory History, Failure Otherwise) : RetryDecision;

    /// <summary>Wait for the end of the other attempt that is running, then run the call again.</summary>
    /// <param name="Least">The minimum time of the wait.</param>
    /// <param name="History">The history for the next run.</param>
    public sealed record WaitForOther(TimeSpan Least, RunHistory History) : RetryDecision;
}

/// <summary>
/// Decides whether a call runs again after a run. It does only if nothing of the last run was kept, or if the next
/// run's claim finds out whether something was. <see cref="StatementPath"/> carries the decision out, before the
/// deadline and before the first row is sent.
/// </summary>
internal static class RetryPolicy
{
    /// <summary>Maximum number of retries after a conflict with another transaction.</summary>
    public const int MaxConflicts = 4;

    /// <summary>The delay after the first conflict. It doubles after each: exponential backoff with jitter.</summary>
    public static readonly TimeSpan FirstConflictDelay = TimeSpan.FromMilliseconds(5);

    /// <summary>The delay while a COMMIT whose answer was lost may still be running.</summary>
    public static readonly TimeSpan DoubtDelay = TimeSpan.FromMilliseconds(50);

    /// <summary>
    /// The minimum time of the second wait for another attempt; the first has none. It doubles with each, up to
    /// <see cref="LongestLeastWait"/>. A wait ends early if the other attempt can't be found, for example because its
    /// SQL has changed its session's application_name. Each new run then holds a session for a moment.
    /// </summary>
    public static readonly TimeSpan FirstLeastWait = TimeSpan.FromMilliseconds(50);

    public static readonly TimeSpan LongestLeastWait = TimeSpan.FromSeconds(1);

    /// <param name="outcome">The outcome of the last run.</param>
    /// <param name="history">The history of the runs before it.</param>
    public static RetryDecision Decide(RunOutcome outcome, RunHistory history)
    {
        var next = history.With(outcome);
        switch (outcome)
        {
            case RunOutcome.Answered answered:
                return new RetryDecision.Respond(answered.Answer);
            case RunOutcome.Replayed replayed:
                return new RetryDecision.Respond(replayed.Answer);
            case RunOutcome.StaleSession when !history.HadStaleSession:
            case RunOutcome.StaleTypes when !history.HadStaleTypes:
                return Retry(TimeSpan.Zero);
            case RunOutcome.InDoubt { CanBeSettled: true }:
            case RunOutcome.Failed { Failure.Code: ProblemCode.ActivityInFlight or ProblemCode.DatabaseUnavailable }
                when history.IsInDoubt:
                return Retry(DoubtDelay);
            case RunOutcome.Failed { Failure.Code: ProblemCode.ActivityInFlight }:
                return new RetryDecision.WaitForOther(LeastWait(history.MetOtherAttempts), next);
            case RunOutcome.Failed failed
                when IsOverConflict(failed.Failure) && history.Conflicts < MaxConflicts:
                return Retry(FirstConflictDelay * (1 << history.Conflicts), hasJitter: true);
            // The run failed before the claim. After a failover, for example, the new server may refuse writes for a
            // while.
            case RunOutcome.Failed { IsSettled: false } when history.IsInDoubt:
                return Retry(DoubtDelay);
            default:
                return new RetryDecision.Fail(FailureOf(outcome, next));
        }

        RetryDecision.Retry Retry(TimeSpan delay, bool hasJitter = false) =>
            new(delay, hasJitter, next, FailureOf(outcome, next));
    }

    /// <summary>
    /// Returns whether the failure is a conflict that is over, so that a run may succeed at once. A lock that another
    /// transaction holds may be held for long.
    /// </summary>
    public static bool IsOverConflict(Failure failure) => failure is
    {
        Code: ProblemCode.Conflict,
        Refusal.SqlState: PostgresErrorCodes.SerializationFailure or PostgresErrorCodes.DeadlockDetected,
    };

    private static TimeSpan LeastWait(int earlier)
    {
        if (earlier == 0)
            return TimeSpan.Zero;
        // The shift is limited because it would overflow.
        var doubled = FirstLeastWait * (1 << Math.Min(earlier - 1, 10));
        return doubled < LongestLeastWait ? doubled : LongestLeastWait;
    }

    /// <summary>Returns the failure for a lost answer to COMMIT.</summary>
    public static Failure OutcomeUnknown(bool isExactlyOnce, Exception cause) => new(
        ProblemCode.OutcomeUnknown,
        isExactlyOnce
            ? "The answer to COMMIT was lost, and what became of it could not be found out in time. Send the same "
                + "request again, under the same activity ID: it is answered with its record, or takes effect then."
            : "The answer to COMMIT was lost. Delivery is at-least-once, so sending the request again may do it twice: "
                + "look at the data first.",
        cause)
    { Committed = Committed.Unknown };

    /// <summary>Returns the failure to answer if there is no other run.</summary>
    /// <param name="outcome">The outcome of the last run.</param>
    /// <param name="history">The history, with the last run.</param>
    private static Failure FailureOf(RunOutcome outcome, RunHistory history)
    {
        if (outcome is not RunOutcome.InDoubt && history.IsInDoubt && !IsFinal(outcome))
            return OutcomeUnknown(isExactlyOnce: true, outcome.Error!);
        var failure = outcome switch
        {
            RunOutcome.InDoubt doubt => doubt.Failure,
            RunOutcome.StaleSession stale => stale.Failure,
            RunOutcome.StaleTypes stale => stale.Failure,
            RunOutcome.Failed failed => failed.Failure,
            _ => throw new ArgumentOutOfRangeException(nameof(outcome), outcome, null),
        };
        if (history.MetOtherAttempts == 0 || outcome is RunOutcome.Failed { IsSettled: true })
            return failure;
        if (failure.Code == ProblemCode.DeadlineExceeded)
            return ActivityJournal.InFlight();
        // The other attempt may have committed meanwhile, or still do so.
        failure.Committed = Committed.Unknown;
        return failure;
    }

    /// <summary>
    /// Returns whether the failure can be the answer although an earlier run was in doubt. The run must have found
    /// out what earlier runs kept, and the failure must be final. After a failure that asks the caller to send the
    /// request again, the caller has to be told that the outcome is unknown.
    /// </summary>
    private static bool IsFinal(RunOutcome outcome) => outcome is RunOutcome.Failed
    {
        IsSettled: true,
        Failure.Code: not (ProblemCode.ActivityInFlight or ProblemCode.Conflict or ProblemCode.DatabaseUnavailable
            or ProblemCode.DeadlineExceeded or ProblemCode.Saturated),
    };
}
