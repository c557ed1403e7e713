using System.Net;
using System.Text;
using System.Text.Json;
using Gateway.Api.Callers;
using Gateway.Api.PostgresTests.Faults;
using Gateway.Api.PostgresTests.Streams;

namespace Gateway.Api.PostgresTests.Callers;

/// <summary>
/// Tests that a caller can send as much as its limits allow, and that further requests cost others nothing.
/// </summary>
public sealed class LimitTests(GatewayFixture server)
{
    private const int Burst = 3;

    private readonly string _key = ApiKey.New();
    private readonly string _otherKey = ApiKey.New();
    private readonly string _neighbour = ApiKey.New();

    [Fact]
    public async Task RequestsPastTheRate_AreRefusedWhicheverKeyTheyShow()
    {
        await using var gateway = await StartAsync(server.Dsn, "RequestsPerSecond=0.05", $"Burst={Burst}");
        using var one = new GatewayClient(gateway.Address, _key);
        using var other = new GatewayClient(gateway.Address, _otherKey);
        using var neighbour = new GatewayClient(gateway.Address, _neighbour);

        for (var n = 0; n < Burst; n++)
            (await PostAsync(n % 2 == 0 ? one : other)).Expect(HttpStatusCode.OK);

        foreach (var client in new[] { one, other })
        {
            var problem = (await PostAsync(client)).ExpectProblem(429, "rate_limited");
            Assert.Equal("no", problem.GetProperty("committed").GetString());
            Assert.Contains("Gateway__Callers__limited__RequestsPerSecond", problem.GetProperty("detail").GetString());
        }
        // One token per 20 seconds.
        Assert.InRange(int.Parse((await PostAsync(one)).Headers["Retry-After"]), 15, 20);
        (await PostAsync(neighbour)).Expect(HttpStatusCode.OK);
    }

    [Fact]
    public async Task RequestAfterTheTimeThatItWasTold_IsLetIn()
    {
        await using var gateway = await StartAsync(server.Dsn, "RequestsPerSecond=1", "Burst=1");
        using var client = new GatewayClient(gateway.Address, _key);

        (await PostAsync(client)).Expect(HttpStatusCode.OK);
        var refused = await Answer.UntilAsync(() => PostAsync(client), answer => answer.Status != HttpStatusCode.OK);
        refused.ExpectProblem(429, "rate_limited");
        await Task.Delay(TimeSpan.FromSeconds(int.Parse(refused.Headers["Retry-After"])));

        (await PostAsync(client)).Expect(HttpStatusCode.OK);
    }

    [Fact]
    public async Task RefusedRequest_AsksNothingAndItsBodyIsNotRead()
    {
        await using var proxy = FaultProxy.Start(server.Dsn);
        await using var gateway = await StartAsync(
            proxy.Dsn, ["RequestsPerSecond=0.02", "Burst=1"], "--Gateway:ReadinessIntervalMs=60000", "--Gateway:PurgeIntervalMs=86400000");
        using var client = new GatewayClient(gateway.Address, _key);
        (await PostAsync(client)).Expect(HttpStatusCode.OK);
        var before = proxy.RoundTrips;

        (await client.PostAsync("execute", "{")).ExpectProblem(429, "rate_limited");
        (await client.FindActivityAsync("limits/any")).ExpectProblem(429, "rate_limited");
        (await client.CancelActivityAsync("limits/any")).ExpectProblem(429, "rate_limited");
        var line = await CallerRequest.SendHeadAsync(
            gateway.Address, $"Authorization: Bearer {_key}\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n");

        Assert.StartsWith("HTTP/1.1 429 ", line);
        Assert.Equal(before, proxy.RoundTrips);
    }

    [Fact]
    public async Task SqlOverHttp_IsRefusedInItsOwnForm()
    {
        await using var gateway = await StartAsync(server.Dsn, "RequestsPerSecond=0.02", "Burst=1");
        using var client = new GatewayClient(gateway.Address);

        Assert.Equal(HttpStatusCode.OK, (await SqlAsync(client)).Status);
        var refused = await SqlAsync(client);

        Assert.Equal(429, (int)refused.Status);
        Assert.Equal("rate_limited", refused.Json.GetProperty("code").GetString());
        Assert.Equal("true", refused.Headers["X-Should-Retry"]);
        Assert.InRange(int.Parse(refused.Headers["Retry-After"]), 1, 60);
    }

    [Fact]
    public async Task RequestsPastThoseAtOnce_AreRefusedUntilOneEnds()
    {
        await using var gateway = await StartAsync(server.Dsn, "Concurrency=2");
        using var client = new GatewayClient(gateway.Address, _key);
        using var other = new GatewayClient(gateway.Address, _otherKey);
        using var neighbour = new GatewayClient(gateway.Address, _neighbour);
        await using var turnstile = await Turnstile.CloseAsync(server.Dsn);
        var id = $"limits/{Guid.NewGuid():N}";
        var sql = $"SELECT 1 AS n FROM {turnstile.Pass}";

        var running = new[]
        {
            client.PostAsync("execute", new { activityId = id, sql }), other.PostAsync("query", new { activityId = "limits/held", sql }),
        };
        await turnstile.HoldsAsync(2);

        var refused = await PostAsync(other);
        refused.ExpectProblem(429, "rate_limited");
        Assert.Equal("1", refused.Headers["Retry-After"]);
        Assert.Contains("__Concurrency", refused.Text);
        (await PostAsync(neighbour)).Expect(HttpStatusCode.OK);
        // A caller without a free place can cancel the request that holds it.
        Assert.Equal("running", (await client.FindActivityAsync(id)).Expect(HttpStatusCode.OK).GetProperty("status").GetString());
        Assert.Equal("cancelled", (await client.CancelActivityAsync(id)).Expect(HttpStatusCode.OK).GetProperty("status").GetString());
        (await running[0]).ExpectProblem(422, "cancelled");
        (await Freed(client)).Expect(HttpStatusCode.OK);

        await turnstile.OpenAsync();
        (await running[1]).Expect(HttpStatusCode.OK);
    }

    [Theory]
    [InlineData("query", """{"activityId": "limits/a", "sql": "SELEKT"}""", 422)]
    [InlineData("query", """{"activityId": "limits/a", "sql": "SELECT 1 / 0"}""", 422)]
    [InlineData("query", """{"activityId": "limits/a", "sql": "SELECT 1", "connection": "nowhere"}""", 403)]
    [InlineData("query", "{", 400)]
    [InlineData("query", """{"activityId": "limits/a", "sql": "SELECT pg_sleep(5)", "timeoutMs": 50}""", 504)]
    public async Task RequestThatFails_GivesItsPlaceUp(string endpoint, string body, int status)
    {
        await using var gateway = await StartAsync(server.Dsn, "Concurrency=1");
        using var client = new GatewayClient(gateway.Address, _key);

        for (var n = 0; n < 3; n++)
        {
            var answer = await Answer.UntilAsync(() => client.PostAsync(endpoint, body), answer => (int)answer.Status != 429);
            Assert.True((int)answer.Status == status, answer.Text);
        }

        (await Freed(client)).Expect(HttpStatusCode.OK);
    }

    [Fact]
    public async Task CallerThatLeaves_GivesItsPlaceUp()
    {
        await using var gateway = await StartAsync(server.Dsn, "Concurrency=1");
        using var client = new GatewayClient(gateway.Address, _key);
        await using var turnstile = await Turnstile.CloseAsync(server.Dsn);
        using (var leaving = new GatewayClient(gateway.Address, _key))
        {
            using var left = new CancellationTokenSource();
            var running = leaving.Http.PostAsync(
                "/v1/query", Json(new { activityId = "limits/left", sql = $"SELECT 1 AS n FROM {turnstile.Pass}" }), left.Token);
            await turnstile.HoldsAsync(1);
            (await PostAsync(client)).ExpectProblem(429, "rate_limited");
            await left.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
        }

        (await Freed(client)).Expect(HttpStatusCode.OK);
    }

    [Fact]
    public async Task StreamedAnswer_HoldsItsPlaceUntilItEnds()
    {
        await using var gateway = await StartAsync(server.Dsn, "Concurrency=1");
        using var client = new GatewayClient(gateway.Address, _key);
        using var reader = new StreamCaller(gateway.Address, key: _key);

        using (var answer = await reader.SendAsync(
            new { activityId = "limits/stream", sql = "SELECT repeat('x', 1000) FROM generate_series(1, 100000000)", timeoutMs = 60_000 }))
        {
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            (await PostAsync(client)).ExpectProblem(429, "rate_limited");
            reader.Vanish();
        }

        (await Freed(client)).Expect(HttpStatusCode.OK);
    }

    [Fact]
    public async Task NoCallerConfigured_IsNotLimited()
    {
        for (var n = 0; n < 50; n++)
            (await server.Client.PostAsync("query", new { activityId = "limits/loopback", sql = "SELECT 1" })).Expect(HttpStatusCode.OK);
    }

    private static Task<Answer> PostAsync(GatewayClient client) =>
        client.PostAsync("query", new { activityId = "limits/any", sql = "SELECT 1" });

    /// <summary>Repeats a request until the place is free, shortly after the answer was sent.</summary>
    private static Task<Answer> Freed(GatewayClient client) =>
        Answer.UntilAsync(() => PostAsync(client), answer => (int)answer.Status != 429);

    private static StringContent Json(object body) => new(JsonSerializer.Serialize(body), Encoding.UTF8, "application/json");

    private Task<RunningGateway> StartAsync(string dsn, params string[] limits) => StartAsync(dsn, limits, []);

    private Task<RunningGateway> StartAsync(string dsn, string[] limits, params string[] settings) => RunningGateway.StartAsync(
    [
        $"--DSN={dsn}", .. settings, .. limits.Select(limit => $"--Gateway:Callers:limited:{limit}"),
        .. CallersFixture.Settings("limited", [_key, _otherKey], "default=write"),
        .. CallersFixture.Settings("neighbour", [_neighbour], "default=write"),
    ]);

    private Task<Answer> SqlAsync(GatewayClient client) => client.SendToAsync(
        "/sql", Json(new { query = "SELECT 1" }), ("Neon-Connection-String", $"postgresql://any:{_key}@host/default"));
}
