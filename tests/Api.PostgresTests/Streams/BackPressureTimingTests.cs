using System.Diagnostics;
using System.Net;
using Gateway.Api.PostgresTests.Faults;

namespace Gateway.Api.PostgresTests.Streams;

/// <summary>
/// Tests how soon the backend of a slow reader is free, and the deadline of its stream. The cases of a deadline run
/// side by side, because they mostly wait.
/// </summary>
[Collection(TimingCollection.Name)]
public sealed class BackPressureTimingTests(GatewayFixture fixture)
{
    private const int MegaByte = 1 << 20;

    [Fact]
    public async Task ReadersThatStop_HoldTheirBackendsUpAndCostTheGatewayLittle()
    {
        const int readers = 8;
        await using var backends = await Backends.WatchAsync(fixture.Dsn);
        var port = Ports.PickFree();
        await using var gateway = await GatewayProcess.StartAsync(
            new Dictionary<string, string> { ["DSN"] = backends.Named(fixture.Dsn) },
            $"--urls=http://127.0.0.1:{port}");
        var address = new Uri($"http://127.0.0.1:{port}");
        using (var client = new GatewayClient(address))
            await client.NdjsonAsync("SELECT g, repeat('x', 100) AS x FROM generate_series(1, 200000) g");
        var before = gateway.Memory;

        var callers = Enumerable.Range(0, readers).Select(_ => new StreamCaller(address)).ToArray();
        var request = new { activityId = "a", sql = SlowReader.Endless, timeoutMs = 60_000 };
        var answers = await Task.WhenAll(callers.Select(caller => caller.SendAsync(request)));
        await SlowReader.HeldUpAsync(backends, readers);
        var grown = (gateway.Memory - before) / MegaByte;

        Assert.True(grown < 100, $"{readers} readers that stopped cost {grown} MB.");
        foreach (var (caller, answer) in callers.Zip(answers))
        {
            caller.Vanish();
            answer.Dispose();
            caller.Dispose();
        }
        var (since, stillBusy) = await backends.UntilFreeAsync(Stopwatch.StartNew());
        Assert.True(stillBusy == "nothing", $"Busy after {since}: {stillBusy}");
    }

    [Fact]
    public Task ReaderThatStops_EndsWithItsBudgetAndTheSessionIsFree() =>
        Task.WhenAll(StopAsync(StreamForms.Ndjson), StopAsync(StreamForms.Csv));

    /// <summary>
    /// The caller reads on after the deadline has ended a write to it. Kestrel closes the connection then, so the
    /// stream usually ends with a cut. Everything before the cut must be complete, and sent only once.
    /// </summary>
    [Fact]
    public Task ReaderThatGoesOnAtTheDeadline_GetsEachRowOnceAndNoEnd() =>
        Task.WhenAll(GoOnAsync(null), GoOnAsync("gzip"), GoOnAsync("br"));

    [Theory]
    [InlineData(StreamForms.Ndjson, true)]
    [InlineData(StreamForms.Ndjson, false)]
    [InlineData(StreamForms.Csv, true)]
    public async Task ReaderThatVanishesWhileItIsHeldUp_TakesItsQueryAlong(string accept, bool resets)
    {
        await using var backends = await Backends.WatchAsync(fixture.Dsn);
        await using var gateway = await SlowReader.StartAsync(fixture, backends);
        using var caller = new StreamCaller(gateway.Address);
        using var answer = await caller.SendAsync(
            new { activityId = "a", sql = SlowReader.Endless, timeoutMs = 60_000 }, accept);
        await SlowReader.HeldUpAsync(backends, 1);

        if (resets)
            caller.Vanish();
        else
            caller.Dispose();

        Assert.Equal("nothing", (await backends.UntilFreeAsync(Stopwatch.StartNew())).StillBusy);
        Assert.Equal(1, (await gateway.Client.QueryValueAsync("SELECT 1")).GetInt32());
    }

    private async Task StopAsync(string accept)
    {
        const int budget = 6000;
        await using var backends = await Backends.WatchAsync(fixture.Dsn);
        await using var gateway = await SlowReader.StartAsync(fixture, backends);
        using var caller = new StreamCaller(gateway.Address);

        var clock = Stopwatch.StartNew();
        using var answer = await caller.SendAsync(
            new { activityId = "a", sql = SlowReader.Endless, timeoutMs = budget }, accept);
        await SlowReader.HeldUpAsync(backends, 1);
        var next = await gateway.Client.PostAsync(
            "query", new { activityId = "next", sql = "SELECT 1", timeoutMs = 20_000 });
        var free = clock.ElapsedMilliseconds;

        next.Expect(HttpStatusCode.OK);
        Assert.InRange(free, budget - 50, budget + 1500);
        Assert.Equal("nothing", (await backends.UntilFreeAsync(clock)).StillBusy);
        // The stream is cut off meanwhile, even though the caller reads on.
        await Task.Delay(1500);
        var (text, whole) = await SlowReader.ReadAsync(answer, null);
        Assert.False(whole, text[^200..]);
    }

    private async Task GoOnAsync(string? acceptEncoding)
    {
        const int budget = 8000;
        await using var backends = await Backends.WatchAsync(fixture.Dsn);
        await using var gateway = await SlowReader.StartAsync(fixture, backends);
        using var caller = new StreamCaller(gateway.Address);

        var clock = Stopwatch.StartNew();
        using var answer = await caller.SendAsync(
            new { activityId = "a", sql = SlowReader.Endless, timeoutMs = budget }, StreamForms.Ndjson, acceptEncoding);
        await SlowReader.HeldUpAsync(backends, 1);
        Assert.True(clock.ElapsedMilliseconds < budget, "It was held up too late for this test.");
        await Task.Delay(TimeSpan.FromMilliseconds(budget + 100) - clock.Elapsed);
        var (text, whole) = await SlowReader.ReadAsync(answer, acceptEncoding);

        if (!whole)
            text = text[..(text.LastIndexOf('\n') + 1)] + "{\"error\":\"cut\"}\n";
        var stream = NdjsonText.Parse(text);
        Assert.Equal(
            Enumerable.Range(1, stream.Rows.Count), stream.Rows.Select(row => row.GetProperty("g").GetInt32()));
        Assert.True(stream.Last.TryGetProperty("error", out _));
    }
}
