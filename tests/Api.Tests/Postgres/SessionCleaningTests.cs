using Gateway.Api.Postgres;

namespace Gateway.Api.Tests.Postgres;

public sealed class SessionCleaningTests
{
    private const string KeepsPlans = "a cleaning that keeps the plans";

    [Fact]
    public void NewSession_DiscardsAll() => Assert.Equal(SessionCleaning.DiscardAll, new SessionCleaning().Sql);

    [Fact]
    public void Plans_AreKeptForEightRequestsAfterTheirLastUse()
    {
        var cleaning = new SessionCleaning();
        var kept = new List<bool>();
        foreach (var isWrite in (bool[])[true, false, true, .. Enumerable.Repeat(false, 9), true])
        {
            if (isWrite)
                cleaning.KeepPlans(KeepsPlans);
            kept.Add(cleaning.Sql == KeepsPlans);
            cleaning.CountRequest();
        }

        // The second write counts as the first of the eight.
        Assert.Equal([true, true, .. Enumerable.Repeat(true, 8), false, false, true], kept);
    }
}
