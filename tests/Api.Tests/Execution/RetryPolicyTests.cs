using Gateway.Api.Errors;
using Gateway.Api.Execution;
using Gateway.Contracts;
using Npgsql;

namespace Gateway.Api.Tests.Execution;

/// <summary>The retry policy as a table: the outcome of the last run × the history → the decision.</summary>
public sealed class RetryPolicyTests
{
    private const string Again = "again at once";
    private const string Doubt = "again after 50 ms";
    private const string Unknown = "fail with outcome_unknown";
    private const string Own = "fail with its own failure";

    /// <summary>The rows for outcomes that are no failure; those have tables of their own below.</summary>
    public static TheoryData<string, string, string> Rows => new()
    {
        { "stale session", "first run", Again },
        { "stale session", "had a stale session", Own },
        { "stale session", "had stale types", Again },
        { "stale session", "in doubt", Again },
        { "stale session", "in doubt, had a stale session", Unknown },
        { "stale types", "first run", Again },
        { "stale types", "had a stale session", Again },
        { "stale types", "had stale types", Own },
        { "stale types", "in doubt", Again },
        { "stale types", "in doubt, had stale types", Unknown },
        { "in doubt", "first run", Doubt },
        { "in doubt", "had a stale session", Doubt },
        { "in doubt", "in doubt", Doubt },
        { "in doubt, at least once", "first run", Unknown },
        { "in doubt, at least once", "had a stale session", Unknown },
    };

    public static TheoryData<ProblemCode> Codes => [.. Enum.GetValues<ProblemCode>()];

    [Theory]
    [MemberData(nameof(Rows))]
    public void OutcomeAndHistory_Decide(string outcome, string history, string decision)
    {
        var last = OutcomeOf(outcome);

        Assert.Equal(decision, Describe(RetryPolicy.Decide(last, HistoryOf(history)), last));
    }

    /// <summary>Nothing that happens before the claim, on whichever server, tells what became of a COMMIT.</summary>
    [Theory]
    [MemberData(nameof(Codes))]
    public void FailureBeforeTheClaimInDoubt_RunsAgainAndSettlesNothing(ProblemCode code)
    {
        var failed = new RunOutcome.Failed(new Failure(code, ""), IsSettled: false);

        var retry = Assert.IsType<RetryDecision.Retry>(RetryPolicy.Decide(failed, HistoryOf("in doubt")));

        Assert.Equal(ProblemCode.OutcomeUnknown, retry.Otherwise.Code);
        Assert.Equal(Committed.Unknown, retry.Otherwise.Committed);
        Assert.True(retry.History is { IsInDoubt: true, NeedsNewSession: true });
    }

    /// <summary>A run that had the claim shows that no earlier run committed. Its failure is the answer, if it is final.</summary>
    [Theory]
    [MemberData(nameof(Codes))]
    public void FailureWithTheClaimInDoubt_IsTheAnswerIfItIsFinal(ProblemCode code)
    {
        var failed = new RunOutcome.Failed(new Failure(code, "its own"), IsSettled: true);
        var expected = code switch
        {
            ProblemCode.ActivityInFlight or ProblemCode.DatabaseUnavailable => Doubt,
            ProblemCode.Conflict or ProblemCode.DeadlineExceeded or ProblemCode.Saturated => Unknown,
            _ => Own,
        };

        Assert.Equal(expected, Describe(RetryPolicy.Decide(failed, HistoryOf("in doubt")), failed));
    }

    [Theory]
    [MemberData(nameof(Codes))]
    public void FailureWithoutDoubt_RunsAgainOnlyAfterAConflictOrAnotherAttempt(ProblemCode code)
    {
        var failure = new Failure(code, "") { Refusal = new PostgresRefusal(PostgresErrorCodes.SerializationFailure) };
        var decision = RetryPolicy.Decide(new RunOutcome.Failed(failure, IsSettled: false), default);

        if (code == ProblemCode.Conflict)
            Assert.Same(failure, Assert.IsType<RetryDecision.Retry>(decision).Otherwise);
        else if (code == ProblemCode.ActivityInFlight)
            Assert.Equal(1, Assert.IsType<RetryDecision.WaitForOther>(decision).History.MetOtherAttempts);
        else
            Assert.Same(failure, Assert.IsType<RetryDecision.Fail>(decision).Failure);
    }

    /// <summary>A serialization failure or a deadlock is over when it is reported; a lock may be held for long.</summary>
    [Theory]
    [InlineData(PostgresErrorCodes.SerializationFailure, true)]
    [InlineData(PostgresErrorCodes.DeadlockDetected, true)]
    [InlineData(PostgresErrorCodes.LockNotAvailable, false)]
    [InlineData(null, false)]
    public void Conflict_RunsAgainIfItIsOver(string? sqlState, bool runsAgain)
    {
        var refusal = sqlState is null ? null : new PostgresRefusal(sqlState);
        var failed = new RunOutcome.Failed(new Failure(ProblemCode.Conflict, "") { Refusal = refusal }, IsSettled: true);

        Assert.Equal(runsAgain, RetryPolicy.Decide(failed, default) is RetryDecision.Retry);
    }

    [Fact]
    public void Conflicts_BackOffExponentiallyWithJitterAndEnd()
    {
        var conflict = new Failure(ProblemCode.Conflict, "") { Refusal = new PostgresRefusal(PostgresErrorCodes.DeadlockDetected) };
        var failed = new RunOutcome.Failed(conflict, IsSettled: true);
        var delays = new List<double>();
        var history = default(RunHistory);
        while (RetryPolicy.Decide(failed, history) is RetryDecision.Retry retry)
        {
            Assert.True(retry.HasJitter);
            delays.Add(retry.Delay.TotalMilliseconds);
            history = retry.History;
        }

        Assert.Equal([5, 10, 20, 40], delays);
        Assert.Same(conflict, Assert.IsType<RetryDecision.Fail>(RetryPolicy.Decide(failed, history)).Failure);
    }

    /// <summary>The first wait ends as soon as the other attempt does; later ones have a minimum that doubles.</summary>
    [Fact]
    public void WaitsForOtherAttempts_GrowLonger()
    {
        var inFlight = new RunOutcome.Failed(new Failure(ProblemCode.ActivityInFlight, ""), IsSettled: false);
        var least = new List<double>();
        var history = default(RunHistory);
        for (var wait = 0; wait < 8; wait++)
        {
            var decision = Assert.IsType<RetryDecision.WaitForOther>(RetryPolicy.Decide(inFlight, history));
            least.Add(decision.Least.TotalMilliseconds);
            history = decision.History;
        }

        Assert.Equal([0, 50, 100, 200, 400, 800, 1000, 1000], least);
        var last = RetryPolicy.Decide(inFlight, history with { MetOtherAttempts = int.MaxValue - 1 });
        Assert.Equal(RetryPolicy.LongestLeastWait, Assert.IsType<RetryDecision.WaitForOther>(last).Least);
    }

    /// <summary>
    /// The other attempt may have committed meanwhile. Only a run with the claim, or with the record, knows better.
    /// </summary>
    [Theory]
    [InlineData(false, Committed.Unknown)]
    [InlineData(true, Committed.No)]
    public void FailureAfterAnotherAttempt_IsUnknownUnlessItIsSettled(bool isSettled, Committed committed)
    {
        var failed = new RunOutcome.Failed(new Failure(ProblemCode.Saturated, ""), isSettled);

        var fail = Assert.IsType<RetryDecision.Fail>(RetryPolicy.Decide(failed, new RunHistory { MetOtherAttempts = 1 }));

        Assert.Equal(ProblemCode.Saturated, fail.Failure.Code);
        Assert.Equal(committed, fail.Failure.Committed);
    }

    /// <summary>An engine counts a 504 as a failed attempt, and nothing of this one has failed.</summary>
    [Fact]
    public void DeadlineAfterAnotherAttempt_IsInFlight()
    {
        var late = new RunOutcome.Failed(new Failure(ProblemCode.DeadlineExceeded, ""), IsSettled: false);

        var fail = Assert.IsType<RetryDecision.Fail>(RetryPolicy.Decide(late, new RunHistory { MetOtherAttempts = 1 }));

        Assert.Equal((ProblemCode.ActivityInFlight, Committed.Unknown), (fail.Failure.Code, fail.Failure.Committed));
    }

    /// <summary>The next runs only claim the activity, until one of them gets the claim or finds the record.</summary>
    [Fact]
    public void RefusalAtCommit_IsKeptForAllLaterRuns()
    {
        var refusal = new Failure(ProblemCode.SqlError, "the server's reason");
        var first = Retried(InDoubt(isExactlyOnce: true, refusal), default);
        var second = Retried(new RunOutcome.Failed(new Failure(ProblemCode.ActivityInFlight, ""), IsSettled: false), first);
        var third = Retried(InDoubt(isExactlyOnce: true), second);

        Assert.All([first, second, third], history => Assert.Same(refusal, history.FailureIfClaimed));
    }

    [Fact]
    public void DifferentReasons_AddUpInTheHistory()
    {
        var failure = new Failure(ProblemCode.DatabaseUnavailable, "");
        var history = Retried(new RunOutcome.StaleTypes(failure), Retried(new RunOutcome.StaleSession(failure), default));

        Assert.True(history is { HadStaleSession: true, HadStaleTypes: true, NeedsNewSession: true, IsInDoubt: false });
    }

    private static RunHistory Retried(RunOutcome outcome, RunHistory history) =>
        Assert.IsType<RetryDecision.Retry>(RetryPolicy.Decide(outcome, history)).History;

    private static RunOutcome OutcomeOf(string name) => name switch
    {
        "stale session" => new RunOutcome.StaleSession(new Failure(ProblemCode.DatabaseUnavailable, name)),
        "stale types" => new RunOutcome.StaleTypes(new Failure(ProblemCode.Conflict, name)),
        "in doubt" => InDoubt(isExactlyOnce: true),
        "in doubt, at least once" => InDoubt(isExactlyOnce: false),
        _ => throw new ArgumentOutOfRangeException(nameof(name), name, null),
    };

    private static RunOutcome.InDoubt InDoubt(bool isExactlyOnce, Failure? failureAtCommit = null) => new(
        RetryPolicy.OutcomeUnknown(isExactlyOnce, new NpgsqlException()), CanBeSettled: isExactlyOnce, failureAtCommit);

    private static RunHistory HistoryOf(string name) => new()
    {
        IsInDoubt = name.StartsWith("in doubt", StringComparison.Ordinal),
        HadStaleSession = name.EndsWith("had a stale session", StringComparison.Ordinal),
        HadStaleTypes = name.EndsWith("had stale types", StringComparison.Ordinal),
    };

    private static string Describe(RetryDecision decision, RunOutcome outcome) => decision switch
    {
        RetryDecision.Retry { Delay.Ticks: 0 } => Again,
        RetryDecision.Retry retry when retry.Delay == RetryPolicy.DoubtDelay => Doubt,
        RetryDecision.Fail { Failure: { Code: ProblemCode.OutcomeUnknown, Committed: Committed.Unknown } } => Unknown,
        RetryDecision.Fail fail when ReferenceEquals(fail.Failure, outcome.Error) => Own,
        _ => decision.ToString()!,
    };
}
