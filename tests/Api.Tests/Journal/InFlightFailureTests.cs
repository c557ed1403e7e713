using Gateway.Api.Journal;
using Gateway.Contracts;

namespace Gateway.Api.Tests.Journal;

/// <summary>Tests the answer to a request whose activity is still running when its time ends.</summary>
public sealed class InFlightFailureTests
{
    [Theory]
    [InlineData(0.5, 1)]
    [InlineData(15, 1)]
    [InlineData(45, 4)]
    [InlineData(299, 29)]
    public void RetryAfter_IsATenthOfTheTimeThatTheOtherHasRun(double seconds, int retryAfter)
    {
        var failure = ActivityJournal.InFlight(TimeSpan.FromSeconds(seconds));

        Assert.Equal((ProblemCode.ActivityInFlight, Committed.Unknown), (failure.Code, failure.Committed));
        Assert.Equal(retryAfter, failure.RetryAfterSeconds);
        Assert.Contains($"for {seconds:0} s so far", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void UnknownTime_IsNotNamed()
    {
        var failure = ActivityJournal.InFlight();

        Assert.Equal(1, failure.RetryAfterSeconds);
        Assert.DoesNotContain("so far", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void TooManyWaiting_WaitLongerBeforeTheyComeAgain() =>
        Assert.Equal(5, ActivityJournal.TooManyWait().RetryAfterSeconds);
}
