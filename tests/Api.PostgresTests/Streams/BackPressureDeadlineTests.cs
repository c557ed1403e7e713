using System.Diagnostics;
using System.Net;
using Gateway.Api.PostgresTests.Faults;

namespace Gateway.Api.PostgresTests.Streams;

/// <summary>
/// Tests the deadline of a stream that is read slowly. The cases of a test run side by side, because all of them wait.
/// </summary>
[Collection(TimingCollection.Name)]
public sealed class BackPressureDeadlineTests(GatewayFixture fixture)
{
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
        const int budget = 6000;
        await using var backends = await Backends.WatchAsync(fixture.Dsn);
        await using var gateway = await SlowReader.StartAsync(fixture, backends);
        using var caller = new StreamCaller(gateway.Address);

        var clock = Stopwatch.StartNew();
        using var answer = await caller.SendAsync(
            new { activityId = "a", sql = SlowReader.Endless, timeoutMs = budget }, StreamForms.Ndjson, acceptEncoding);
        await SlowReader.HeldUpAsync(backends, 1);
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
