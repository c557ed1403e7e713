using System.Net;
using System.Text;
using Gateway.Api.Callers;
using Gateway.Api.PostgresTests.Callers;

namespace Gateway.Api.PostgresTests.Memory;

/// <summary>Tests that the memory of requests is counted, and that no caller can use all of it.</summary>
public sealed class MemoryBudgetTests(GatewayFixture fixture)
{
    private const int MiB = 1 << 20;
    private const int BodyLength = 4 * MiB;

    private readonly string _greedy = ApiKey.New();
    private readonly string _modest = ApiKey.New();

    [Fact]
    public async Task BodiesThatWait_AreCountedAndLeaveRoomForAnotherCaller()
    {
        const int Budget = 64 * MiB;
        await using var gateway = await StartAsync($"--Gateway:MemoryBudgetBytes={Budget}");
        using var modest = new GatewayClient(gateway.Address, _modest);
        using var greedy = new GatewayClient(gateway.Address, _greedy);
        // The number of requests that fit into three quarters of the budget, each with its body and its next buffer.
        const int Most = Budget / 4 * 3 / BodyLength;
        const int Count = 40;
        using var callers = new RawCallers(gateway.Address);
        var connected = await Task.WhenAll(Enumerable.Range(0, Count).Select(_ => callers.ConnectAsync()));
        // Side by side: a connection whose bytes are slow to arrive must not keep the others waiting. A refused caller
        // is still sending when its answer comes.
        var answers = connected.Select(caller => caller.ReadAsync()).ToList();
        var sendings = connected.Select(SendMostOfBodyAsync).ToList();

        // A few more may be slow. If nothing were counted, none would be refused.
        await Poll.UntilAsync(
            () => answers.Count(answer => answer.IsCompleted) >= Count - Most - 4, TimeSpan.FromSeconds(50));
        foreach (var answer in answers.Where(answer => answer.IsCompleted))
        {
            var text = await answer;
            Assert.Contains("503", text);
            Assert.Contains("saturated", text);
            Assert.Contains("Retry-After", text);
        }
        Assert.True(answers.Count(answer => answer.IsCompleted) < Count, "No body was taken.");
        (await QueryAsync(modest, "SELECT 1", new string('x', 100_000))).Expect(HttpStatusCode.OK);

        callers.Dispose();
        await Task.WhenAll([.. answers, .. sendings]);
        var after = await Answer.UntilAsync(() => QueryAsync(greedy, "SELECT 1", new string('x', MiB)), answer => answer.Status == HttpStatusCode.OK);
        after.Expect(HttpStatusCode.OK);

        async Task SendMostOfBodyAsync(RawCaller caller)
        {
            await caller.BeginAsync(BodyLength, _greedy);
            await caller.SendAsync(Encoding.ASCII.GetBytes("{\"sql\": \"" + new string(' ', (39 * MiB / 10) - 9)));
        }
    }

    [Fact]
    public async Task LargeAnswersAtOnce_AreAllAnswered()
    {
        await using var gateway = await StartAsync();
        using var caller = new GatewayClient(gateway.Address, _greedy);

        for (var time = 0; time < 5; time++)
        {
            // Larger than what the pool of buffers shares, and more of them than it keeps.
            var answers = await Task.WhenAll(Enumerable.Range(1, 16).Select(number =>
                QueryAsync(caller, $"SELECT repeat('x', {number} * 10000) FROM generate_series(1, 10)")));
            Assert.All(answers, answer => answer.Expect(HttpStatusCode.OK));
        }
    }

    [Fact]
    public async Task BodiesThatAreAnnounced_TakeWhatHasComeOfThem()
    {
        await using var gateway = await StartAsync($"--Gateway:MemoryBudgetBytes={32 * MiB}");
        using var greedy = new GatewayClient(gateway.Address, _greedy);
        using var callers = new RawCallers(gateway.Address);
        for (var i = 0; i < 300; i++)
        {
            var caller = await callers.ConnectAsync();
            await caller.BeginAsync(BodyLength, _greedy);
            await caller.SendAsync("{"u8.ToArray());
        }

        (await QueryAsync(greedy, "SELECT 1", new string('x', 100_000))).Expect(HttpStatusCode.OK);
    }

    [Fact]
    public async Task BodyThatTakesTooLong_IsAnsweredThoughItGoesOn()
    {
        await using var gateway = await StartAsync("--Gateway:DefaultTimeoutMs=500", "--Gateway:MaxTimeoutMs=1000");
        using var caller = await RawCaller.ConnectAsync(gateway.Address);
        await caller.BeginAsync(BodyLength, _greedy);
        var answer = caller.ReadAsync();

        // Faster than the server's minimum rate.
        while (!answer.IsCompleted && await caller.SendAsync(new byte[1000]))
            await Task.WhenAny(answer, Task.Delay(50, TestContext.Current.CancellationToken));

        Assert.Contains("deadline_exceeded", await answer);
    }

    [Fact]
    public async Task AnswersThatNobodyTakes_AreCounted()
    {
        const int Length = 12 * MiB;
        await using var gateway = await StartAsync(
            $"--Gateway:BodyLimitBytes={MiB}", $"--Gateway:ResponseLimitBytes={16 * MiB}", $"--Gateway:MemoryBudgetBytes={68 * MiB}");
        using var greedy = new GatewayClient(gateway.Address, _greedy);
        using var callers = new RawCallers(gateway.Address);
        var taken = 0;
        var refused = 0;
        for (var i = 0; i < 8; i++)
        {
            var caller = await callers.ConnectAsync(receiveBuffer: 4096);
            await caller.SendAsync(new { activityId = "held", sql = $"SELECT repeat('x', 1000) FROM generate_series(1, {Length / 1000})" }, _greedy);
            var head = await caller.ReadAsync(atMost: 100);
            if (head.StartsWith("HTTP/1.1 200", StringComparison.Ordinal))
                taken++;
            else if (head.StartsWith("HTTP/1.1 503", StringComparison.Ordinal))
                refused++;
        }

        Assert.Equal(8, taken + refused);
        Assert.InRange(taken, 1, 3);
        callers.Dispose();
        (await Answer.UntilAsync(() => QueryAsync(greedy, $"SELECT repeat('x', 1000) FROM generate_series(1, {Length / 1000})"), answer => answer.Status == HttpStatusCode.OK))
            .Expect(HttpStatusCode.OK);
    }

    [Fact]
    public async Task RequestThatNeverFits_IsNotToBeTriedAgain()
    {
        await using var gateway = await StartAsync($"--Gateway:MemoryBudgetBytes={32 * MiB}");
        using var greedy = new GatewayClient(gateway.Address, _greedy);

        // Two bytes of JSON for each element, and a row in the parser's table.
        var body = "{\"activityId\": \"a\", \"sql\": \"SELECT $1::int[]\", \"parameters\": [[" + string.Join(',', Enumerable.Repeat("1", 2_000_000)) + "]]}";
        (await greedy.PostAsync("query", body)).ExpectProblem(413, "body_too_large");

        (await QueryAsync(greedy, "SELECT 1")).Expect(HttpStatusCode.OK);
    }

    private static Task<Answer> QueryAsync(GatewayClient client, string sql, string? filler = null) => client.PostAsync(
        "query", filler is null ? new { activityId = "memory", sql } : new { activityId = "memory", sql = $"{sql} /* {filler} */" });

    private Task<RunningGateway> StartAsync(params string[] settings) => RunningGateway.StartAsync(
    [
        $"--DSN={fixture.Dsn}", .. CallersFixture.Settings("greedy", [_greedy], "default=read"),
        .. CallersFixture.Settings("modest", [_modest], "default=read"), .. settings,
    ]);
}
