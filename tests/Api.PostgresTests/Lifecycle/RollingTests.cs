using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using Gateway.Api.Journal;
using Gateway.Api.PostgresTests.Faults;

namespace Gateway.Api.PostgresTests.Lifecycle;

/// <summary>
/// Tests the replacement of two gateways behind a load balancer, one after the other, while callers use them. No caller
/// sends a request twice.
/// </summary>
[Collection(TimingCollection.Name)]
public sealed class RollingTests : IAsyncLifetime
{
    /// <summary>Half of them go to each gateway.</summary>
    private const int LongRequests = 40;

    /// <summary>The load balancer needs two failed checks, 200 ms apart, which take longer on a busy machine.</summary>
    private const int DrainSeconds = 4;

    /// <summary>
    /// The draining time and the longest request: the grace period of an orchestrator, after which it would kill the
    /// gateway.
    /// </summary>
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(30);

    private readonly Uri[] _addresses =
        [.. Enumerable.Range(0, 2).Select(_ => new Uri($"http://127.0.0.1:{Ports.PickFree()}"))];
    private readonly ConcurrentQueue<string> _failures = new();
    private readonly ConcurrentQueue<string> _written = new();
    private int _answered;
    private LocalPostgresServer _server = null!;

    public async ValueTask InitializeAsync()
    {
        _server = await LocalPostgresServer.StartTemporaryAsync();
        await GatewayFixture.InstallJournalAsync(_server.Dsn, Dsns.Dsn.Parse(_server.Dsn).Username!, JournalGuard.None);
        await GatewayFixture.ExecuteAsync(_server.Dsn, "CREATE TABLE effect (activity text NOT NULL)");
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task RolledUnderLoad_LoseNoRequest()
    {
        var gateways = await Task.WhenAll(_addresses.Select(StartAsync));
        try
        {
            await using var balancer = await LoadBalancer.StartAsync(_addresses);
            using var end = new CancellationTokenSource();
            var load = StartLoad(balancer.Address, end.Token);

            for (var round = 0; round < 2; round++)
            {
                foreach (var place in Enumerable.Range(0, gateways.Length))
                {
                    gateways[place] = await ReplaceAsync(gateways[place], place, balancer);
                    await balancer.UntilUsedAsync(place);
                }
            }
            await end.CancelAsync();
            await load;
        }
        finally
        {
            foreach (var gateway in gateways)
                await gateway.DisposeAsync();
        }

        Assert.True(_failures.IsEmpty, $"{_failures.Count} of {_answered + _failures.Count} requests failed:\n{string.Join('\n', _failures.Take(20))}");
        Assert.True(_answered > 200, $"Only {_answered} requests: that is no load.");
        await using var backends = await Backends.WatchAsync(_server.Dsn);
        Assert.Equal(
            string.Join(' ', _written.Order(StringComparer.Ordinal)),
            await backends.ReadAsync<string>("SELECT coalesce(string_agg(activity, ' ' ORDER BY activity COLLATE \"C\"), '') FROM effect"));
    }

    /// <summary>Stops a gateway while both have long requests, and starts another in its place.</summary>
    private async Task<GatewayProcess> ReplaceAsync(GatewayProcess gateway, int place, LoadBalancer balancer)
    {
        using var caller = new GatewayClient(balancer.Address);
        await using var backends = await Backends.WatchAsync(_server.Dsn);
        await backends.ExecuteAsync("SELECT pg_advisory_lock(1)");
        var requests = Enumerable.Range(0, LongRequests).Select(n => SendAsync(() => caller.PostAsync(
            "query", new { activityId = $"long-{n}", sql = "SELECT pg_advisory_xact_lock_shared(1)", timeoutMs = 60_000 }))).ToArray();
        await Poll.TryReadAsync(
            () => backends.ReadAsync<long>("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"),
            waiting => waiting == LongRequests || !_failures.IsEmpty, Grace);

        var clock = Stopwatch.StartNew();
        var exit = gateway.TerminateAsync();
        // The requests last longer than the draining, and end while the gateway only waits for them.
        await Task.Delay(DrainSeconds * 1000 + 500);
        await backends.ExecuteAsync("SELECT pg_advisory_unlock(1)");

        Assert.Equal(0, await exit);
        Assert.InRange(clock.Elapsed, TimeSpan.Zero, Grace);
        await Task.WhenAll(requests);
        await gateway.DisposeAsync();
        return await StartAsync(_addresses[place]);
    }

    private Task<GatewayProcess> StartAsync(Uri address) => GatewayProcess.StartAsync(
        new Dictionary<string, string> { ["DSN"] = _server.Dsn }, "--urls", address.ToString(), $"--Gateway:DrainSeconds={DrainSeconds}",
        "--Gateway:MaxTimeoutMs=60000", "--Gateway:Connections:default:PoolSize=36");

    /// <summary>
    /// Starts callers of every kind: with kept and with new connections, for reads, writes and streams.
    /// </summary>
    private Task StartLoad(Uri address, CancellationToken end)
    {
        var callers = new List<Task>();
        for (var caller = 0; caller < 4; caller++)
        {
            var id = caller;
            callers.Add(RepeatAsync(
                (client, n) => client.PostAsync("query", new { activityId = "read", sql = "SELECT $1::int", parameters = new[] { n } }), keep: true));
            callers.Add(RepeatAsync((client, n) => WriteAsync(client, $"write-{id}-{n}"), keep: true));
        }
        callers.Add(RepeatAsync((client, n) => WriteAsync(client, $"once-{n}"), keep: false));
        callers.Add(RepeatAsync((client, _) => StreamAsync(client), keep: true));
        callers.Add(RepeatAsync((client, _) => StreamAsync(client), keep: true));
        return Task.WhenAll(callers);

        async Task RepeatAsync(Func<GatewayClient, int, Task<Answer>> ask, bool keep)
        {
            using var client = new GatewayClient(address);
            client.Http.DefaultRequestHeaders.ConnectionClose = !keep;
            for (var n = 0; !end.IsCancellationRequested; n++)
            {
                await SendAsync(() => ask(client, n));
                // Sometimes long enough for the connection to become idle.
                await Task.Delay(n % 8 == 0 ? 150 : 5, CancellationToken.None);
            }
        }
    }

    private async Task<Answer> WriteAsync(GatewayClient client, string activityId)
    {
        var answer = await client.PostAsync(
            "execute", new { activityId, sql = "INSERT INTO effect VALUES ($1)", parameters = new[] { activityId } });
        _written.Enqueue(activityId);
        return answer;
    }

    /// <summary>Reads a stream of half a second, which is complete if its last line says so.</summary>
    private static async Task<Answer> StreamAsync(GatewayClient client)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/query")
        {
            Content = System.Net.Http.Json.JsonContent.Create(
                new { activityId = "stream", sql = "SELECT n, pg_sleep(0.01), repeat('x', 2000) FROM generate_series(1, 50) n" }),
            Headers = { { "Accept", "application/x-ndjson" } },
        };
        using var response = await client.Http.SendAsync(request);
        var answer = await Answer.ReadAsync(response);
        return answer.Text.TrimEnd().Split('\n')[^1].StartsWith("{\"end\":", StringComparison.Ordinal)
            ? answer
            : answer with { Status = HttpStatusCode.BadGateway, Text = $"A stream without its end: {answer.Text[..Math.Min(300, answer.Text.Length)]}" };
    }

    private async Task SendAsync(Func<Task<Answer>> ask)
    {
        try
        {
            var answer = await ask();
            if (answer.Status == HttpStatusCode.OK)
                Interlocked.Increment(ref _answered);
            else
                _failures.Enqueue($"{(int)answer.Status} {answer.Text}");
        }
        catch (Exception error) when (error is HttpRequestException or TaskCanceledException or IOException)
        {
            _failures.Enqueue($"{error.Message} {error.InnerException?.Message}");
        }
    }
}
