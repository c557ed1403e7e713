using System.Net;
using Gateway.Api.PostgresTests.Faults;

namespace Gateway.Api.PostgresTests.Streams;

/// <summary>
/// Tests a caller that reads a stream at its own pace: unread data waits on the server, and not in the gateway.
/// <see cref="BackPressureTimingTests"/> has the tests that need the machine for themselves.
/// </summary>
public sealed class BackPressureTests(GatewayFixture fixture)
{
    private const int MegaByte = 1 << 20;

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

    [Fact]
    public async Task ReaderThatPausesWithinItsBudget_GetsEverything()
    {
        const int rows = 300_000;
        await using var backends = await Backends.WatchAsync(fixture.Dsn);
        await using var gateway = await SlowReader.StartAsync(fixture, backends);
        using var caller = new StreamCaller(gateway.Address);
        var sql = $"SELECT g, md5(g::text) || md5((g + 1)::text) AS x FROM generate_series(1, {rows}) g";

        using var answer = await caller.SendAsync(new { activityId = "a", sql, timeoutMs = 60_000 }, StreamForms.Ndjson);
        await SlowReader.HeldUpAsync(backends, 1);
        // Longer than Kestrel's own grace period of five seconds.
        await Task.Delay(TimeSpan.FromSeconds(9));
        var (text, whole) = await SlowReader.ReadAsync(answer, null);

        Assert.True(whole, $"It was cut off after {text.Length} characters.");
        Assert.Equal(rows, NdjsonText.Parse(text).RowCount);
    }
}
