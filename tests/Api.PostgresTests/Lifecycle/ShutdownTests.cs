using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Gateway.Api.PostgresTests.Faults;
using Gateway.Api.PostgresTests.Memory;

namespace Gateway.Api.PostgresTests.Lifecycle;

/// <summary>
/// Tests that a gateway that is told to stop answers the requests that it has accepted, reports that it stops, and ends
/// within its limit.
/// </summary>
public sealed class ShutdownTests(GatewayFixture fixture) : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly Uri _address = new($"http://127.0.0.1:{Ports.PickFree()}");
    private Backends _backends = null!;

    public async ValueTask InitializeAsync() => _backends = await Backends.WatchAsync(fixture.Dsn);

    public async ValueTask DisposeAsync()
    {
        // However a gateway ended, it has left no session on the server.
        Assert.Equal(0, await SessionsAsync(within: TimeSpan.FromSeconds(5)));
        await _backends.DisposeAsync();
    }

    [Fact]
    public async Task TwentyInFlight_AreAllAnswered()
    {
        await using var gateway = await StartAsync();
        using var client = new GatewayClient(_address);
        await using var turnstile = await Turnstile.CloseAsync(fixture.Dsn);
        var requests = await SendTwentyAsync(client, turnstile);

        var exit = gateway.TerminateAsync();
        await UntilSaidAsync(gateway, "\"InFlight\":20");
        await turnstile.OpenAsync();

        foreach (var answer in await Task.WhenAll(requests))
        {
            answer.Expect(HttpStatusCode.OK);
            Assert.Equal("close", answer.Headers["Connection"]);
        }
        Assert.Equal(0, await exit);
    }

    [Fact]
    public async Task Draining_ServesOnWhileReadinessSaysThatItGoes()
    {
        await using var gateway = await StartAsync("--Gateway:DrainSeconds=4");
        using var client = new GatewayClient(_address);
        await using var turnstile = await Turnstile.CloseAsync(fixture.Dsn);
        var early = await SendTwentyAsync(client, turnstile);

        var told = Stopwatch.StartNew();
        await gateway.SignalAsync("TERM");
        var ready = await UntilAsync(client, HttpStatusCode.ServiceUnavailable);
        var late = client.PostAsync("query", new { activityId = "late", sql = "SELECT 1" });
        await turnstile.OpenAsync();

        Assert.Equal("draining", ready.Json.GetProperty("status").GetString());
        Assert.Equal(("true", "1"), (ready.Headers["X-Should-Retry"], ready.Headers["Retry-After"]));
        (await late).Expect(HttpStatusCode.OK);
        Assert.Equal("close", (await late).Headers["Connection"]);
        Assert.Equal(HttpStatusCode.OK, (await client.GetAsync("/healthz/live")).Status);
        Assert.Equal(0, (await Task.WhenAll(early)).Count(answer => answer.Status != HttpStatusCode.OK || answer.Headers["Connection"] != "close"));
        Assert.Equal(0, await gateway.WaitForExitAsync());
        Assert.True(told.Elapsed >= TimeSpan.FromSeconds(4), $"It went after {told.Elapsed}.");
    }

    [Fact]
    public async Task WriteThatOutlivesItsCaller_IsCommittedBeforeTheEnd()
    {
        await fixture.ExecuteAsync("CREATE TABLE stopping_alone (n int)");
        await using var gateway = await StartAsync();
        await using var turnstile = await Turnstile.CloseAsync(fixture.Dsn);
        await using (var caller = await LeavingCaller.ConnectAsync(_address, Departure.Http1Reset))
        {
            await caller.SendAsync("execute", new
            {
                activityId = "stopping_alone",
                sql = $"INSERT INTO stopping_alone SELECT 1 FROM {turnstile.Pass}",
                onDisconnect = "continue",
            });
            await turnstile.HoldsAsync(1);
            caller.Leave();
        }

        var exit = gateway.TerminateAsync();
        await UntilSaidAsync(gateway, "\"InFlight\":1");
        await turnstile.OpenAsync();

        Assert.Equal(0, await exit);
        Assert.Equal(1, await fixture.ReadAsync<long>("SELECT count(*) FROM stopping_alone"));
    }

    [Fact]
    public async Task CallerThatNeverTakesItsAnswer_IsCutOffAtTheBound()
    {
        const int Length = 12 << 20;
        await using var gateway = await StartAsync(
            "--Gateway:MaxTimeoutMs=5000", "--Gateway:DefaultTimeoutMs=5000", "--Gateway:ResponseLimitBytes=16777216");
        using var caller = await RawCaller.ConnectAsync(_address, receiveBuffer: 4096);
        await caller.SendAsync(new { activityId = "a", sql = $"SELECT repeat('x', 1000) FROM generate_series(1, {Length / 1000})" });
        Assert.StartsWith("HTTP/1.1 200", await caller.ReadAsync(atMost: 100));

        Assert.Equal(0, await gateway.TerminateAsync());

        Assert.Contains("requests are cut off", gateway.Output);
    }

    [Fact]
    public async Task CallerThatNeverEndsItsRequest_IsAnsweredWithinTheBound()
    {
        await using var gateway = await StartAsync("--Gateway:MaxTimeoutMs=1000", "--Gateway:DefaultTimeoutMs=1000");
        using var slow = await BeginRequestAsync();

        var exit = gateway.TerminateAsync();
        // Fast enough for Kestrel's minimum rate, and so slow that it would take half an hour.
        var sending = DribbleAsync(slow);

        Assert.Equal(0, await exit);
        await sending.WaitAsync(Patience);
        Assert.Contains("deadline_exceeded", gateway.Output);
    }

    [Fact]
    public async Task InterruptedAgain_EndsAtOnceAndRollsBack()
    {
        await using var gateway = await StartAsync("--Gateway:DrainSeconds=300");
        using var client = new GatewayClient(_address);
        await using var turnstile = await Turnstile.CloseAsync(fixture.Dsn);
        var requests = await SendTwentyAsync(client, turnstile);

        await gateway.SignalAsync("INT");
        await UntilAsync(client, HttpStatusCode.ServiceUnavailable);
        await gateway.SignalAsync("INT");

        Assert.Equal(0, await gateway.WaitForExitAsync());
        foreach (var request in requests)
            await Assert.ThrowsAsync<HttpRequestException>(() => request);
    }

    [Fact]
    public async Task TerminatedAgain_LosesNoRequest()
    {
        await using var gateway = await StartAsync("--Gateway:DrainSeconds=1");
        using var client = new GatewayClient(_address);
        await using var turnstile = await Turnstile.CloseAsync(fixture.Dsn);
        var requests = await SendTwentyAsync(client, turnstile);

        await gateway.SignalAsync("TERM");
        await gateway.SignalAsync("TERM");
        await turnstile.OpenAsync();

        Assert.Equal(0, (await Task.WhenAll(requests)).Count(answer => answer.Status != HttpStatusCode.OK));
        Assert.Equal(0, await gateway.WaitForExitAsync());
    }

    [Fact]
    public async Task DatabaseThatHangs_IsNotWaitedForBeyondTheBudgets()
    {
        await using var proxy = FaultProxy.Start(_backends.Named(fixture.Dsn));
        await using (var gateway = await GatewayProcess.StartAsync(
            new Dictionary<string, string> { ["DSN"] = proxy.Dsn }, "--urls", _address.ToString(), "--Gateway:MaxTimeoutMs=3000",
            "--Gateway:DefaultTimeoutMs=3000", "--Gateway:ReadinessIntervalMs=100", "--Gateway:PurgeIntervalMs=100"))
        {
            using var client = new GatewayClient(_address);
            var request = client.PostAsync("query", new { activityId = "a", sql = "SELECT pg_sleep(1)" });
            await _backends.UntilAsync("active");
            proxy.Set(new BlackHole());

            Assert.Equal(0, await gateway.TerminateAsync());

            (await request).ExpectProblem(504, "deadline_exceeded");
        }
    }

    [Fact]
    public async Task ToldToStopWhileItConnects_EndsAtOnce()
    {
        await using var proxy = FaultProxy.Start(_backends.Named(fixture.Dsn));
        proxy.Set(new BlackHole());
        await using var gateway = GatewayProcess.Begin(new Dictionary<string, string> { ["DSN"] = proxy.Dsn }, "--urls", _address.ToString());
        await Poll.UntilAsync(() => proxy.OpenConnections > 0);

        // 128 + SIGTERM: it has served no request, so no orderly shutdown is needed.
        Assert.Equal(143, await gateway.TerminateAsync());
        Assert.DoesNotContain("listens", gateway.Output);
        Assert.Empty(gateway.Errors);
    }

    private Task<GatewayProcess> StartAsync(params string[] settings) => GatewayProcess.StartAsync(
        new Dictionary<string, string> { ["DSN"] = _backends.Named(fixture.Dsn) },
        ["--urls", _address.ToString(), "--Gateway:Connections:default:PoolSize=20", .. settings]);

    /// <summary>Sends twenty requests, and returns when each of them waits at the turnstile.</summary>
    private static async Task<Task<Answer>[]> SendTwentyAsync(GatewayClient client, Turnstile turnstile)
    {
        var requests = Enumerable.Range(0, 20)
            .Select(n => client.PostAsync("query", new { activityId = $"a{n}", sql = $"SELECT 1 FROM {turnstile.Pass}", timeoutMs = 60_000 }))
            .ToArray();
        await turnstile.HoldsAsync(requests.Length);
        return requests;
    }

    private static Task UntilSaidAsync(GatewayProcess gateway, string text) =>
        Poll.UntilAsync(
            () => gateway.Output.Contains(text, StringComparison.Ordinal), what: $"the gateway says: {text}");

    private Task<long> CountAsync() => _backends.ReadAsync<long>(
        $"SELECT count(*) FROM pg_stat_activity WHERE starts_with(application_name, '{_backends.Application}')");

    private async Task<long> SessionsAsync(TimeSpan within) =>
        (await Poll.TryReadAsync(CountAsync, count => count == 0, within)).Value;

    private static Task<Answer> UntilAsync(GatewayClient client, HttpStatusCode readiness) =>
        Poll.ReadAsync(() => client.GetAsync("/healthz/ready"), answer => answer.Status == readiness);

    /// <summary>
    /// Opens a connection with a request whose body the gateway has begun to read: it has sent 100 Continue.
    /// </summary>
    private async Task<Socket> BeginRequestAsync()
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(_address.Host, _address.Port);
        await socket.SendAsync(Encoding.ASCII.GetBytes(
            "POST /v1/query HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 4000000\r\nExpect: 100-continue\r\n\r\n"));
        var asked = new byte[64];
        using var limit = new CancellationTokenSource(Patience);
        var length = await socket.ReceiveAsync(asked, limit.Token);
        Assert.Equal("HTTP/1.1 100 Continue", Encoding.ASCII.GetString(asked, 0, length).Trim());
        return socket;
    }

    /// <summary>Sends until the other side closes the connection.</summary>
    private static async Task DribbleAsync(Socket socket)
    {
        var spaces = Encoding.ASCII.GetBytes(new string(' ', 100));
        try
        {
            while (true)
            {
                await socket.SendAsync(spaces);
                await Task.Delay(50);
            }
        }
        catch (SocketException)
        {
            // It has closed it.
        }
    }
}
