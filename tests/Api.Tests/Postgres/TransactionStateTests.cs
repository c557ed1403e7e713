using Gateway.Api.Postgres;

namespace Gateway.Api.Tests.Postgres;

/// <summary>The states of a session's transaction, as the tags of its commands arrive.</summary>
public sealed class TransactionStateTests
{
    /// <summary>Each row is one step further, in the order in which the server confirms commands.</summary>
    [Fact]
    public void Steps_GoThroughTheStatesInOrder()
    {
        CommandStep no = CommandStep.NotSent, sent = CommandStep.Sent, done = CommandStep.Confirmed;

        Assert.Equal(
            [
                TransactionState.None, TransactionState.Beginning, TransactionState.Open, TransactionState.Ending,
                TransactionState.Ended, TransactionState.None,
            ],
            [
                TransactionStates.Of(no, no, no), TransactionStates.Of(sent, no, no), TransactionStates.Of(done, no, no),
                TransactionStates.Of(done, sent, sent), TransactionStates.Of(done, done, sent), TransactionStates.Of(done, done, done),
            ]);
    }

    /// <summary>A read sends all three in one round trip.</summary>
    [Theory]
    [InlineData(0, nameof(TransactionState.Beginning))]
    [InlineData(1, nameof(TransactionState.Ending))]
    [InlineData(2, nameof(TransactionState.Ended))]
    [InlineData(3, nameof(TransactionState.None))]
    public void OneRoundTrip_IsAsFarAsItsTags(int confirmed, string state)
    {
        var steps = Enumerable.Range(0, 3).Select(index => index < confirmed ? CommandStep.Confirmed : CommandStep.Sent).ToArray();

        Assert.Equal(state, TransactionStates.Of(steps[0], steps[1], steps[2]).ToString());
    }

    /// <summary>BEGIN's tag may be lost with the session, and a ROLLBACK be sent all the same; only the cleaning's tag says clean.</summary>
    [Fact]
    public void Session_IsCleanOnlyIfNothingWasSentOrTheCleaningIsConfirmed()
    {
        foreach (var begin in Enum.GetValues<CommandStep>())
        {
            foreach (var end in Enum.GetValues<CommandStep>())
            {
                foreach (var cleaning in Enum.GetValues<CommandStep>())
                {
                    Assert.Equal(
                        begin == CommandStep.NotSent || cleaning == CommandStep.Confirmed,
                        TransactionStates.Of(begin, end, cleaning) == TransactionState.None);
                }
            }
        }
    }
}
