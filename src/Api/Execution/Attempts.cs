using Gateway.Api.Errors;
using Gateway.Api.Postgres;
using Gateway.Contracts;
using Npgsql;

namespace Gateway.Api.Execution;

/// <summary>
/// Whether a call is run again after a failure, within its budget: only where nothing of it was kept, or where the claim
/// of its activity finds out what was.
/// </summary>
internal sealed class Attempts(Deadline deadline, TimeProvider clock)
{
    /// <summary>Times that a transaction which lost against a concurrent one is begun anew.</summary>
    private const int MostConflicts = 4;

    private const int FirstPauseMs = 5;

    /// <summary>While a COMMIT whose answer was lost may still be running.</summary>
    private static readonly TimeSpan DoubtPause = TimeSpan.FromMilliseconds(50);

    private int _conflicts;
    private bool _stale;
    private bool _misdescribed;

    /// <summary>Whether an earlier run may have committed.</summary>
    private bool _inDoubt;

    /// <summary>Whether the next run needs a new session: idle ones may be as stale as the last was.</summary>
    public bool NeedsNewSession { get; private set; }

    /// <summary>
    /// What an earlier run was told as the server ended its session at COMMIT: the answer, if a claim shows that it
    /// kept nothing.
    /// </summary>
    public Failure? Refusal { get; private set; }

    /// <summary>Whether the last run has found out what became of those before it.</summary>
    public bool KnowsOutcome { get; set; }

    /// <summary>
    /// Whether the next run asks the server of all that depends on types: what was remembered, or what is so outside of
    /// the transaction, was wrong in the last.
    /// </summary>
    public bool AsksAll => _misdescribed;

    /// <summary>Waits for the next run; false where there is to be none.</summary>
    public async Task<bool> GoOnAsync(Exception error)
    {
        var pause = error switch
        {
            // Nothing was committed in an idle session that its server had closed, and a new one can't be stale.
            StaleSessionException when !_stale => TimeSpan.Zero,
            StaleDescriptionException when !_misdescribed => TimeSpan.Zero,
            CommitInDoubtException => DoubtPause,
            Failure { Code: ProblemCode.ActivityInFlight or ProblemCode.DatabaseUnavailable } when _inDoubt => DoubtPause,
            Failure { Code: ProblemCode.Conflict } failure when IsOver(failure) && _conflicts < MostConflicts => NextPause(),
            // It has not come as far as the claim: the server that took over may have no journal yet, or take no
            // writes.
            Failure when _inDoubt && !KnowsOutcome => DoubtPause,
            _ => (TimeSpan?)null,
        };
        if (pause is not { } wait)
            return false;

        _stale |= error is StaleSessionException;
        _misdescribed |= error is StaleDescriptionException;
        NeedsNewSession |= error is StaleSessionException or CommitInDoubtException;
        _inDoubt |= error is CommitInDoubtException;
        Refusal ??= (error as CommitInDoubtException)?.Refusal;
        try
        {
            await Task.Delay(wait, clock, deadline.Token);
            KnowsOutcome = false;
            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    /// <summary>
    /// Whether an earlier run may have committed still, for all that the last one's failure says: a run that had the
    /// claim shows that none before it has.
    /// </summary>
    public bool IsInDoubtAfter(Exception error) => _inDoubt && (!KnowsOutcome || error is not Failure
    {
        Code: not (ProblemCode.ActivityInFlight or ProblemCode.Conflict or ProblemCode.DatabaseUnavailable
            or ProblemCode.DeadlineExceeded or ProblemCode.Saturated),
    });

    /// <summary>What is answered where it could not be found out whether a run committed.</summary>
    public static Failure OutcomeUnknown(ActivityCall call, Exception error) => new(
        ProblemCode.OutcomeUnknown,
        call.RequestHash is null
            ? "The answer to COMMIT was lost. Delivery is at-least-once, so sending the request again may do it twice: look "
                + "at the data first."
            : "The answer to COMMIT was lost, and what became of it could not be found out in time. Send the same request "
                + "again, under the same activity ID: it is answered with its record, or takes effect then.",
        error)
    { Committed = Committed.Unknown };

    /// <summary>Whether another try can end otherwise at once; a lock that is held may be held for long.</summary>
    private static bool IsOver(Failure conflict) =>
        conflict.Refusal?.SqlState is PostgresErrorCodes.SerializationFailure or PostgresErrorCodes.DeadlockDetected;

    /// <summary>Longer each time, and drawn, so that those who met do not meet again.</summary>
    private TimeSpan NextPause() =>
        TimeSpan.FromMilliseconds(FirstPauseMs * (1 << _conflicts++) * (0.5 + Random.Shared.NextDouble()));
}

/// <summary>An idle session that its server had closed: nothing of the request has had an effect.</summary>
internal sealed class StaleSessionException(Exception cause) : Exception("The idle session was closed.", cause);

/// <summary>
/// A statement was sent by what was remembered of it, which is not so in its transaction; it is rolled back, and
/// forgotten.
/// </summary>
/// <param name="failure">What to answer where there is no other try.</param>
internal sealed class StaleDescriptionException(Failure failure) : Exception("What was known of the statement is stale.", failure)
{
    public Failure Failure => failure;
}
