using Gateway.Api.Errors;
using Gateway.Contracts;

namespace Gateway.Api.Postgres;

/// <summary>
/// Represents the deadline of a request: its arrival plus its budget. The path hands it down, and every stage uses it.
/// </summary>
internal sealed class Deadline : IDisposable
{
    private readonly TimeProvider _clock;
    private readonly long _begun;
    private readonly CancellationTokenSource _end;
    private readonly CancellationToken _callerLeft;
    private readonly CancellationTokenRegistration _leaving;
    private readonly TimeSpan _budget;
    private readonly TimeSpan _left;

    // Created on first use: only a COMMIT needs it.
    private CancellationTokenSource? _budgetEnd;

    /// <param name="budget">The whole budget.</param>
    /// <param name="spent">The part of the budget that reading the request has taken.</param>
    /// <param name="clock">The clock for the budget.</param>
    /// <param name="callerLeft">Is cancelled when the caller disconnects.</param>
    /// <param name="outlivesCaller">Whether the request runs on when the caller disconnects.</param>
    public Deadline(
        TimeSpan budget, TimeSpan spent, TimeProvider clock, CancellationToken callerLeft, bool outlivesCaller = false)
    {
        _clock = clock;
        _begun = clock.GetTimestamp();
        _budget = budget;
        _left = budget - spent;
        _callerLeft = callerLeft;
        _end = EndOfBudget();
        if (!outlivesCaller)
            _leaving = callerLeft.UnsafeRegister(static end => ((CancellationTokenSource)end!).Cancel(), _end);
    }

    /// <summary>
    /// Gets the token that is cancelled at the deadline, or when the caller disconnects, unless the request outlives
    /// its caller.
    /// </summary>
    public CancellationToken Token => _end.Token;

    /// <summary>Gets the token that is cancelled when the caller disconnects.</summary>
    public CancellationToken CallerLeft => _callerLeft;

    /// <summary>
    /// Gets the token that is cancelled at the deadline only: the gateway waits for a COMMIT even if the caller has
    /// disconnected.
    /// </summary>
    public CancellationToken BudgetEnd => (_budgetEnd ??= EndOfBudget()).Token;

    /// <summary>Gets the time until the deadline; zero or less after it.</summary>
    public TimeSpan Left => _left - _clock.GetElapsedTime(_begun);

    /// <summary>
    /// Returns the exception for the cancellation of <see cref="Token"/>. A caller that has disconnected gets no
    /// answer.
    /// </summary>
    /// <param name="doing">The work that was interrupted, for example "waiting for a session".</param>
    /// <param name="cause">The exception that reported the cancellation.</param>
    public Exception Ended(string doing, Exception? cause = null) => _callerLeft.IsCancellationRequested
        ? new CallerLeftException(cause)
        : new Failure(
            ProblemCode.DeadlineExceeded,
            Describe(_budget, doing),
            cause);

    /// <summary>Returns the message for a deadline that was exceeded.</summary>
    /// <param name="budget">The whole budget.</param>
    /// <param name="doing">The work that was interrupted, for example "waiting for a session".</param>
    public static string Describe(TimeSpan budget, string doing) =>
        $"The request did not finish within timeoutMs ({budget.TotalMilliseconds:0} ms). "
        + $"At its end the gateway was {doing}. "
        + "A larger timeoutMs, or Gateway__DefaultTimeoutMs, gives it more time.";

    public void Dispose()
    {
        // First, because its callback cancels _end.
        _leaving.Dispose();
        _end.Dispose();
        _budgetEnd?.Dispose();
    }

    private CancellationTokenSource EndOfBudget()
    {
        var left = Left;
        return new CancellationTokenSource(left > TimeSpan.Zero ? left : TimeSpan.Zero, _clock);
    }
}

/// <summary>Thrown when the caller has disconnected, so that no answer is needed.</summary>
internal sealed class CallerLeftException(Exception? cause) : OperationCanceledException("The caller left.", cause);
