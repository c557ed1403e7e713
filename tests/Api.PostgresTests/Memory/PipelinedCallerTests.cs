using System.Text;

namespace Gateway.Api.PostgresTests.Memory;

/// <summary>Tests that a caller's disconnect is noticed, whatever it has sent ahead.</summary>
public sealed class PipelinedCallerTests(GatewayFixture fixture)
{
    /// <summary>
    /// As much as two requests, which a client may pipeline; as much as the server reads ahead; and more than that.
    /// </summary>
    [Theory]
    [InlineData(1_000)]
    [InlineData(64 * 1024)]
    [InlineData(100_000)]
    [InlineData(2_000_000)]
    public async Task CallerLeavesBehindWhatItSentAhead_ItsStatementEnds(int ahead)
    {
        var marker = $"ahead_{ahead}_{Guid.NewGuid():N}";
        var running = $"SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() AND query LIKE '%{marker}%'";
        using var caller = await RawCaller.ConnectAsync(fixture.Address);
        await caller.SendAsync(new { activityId = "ahead", sql = $"SELECT pg_sleep(120) /* {marker} */", timeoutMs = 120_000 });
        // The next request, with an incomplete body.
        var next = Encoding.ASCII.GetBytes($"POST /v1/query HTTP/1.1\r\nHost: x\r\nContent-Length: {2 * ahead}\r\n\r\n");
        var sending = caller.SendAsync((byte[])[.. next, .. new byte[ahead - next.Length]]);
        await Poll.UntilAsync(async () => await fixture.ReadAsync<long>(running) > 0);

        caller.Leave();

        await Poll.UntilAsync(async () => await fixture.ReadAsync<long>(running) == 0);
        await sending;
    }

    [Fact]
    public async Task RequestSentAhead_IsAnsweredInItsTurn()
    {
        using var caller = await RawCaller.ConnectAsync(fixture.Address);
        await caller.SendAsync(new { activityId = "first", sql = "SELECT pg_sleep(1.5)" });
        await caller.SendAsync(new { activityId = "second", sql = "SELECT 2" });

        var text = "";
        while (!text.Contains("\"second\"", StringComparison.Ordinal))
        {
            var more = await caller.ReadAsync();
            Assert.NotEmpty(more);
            text += more;
        }
        Assert.Contains("\"first\"", text);
        Assert.Equal(3, text.Split("HTTP/1.1 200").Length);
    }
}
