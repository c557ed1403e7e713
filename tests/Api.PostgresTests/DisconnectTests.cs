using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using System.Text.RegularExpressions;

namespace Gateway.Api.PostgresTests;

/// <summary>
/// Tests that a caller's disconnect before COMMIT ends its statement, and so does the kill of a gateway.
/// </summary>
[Collection(TimingCollection.Name)]
public sealed partial class DisconnectTests(GatewayFixture fixture) : IAsyncLifetime
{
    private const int PoolSize = 4;

    /// <summary>
    /// Half the interval at which PostgreSQL itself looks whether its client is gone: it can't have done it. On a busy
    /// machine most take some 30 ms.
    /// </summary>
    private static readonly TimeSpan MostTime = TimeSpan.FromMilliseconds(500);

    private static readonly Departure[] Departures = Enum.GetValues<Departure>();
    private static readonly ParallelOptions AFewAtATime = new() { MaxDegreeOfParallelism = PoolSize };

    private RunningGateway _http1 = null!;
    private RunningGateway _http2 = null!;
    private ActivityWatch _watch = null!;

    public async ValueTask InitializeAsync()
    {
        var pool = $"--Gateway:Connections:default:PoolSize={PoolSize}";
        _http1 = await fixture.StartGatewayAsync(pool);
        _http2 = await fixture.StartGatewayAsync(
            pool, "--Kestrel:Endpoints:H2:Url=http://127.0.0.1:0", "--Kestrel:Endpoints:H2:Protocols=Http2");
        _http2.Client.Http.DefaultRequestVersion = HttpVersion.Version20;
        _http2.Client.Http.DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact;
        _watch = await ActivityWatch.StartAsync(fixture.Dsn);
    }

    public async ValueTask DisposeAsync()
    {
        await _watch.DisposeAsync();
        await _http1.DisposeAsync();
        await _http2.DisposeAsync();
    }

    [Fact]
    public async Task CallerLeavesWhileItsStatementRuns_ItIsCancelledAndRolledBack()
    {
        await fixture.ExecuteAsync("CREATE TABLE left_behind (marker text)");
        await fixture.Client.ExecuteAsync(WriteAndSleep("left_behind", "stayed", seconds: 0));
        Assert.Equal(1, await fixture.ReadAsync<long>("SELECT count(*) FROM left_behind"));
        var seed = Random.Shared.Next();
        var random = new Random(seed);
        var leaves = Shuffled(200, random).Select(departure => (departure, Pause: random.Next(20))).ToArray();

        var ended = new ConcurrentBag<(Departure Departure, TimeSpan? After)>();
        await Parallel.ForEachAsync(leaves, AFewAtATime, async (leave, _) =>
        {
            var (marker, sql) = _watch.Mark(WriteAndSleep("left_behind", "left", seconds: 30));
            await using var caller = await SendAsync(leave.departure, sql);
            // It sleeps, so it has written.
            await _watch.RunningAsync(marker, "PgSleep");
            await Task.Delay(leave.Pause, CancellationToken.None);
            var left = caller.Leave();
            ended.Add((leave.departure, await _watch.EndedAsync(marker, left, TimeSpan.FromSeconds(5))));
        });

        var report = $"Seed {seed}. {Report(ended)}";
        TestContext.Current.TestOutputHelper?.WriteLine(report);
        Assert.True(ended.All(end => end.After is not null), report);
        Assert.True(Percentile(ended.Select(end => end.After!.Value), 95) <= MostTime, report);
        Assert.Equal(0, await fixture.ReadAsync<long>("SELECT count(*) FROM left_behind WHERE marker = 'left'"));
        await AssertPoolIsWholeAsync(_http1);
        await AssertPoolIsWholeAsync(_http2);
    }

    [Fact]
    public async Task CallerLeavesAtAnyMoment_NothingRunsOnASecondLater()
    {
        await fixture.ExecuteAsync("CREATE TABLE left_early (marker text)");
        await AssertPoolIsWholeAsync(_http1);
        await AssertPoolIsWholeAsync(_http2);
        var seed = Random.Shared.Next();
        var random = new Random(seed);
        var leaves = Shuffled(100, random).Select(departure => (departure, Pause: random.NextDouble() * 20)).ToArray();

        var left = new ConcurrentBag<(string Marker, Departure Departure, double Pause, long Moment)>();
        await Parallel.ForEachAsync(leaves, AFewAtATime, async (leave, _) =>
        {
            var (marker, sql) = _watch.Mark(WriteAndSleep("left_early", "left", seconds: 30));
            await using var caller = await SendAsync(leave.departure, sql);
            await PauseAsync(TimeSpan.FromMilliseconds(leave.Pause));
            left.Add((marker, leave.departure, leave.Pause, caller.Leave()));
            await _watch.EndedAsync(marker, Stopwatch.GetTimestamp(), TimeSpan.FromSeconds(2));
        });
        // A statement may begin after its caller has disconnected, so the watch continues for a while.
        await Task.Delay(TimeSpan.FromSeconds(1.5), CancellationToken.None);

        var survivors = left.Where(one =>
            _watch.LastSeen(one.Marker) is { } seen && Stopwatch.GetElapsedTime(one.Moment, seen) > TimeSpan.FromSeconds(1));
        Assert.True(
            !survivors.Any(),
            $"Seed {seed}: outlived their callers: {string.Join("; ", survivors.Select(one => $"{one.Departure} {one.Pause:0.0} ms after sending"))}");
        // Some statements must have been running when their caller disconnected; otherwise nothing was tested.
        Assert.Contains(left, one => _watch.LastSeen(one.Marker) is not null);
        Assert.Equal(0, await fixture.ReadAsync<long>("SELECT count(*) FROM left_early"));
        await AssertPoolIsWholeAsync(_http1);
        await AssertPoolIsWholeAsync(_http2);
    }

    [Theory]
    [InlineData(Departure.Http1Fin)]
    [InlineData(Departure.Http1Reset)]
    [InlineData(Departure.Http2Fin)]
    [InlineData(Departure.Http2Reset)]
    [InlineData(Departure.Http2StreamReset)]
    public async Task CallerLeaves_WhateverItsStatementDoesEndsWithinASecond(Departure departure)
    {
        await using var turnstile = await Turnstile.CloseAsync(fixture.Dsn);
        var survivors = new List<string>();
        foreach (var (what, statement) in LongStatements(turnstile))
        {
            var (marker, sql) = _watch.Mark(statement);
            await using var caller = await SendAsync(departure, sql);
            await _watch.RunningAsync(marker);
            var after = await _watch.EndedAsync(marker, caller.Leave(), TimeSpan.FromSeconds(3));
            if (after is null || after > TimeSpan.FromSeconds(1))
                survivors.Add($"{what}: {(after is null ? "goes on" : $"ended after {after.Value.TotalMilliseconds:0} ms")}");
        }

        Assert.Empty(survivors);
    }

    [Fact]
    public async Task CallerLeavesWhileItsRequestIsRead_IsNoFaultOfTheGateways()
    {
        await using var gateway = await GatewayProcess.StartAsync(
            new Dictionary<string, string> { ["DSN"] = fixture.Dsn },
            "--Kestrel:Endpoints:Http1:Url=http://127.0.0.1:0", "--Kestrel:Endpoints:Http1:Protocols=Http1",
            "--Kestrel:Endpoints:Http2:Url=http://127.0.0.1:0", "--Kestrel:Endpoints:Http2:Protocols=Http2",
            "--Serilog:MinimumLevel:Default=Debug");
        var addresses = Listening().Match(gateway.Output).Groups[1].Captures.Select(address => new Uri(address.Value)).ToArray();

        for (var round = 0; round < 3; round++)
        {
            foreach (var departure in Departures)
            {
                await using var caller = await LeavingCaller.ConnectAsync(
                    addresses[departure is Departure.Http1Fin or Departure.Http1Reset ? 0 : 1], departure);
                await caller.SendUnfinishedAsync("query");
                caller.Leave();
            }
        }

        // Each request is logged when it is over.
        await Poll.UntilAsync(() => OverLine().Count(gateway.Output) >= 3 * Departures.Length);
        Assert.Equal([], gateway.Output.Split('\n')
            .Where(line => line.Contains("\"@l\":\"Error\"", StringComparison.Ordinal))
            .Select(line => line[..Math.Min(line.Length, 500)]));
    }

    [Fact]
    public async Task GatewayKilled_ItsStatementsEndWithinTwoSeconds()
    {
        await using var gateway = await GatewayProcess.StartAsync(
            new Dictionary<string, string> { ["DSN"] = fixture.Dsn }, "--urls=http://127.0.0.1:0");
        using var client = new GatewayClient(new Uri(Listening().Match(gateway.Output).Groups[1].Value));
        await using var turnstile = await Turnstile.CloseAsync(fixture.Dsn);
        var running = new List<(string What, string Marker, Task<Answer> Answer)>();
        foreach (var (what, statement) in LongStatements(turnstile))
        {
            var (marker, sql) = _watch.Mark(statement);
            running.Add((what, marker, client.PostAsync("execute", Request(sql))));
            await _watch.RunningAsync(marker);
        }

        var killed = Stopwatch.GetTimestamp();
        await gateway.KillAsync();

        var ends = await Task.WhenAll(running.Select(
            async one => (one.What, After: await _watch.EndedAsync(one.Marker, killed, TimeSpan.FromSeconds(2)))));
        foreach (var (_, _, answer) in running)
            await Assert.ThrowsAnyAsync<HttpRequestException>(() => answer);
        Assert.Equal([], ends.Where(end => end.After is null).Select(end => end.What));
    }

    /// <summary>Returns statements that run for a long time, each in its own way.</summary>
    private static (string What, string Sql)[] LongStatements(Turnstile turnstile) =>
    [
        ("sleep", "SELECT pg_sleep(60)"),
        ("computation", "SELECT count(*) FROM (SELECT generate_series(1, 10000000000)) endless"),
        ("wait for a lock", $"SELECT 1 FROM {turnstile.Pass}"),
        ("rows that dribble", "SELECT g, pg_sleep(0.1) FROM generate_series(1, 600) g"),
        ("computation in PL/pgSQL", "DO $$ BEGIN WHILE clock_timestamp() < now() + interval '60 s' LOOP END LOOP; END $$"),
        ("block that catches its cancellation", """
            DO $$ BEGIN
                WHILE clock_timestamp() < now() + interval '60 s' LOOP
                    BEGIN PERFORM pg_sleep(60); EXCEPTION WHEN query_canceled THEN NULL; END;
                END LOOP;
            END $$
            """),
    ];

    private static string WriteAndSleep(string table, string marker, int seconds) =>
        $"WITH written AS (INSERT INTO {table} VALUES ('{marker}') RETURNING 1) SELECT pg_sleep({seconds}) FROM written";

    private static object Request(string sql) =>
        new { activityId = "leaving", sql, delivery = "at-least-once", timeoutMs = 60_000 };

    private async Task<LeavingCaller> SendAsync(Departure departure, string sql)
    {
        var gateway = departure is Departure.Http1Fin or Departure.Http1Reset ? _http1 : _http2;
        var caller = await LeavingCaller.ConnectAsync(gateway.Address, departure);
        await caller.SendAsync("execute", Request(sql));
        return caller;
    }

    /// <summary>Asserts that as many requests can run at the same time as there are sessions.</summary>
    private async Task AssertPoolIsWholeAsync(RunningGateway gateway)
    {
        await using var turnstile = await Turnstile.CloseAsync(fixture.Dsn);
        var requests = Enumerable.Range(0, PoolSize)
            .Select(_ => gateway.Client.Http.PostAsync("/v1/execute", JsonContent.Create(Request($"SELECT 1 FROM {turnstile.Pass}"))))
            .ToArray();
        await turnstile.HoldsAsync(PoolSize);
        await turnstile.OpenAsync();
        foreach (var response in await Task.WhenAll(requests))
        {
            using (response)
                Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        }
    }

    /// <summary>Returns each way of leaving equally often, in random order.</summary>
    private static Departure[] Shuffled(int count, Random random)
    {
        var departures = Enumerable.Range(0, count).Select(index => Departures[index % Departures.Length]).ToArray();
        random.Shuffle(departures);
        return departures;
    }

    /// <summary>
    /// Waits with a finer resolution than a timer: a millisecond is long, compared with the start of a statement.
    /// </summary>
    private static async Task PauseAsync(TimeSpan pause)
    {
        var begun = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(begun) < pause)
            await Task.Yield();
    }

    private static TimeSpan Percentile(IEnumerable<TimeSpan> samples, int percent)
    {
        var sorted = samples.Order().ToArray();
        return sorted[(sorted.Length * percent + 99) / 100 - 1];
    }

    private static string Report(IEnumerable<(Departure Departure, TimeSpan? After)> ended) => string.Join("; ", ended
        .GroupBy(end => end.Departure)
        .OrderBy(group => group.Key)
        .Select(group =>
        {
            var times = group.Select(end => end.After ?? TimeSpan.MaxValue).ToArray();
            return $"{group.Key}: {times.Length}, lost {group.Count(end => end.After is null)}, "
                + $"median {Percentile(times, 50).TotalMilliseconds:0} ms, p95 {Percentile(times, 95).TotalMilliseconds:0} ms, "
                + $"longest {times.Max().TotalMilliseconds:0} ms";
        }));

    [GeneratedRegex(@"listens on (?:(http://[^\s,]+)(?:, )?)+")]
    private static partial Regex Listening();

    [GeneratedRegex(@"""Route"":""/v1/query""")]
    private static partial Regex OverLine();
}
