using System.Diagnostics;
using System.IO.Compression;
using System.Net;
using System.Text;
using Gateway.Api.PostgresTests.Faults;

namespace Gateway.Api.PostgresTests.Streams;

/// <summary>
/// Tests a caller that reads a stream at its own pace: unread data waits on the server, and not in the gateway, until
/// the request's deadline.
/// </summary>
[Collection(TimingCollection.Name)]
public sealed class BackPressureTests(GatewayFixture fixture)
{
    /// <summary>More data than socket buffers hold, and hard to compress.</summary>
    private const string Endless = "SELECT generate_series(1, 1000000000) AS g, md5(random()::text) || md5(random()::text) AS x";

    private const int MegaByte = 1 << 20;

    [Fact]
    public async Task ReadersThatStop_HoldTheirBackendsUpAndCostTheGatewayLittle()
    {
        const int readers = 8;
        await using var backends = await Backends.WatchAsync(fixture.Dsn);
        var port = Ports.PickFree();
        await using var gateway = await GatewayProcess.StartAsync(
            new Dictionary<string, string> { ["DSN"] = backends.Named(fixture.Dsn) }, $"--urls=http://127.0.0.1:{port}");
        var address = new Uri($"http://127.0.0.1:{port}");
        using (var client = new GatewayClient(address))
            await client.NdjsonAsync("SELECT g, repeat('x', 100) AS x FROM generate_series(1, 200000) g");
        var before = gateway.Memory;

        var callers = Enumerable.Range(0, readers).Select(_ => new StreamCaller(address)).ToArray();
        var answers = await Task.WhenAll(callers.Select(caller => caller.SendAsync(new { activityId = "a", sql = Endless, timeoutMs = 60_000 })));
        await HeldUpAsync(backends, readers);
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

    /// <summary>Each value is below the limit for values in memory; the row is far above it.</summary>
    [Fact]
    public async Task RowOfManyHeldValues_CostsTheGatewayLittle()
    {
        const int columns = 50;
        var port = Ports.PickFree();
        await using var gateway = await GatewayProcess.StartAsync(
            new Dictionary<string, string> { ["DSN"] = fixture.Dsn }, $"--urls=http://127.0.0.1:{port}");
        using var caller = new StreamCaller(new Uri($"http://127.0.0.1:{port}"));
        var before = gateway.Memory;

        var arrays = string.Join(", ", Enumerable.Range(0, columns).Select(column => $"ARRAY[repeat('x', {3 * MegaByte})] AS c{column}"));
        using var answer = await caller.SendAsync(new { activityId = "a", sql = $"SELECT {arrays}", timeoutMs = 60_000 });
        await using var body = await answer.Content.ReadAsStreamAsync();
        var bytes = new byte[MegaByte];
        var most = 0L;
        var length = 0L;
        for (int read; (read = await body.ReadAsync(bytes)) > 0; length += read)
            most = Math.Max(most, gateway.Memory);

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.True(length > columns * 3L * MegaByte, $"{length} bytes came.");
        Assert.True((most - before) / MegaByte < 100, $"A row of {columns} values of 3 MB cost {(most - before) / MegaByte} MB.");
    }

    [Theory]
    [InlineData(StreamForms.Ndjson)]
    [InlineData(StreamForms.Csv)]
    public async Task ReaderThatStops_EndsWithItsBudgetAndTheSessionIsFree(string accept)
    {
        const int budget = 6000;
        await using var backends = await Backends.WatchAsync(fixture.Dsn);
        await using var gateway = await StartAsync(backends);
        using var caller = new StreamCaller(gateway.Address);

        var clock = Stopwatch.StartNew();
        using var answer = await caller.SendAsync(new { activityId = "a", sql = Endless, timeoutMs = budget }, accept);
        await HeldUpAsync(backends, 1);
        var next = await gateway.Client.PostAsync("query", new { activityId = "next", sql = "SELECT 1", timeoutMs = 20_000 });
        var free = clock.ElapsedMilliseconds;

        next.Expect(HttpStatusCode.OK);
        Assert.InRange(free, budget - 50, budget + 1500);
        Assert.Equal("nothing", (await backends.UntilFreeAsync(clock)).StillBusy);
        // The stream is cut off meanwhile, even though the caller reads on.
        await Task.Delay(1500);
        var (text, whole) = await ReadAsync(answer, null);
        Assert.False(whole, text[^200..]);
    }

    /// <summary>
    /// The caller reads on after the deadline has ended a write to it. Kestrel closes the connection then, so the
    /// stream usually ends with a cut. Everything before the cut must be complete, and sent only once.
    /// </summary>
    [Theory]
    [InlineData(null)]
    [InlineData("gzip")]
    [InlineData("br")]
    public async Task ReaderThatGoesOnAtTheDeadline_GetsEachRowOnceAndNoEnd(string? acceptEncoding)
    {
        const int budget = 4000;
        await using var backends = await Backends.WatchAsync(fixture.Dsn);
        await using var gateway = await StartAsync(backends);
        using var caller = new StreamCaller(gateway.Address);

        var clock = Stopwatch.StartNew();
        using var answer = await caller.SendAsync(
            new { activityId = "a", sql = Endless, timeoutMs = budget }, StreamForms.Ndjson, acceptEncoding);
        await HeldUpAsync(backends, 1);
        await Task.Delay(TimeSpan.FromMilliseconds(budget + 100) - clock.Elapsed);
        var (text, whole) = await ReadAsync(answer, acceptEncoding);

        if (!whole)
            text = text[..(text.LastIndexOf('\n') + 1)] + "{\"error\":\"cut\"}\n";
        var stream = NdjsonText.Parse(text);
        Assert.Equal(Enumerable.Range(1, stream.Rows.Count), stream.Rows.Select(row => row.GetProperty("g").GetInt32()));
        Assert.True(stream.Last.TryGetProperty("error", out _));
    }

    [Theory]
    [InlineData(StreamForms.Ndjson, true)]
    [InlineData(StreamForms.Ndjson, false)]
    [InlineData(StreamForms.Csv, true)]
    public async Task ReaderThatVanishesWhileItIsHeldUp_TakesItsQueryAlong(string accept, bool resets)
    {
        await using var backends = await Backends.WatchAsync(fixture.Dsn);
        await using var gateway = await StartAsync(backends);
        using var caller = new StreamCaller(gateway.Address);
        using var answer = await caller.SendAsync(new { activityId = "a", sql = Endless, timeoutMs = 60_000 }, accept);
        await HeldUpAsync(backends, 1);

        if (resets)
            caller.Vanish();
        else
            caller.Dispose();

        Assert.Equal("nothing", (await backends.UntilFreeAsync(Stopwatch.StartNew())).StillBusy);
        Assert.Equal(1, (await gateway.Client.QueryValueAsync("SELECT 1")).GetInt32());
    }

    [Fact]
    public async Task ReaderThatPausesWithinItsBudget_GetsEverything()
    {
        const int rows = 300_000;
        await using var backends = await Backends.WatchAsync(fixture.Dsn);
        await using var gateway = await StartAsync(backends);
        using var caller = new StreamCaller(gateway.Address);
        var sql = $"SELECT g, md5(g::text) || md5((g + 1)::text) AS x FROM generate_series(1, {rows}) g";

        using var answer = await caller.SendAsync(new { activityId = "a", sql, timeoutMs = 60_000 }, StreamForms.Ndjson);
        await HeldUpAsync(backends, 1);
        // Longer than Kestrel's own grace period of five seconds.
        await Task.Delay(TimeSpan.FromSeconds(9));
        var (text, whole) = await ReadAsync(answer, null);

        Assert.True(whole, $"It was cut off after {text.Length} characters.");
        Assert.Equal(rows, NdjsonText.Parse(text).RowCount);
    }

    private static async Task<(string Text, bool Whole)> ReadAsync(HttpResponseMessage answer, string? encoding)
    {
        await using var body = await answer.Content.ReadAsStreamAsync();
        await using var plain = encoding switch
        {
            "gzip" => new GZipStream(body, CompressionMode.Decompress),
            "br" => new BrotliStream(body, CompressionMode.Decompress),
            _ => body,
        };
        using var held = new MemoryStream();
        var whole = true;
        try
        {
            await plain.CopyToAsync(held);
        }
        catch (Exception error) when (error is IOException or InvalidDataException or HttpRequestException or InvalidOperationException)
        {
            whole = false;
        }
        return (Encoding.UTF8.GetString(held.GetBuffer(), 0, (int)held.Length), whole);
    }

    /// <summary>
    /// Asserts for a while that the backend is blocked: every buffer on the way has some room, and fills slowly.
    /// </summary>
    private static Task<long> HeldUpAsync(Backends backends, int count)
    {
        var looks = 0;
        return Poll.ReadAsync(
            () => CountHeldUpAsync(backends),
            heldUp =>
            {
                looks = heldUp == count ? looks + 1 : 0;
                return looks == 30;
            },
            what: $"{count} backends are held up");
    }

    private static Task<long> CountHeldUpAsync(Backends backends) => backends.ReadAsync<long>(
        $"SELECT count(*) FROM pg_stat_activity WHERE starts_with(application_name, '{backends.Application}') AND wait_event = 'ClientWrite'");

    private Task<RunningGateway> StartAsync(Backends backends, params string[] settings) => RunningGateway.StartAsync(
        [$"--DSN={backends.Named(fixture.Dsn)}", "--Gateway:Connections:default:PoolSize=1", .. settings]);
}
