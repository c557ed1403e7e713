using Gateway.Api.Errors;
using Gateway.Contracts;

namespace Gateway.Api.Postgres;

/// <summary>
/// One budget, begun when the request arrived, passed down the path and spent by every stage of it.
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

    // Only what is committed asks for it.
    private CancellationTokenSource? _budgetEnd;

    /// <param name="budget">The whole budget.</param>
    /// <param name="spent">What reading the request has already taken of it.</param>
    /// <param name="clock">The clock that it runs by.</param>
    /// <param name="callerLeft">Ends when the caller is gone.</param>
    public Deadline(TimeSpan budget, TimeSpan spent, TimeProvider clock, CancellationToken callerLeft)
    {
        _clock = clock;
        _begun = clock.GetTimestamp();
        _budget = budget;
        _left = budget - spent;
        _callerLeft = callerLeft;
        _end = EndOfBudget();
        _leaving = callerLeft.UnsafeRegister(static end => ((CancellationTokenSource)end!).Cancel(), _end);
    }

    /// <summary>Ends with the budget, or when the caller leaves.</summary>
    public CancellationToken Token => _end.Token;

    /// <summary>
    /// Ends with the budget only: a COMMIT that has been sent is seen through, be the caller there or not.
    /// </summary>
    public CancellationToken BudgetEnd => (_budgetEnd ??= EndOfBudget()).Token;

    /// <summary>What the end of <see cref="Token"/> means; a caller that left gets no answer.</summary>
    /// <param name="doing">What was going on, as in "waiting for a session".</param>
    /// <param name="cause">The exception that reported it.</param>
    public Exception Ended(string doing, Exception? cause = null) => _callerLeft.IsCancellationRequested
        ? new CallerLeftException(cause)
        : new Failure(
            ProblemCode.DeadlineExceeded,
            Describe(_budget, doing),
            cause);

    /// <summary>Says what a deadline ended.</summary>
    /// <param name="budget">The whole budget.</param>
    /// <param name="doing">What was going on, as in "waiting for a session".</param>
    public static string Describe(TimeSpan budget, string doing) =>
        $"The request did not finish within timeoutMs ({budget.TotalMilliseconds:0} ms). At its end the gateway was {doing}. "
        + "A larger timeoutMs, or Gateway__DefaultTimeoutMs, gives it more time.";

    public void Dispose()
    {
        // First: it ends what is disposed next.
        _leaving.Dispose();
        _end.Dispose();
        _budgetEnd?.Dispose();
    }

    private CancellationTokenSource EndOfBudget()
    {
        var left = _left - _clock.GetElapsedTime(_begun);
        return new CancellationTokenSource(left > TimeSpan.Zero ? left : TimeSpan.Zero, _clock);
    }
}

/// <summary>The caller is gone, and with it whoever an answer would be for.</summary>
internal sealed class CallerLeftException(Exception? cause) : OperationCanceledException("The caller left.", cause);
