using System.Net;
using System.Text.Json;
using Gateway.Api.PostgresTests.Lifecycle;

namespace Gateway.Api.PostgresTests;

/// <summary>
/// Tests that a write with <c>"onDisconnect": "continue"</c> takes effect although its caller has disconnected, and
/// that its answer is there for the same request. <see cref="DisconnectTests"/> has the tests without it.
/// </summary>
public sealed class OnDisconnectTests(GatewayFixture fixture) : IAsyncLifetime
{
    /// <summary>A timeout that ends no request during these tests.</summary>
    private const int Long = 60_000;

    private RunningGateway _gateway = null!;
    private Uri _http2 = null!;

    public async ValueTask InitializeAsync()
    {
        var port = Ports.PickFree();
        _http2 = new Uri($"http://127.0.0.1:{port}");
        _gateway = await fixture.StartGatewayAsync(
            "--Gateway:Connections:default:PoolSize=2",
            "--Kestrel:Endpoints:H1:Url=http://127.0.0.1:0",
            $"--Kestrel:Endpoints:H2:Url={_http2}", "--Kestrel:Endpoints:H2:Protocols=Http2");
    }

    public ValueTask DisposeAsync() => _gateway.DisposeAsync();

    [Theory]
    [InlineData(Departure.Http1Fin)]
    [InlineData(Departure.Http1Reset)]
    [InlineData(Departure.Http2Fin)]
    [InlineData(Departure.Http2Reset)]
    [InlineData(Departure.Http2StreamReset)]
    public async Task CallerLeaves_ItsWriteGoesOnAndTheRetryGetsTheAnswer(Departure departure)
    {
        var table = $"outlived_{departure}".ToLowerInvariant();
        await fixture.ExecuteAsync($"CREATE TABLE {table} (n int)");
        await using var turnstile = await Turnstile.CloseAsync(fixture.Dsn);
        var sql = $"INSERT INTO {table} SELECT 1 FROM {turnstile.Pass} RETURNING n";
        await using var caller = await ConnectAsync(departure);
        await caller.SendAsync("execute", new { activityId = table, timeoutMs = Long, sql, onDisconnect = "continue" });
        await turnstile.HoldsAsync(1);
        // Shows when the gateway has seen a disconnect.
        await using var other = await ConnectAsync(departure);
        await other.SendAsync("execute", new { activityId = $"{table}/other", timeoutMs = Long, sql, onDisconnect = "cancel" });
        await turnstile.HoldsAsync(2);

        caller.Leave();
        other.Leave();
        await turnstile.HoldsAsync(1);
        // The field is not part of the request's identity.
        var retry = _gateway.Client.PostAsync("execute", new { activityId = table, timeoutMs = Long, sql });
        await Poll.UntilAsync(async () => await WaitingAsync(table) == 1);
        await turnstile.OpenAsync();

        Assert.Equal(1, (await retry).Expect(HttpStatusCode.OK).GetProperty("rows")[0].GetProperty("n").GetInt32());
        Assert.Equal("true", (await retry).Headers["Idempotent-Replayed"]);
        Assert.Equal(1, await fixture.ReadAsync<long>($"SELECT count(*) FROM {table}"));
    }

    [Fact]
    public async Task CallerLeavesBeforeItsTurn_ItsWriteRunsAllTheSame()
    {
        await fixture.ExecuteAsync("CREATE TABLE outlived_queue (n int)");
        await using var turnstile = await Turnstile.CloseAsync(fixture.Dsn);
        var blocking = Enumerable.Range(0, 2).Select(n => _gateway.Client.PostAsync(
            "query", new { activityId = $"blocking/{n}", timeoutMs = Long, sql = $"SELECT 1 AS a FROM {turnstile.Pass}" })).ToArray();
        await turnstile.HoldsAsync(2);
        var callers = new List<LeavingCaller>();
        foreach (var onDisconnect in new[] { "continue", "cancel" })
        {
            callers.Add(await ConnectAsync(Departure.Http1Reset));
            await callers[^1].SendAsync(
                "execute",
                new { activityId = $"outlived_queue/{onDisconnect}", timeoutMs = Long, sql = "INSERT INTO outlived_queue VALUES (1)", onDisconnect });
        }
        await UntilQueuedAsync(2);

        foreach (var caller in callers)
        {
            caller.Leave();
            await caller.DisposeAsync();
        }
        await UntilQueuedAsync(1);
        await turnstile.OpenAsync();

        Assert.All(await Task.WhenAll(blocking), answer => answer.Expect(HttpStatusCode.OK));
        await Poll.UntilAsync(async () => await fixture.ReadAsync<long>("SELECT count(*) FROM outlived_queue") == 1);
        (await _gateway.Client.FindActivityAsync("outlived_queue/continue")).Expect(HttpStatusCode.OK);
    }

    /// <summary>Otherwise each retry that a proxy cuts off would wait on, and count for its caller's limits.</summary>
    [Fact]
    public async Task DuplicateWhoseCallerLeaves_NoLongerWaits()
    {
        await using var turnstile = await Turnstile.CloseAsync(fixture.Dsn);
        var request = new { activityId = "outlived/duplicate", timeoutMs = Long, sql = $"SELECT 1 AS a FROM {turnstile.Pass}", onDisconnect = "continue" };
        var first = _gateway.Client.PostAsync("execute", request);
        await turnstile.HoldsAsync(1);
        await using var caller = await ConnectAsync(Departure.Http1Reset);
        await caller.SendAsync("execute", request);
        await Poll.UntilAsync(async () => await WaitingAsync("outlived/duplicate") == 1);

        caller.Leave();

        await Poll.UntilAsync(async () => await WaitingAsync("outlived/duplicate") == 0);
        await turnstile.OpenAsync();
        (await first).Expect(HttpStatusCode.OK);
    }

    [Fact]
    public async Task Timeout_HoldsWithoutTheCaller()
    {
        await fixture.ExecuteAsync("CREATE TABLE outlived_timeout (n int)");
        await using var turnstile = await Turnstile.CloseAsync(fixture.Dsn);
        await using var caller = await ConnectAsync(Departure.Http1Reset);
        var sql = $"INSERT INTO outlived_timeout SELECT 1 FROM {turnstile.Pass}";
        await caller.SendAsync("execute", new { activityId = "outlived_timeout", timeoutMs = 5000, sql, onDisconnect = "continue" });
        await turnstile.HoldsAsync(1);

        caller.Leave();

        await turnstile.HoldsAsync(0);
        (await _gateway.Client.FindActivityAsync("outlived_timeout")).ExpectProblem(404, "activity_not_found");
        Assert.Equal(0, await fixture.ReadAsync<long>("SELECT count(*) FROM outlived_timeout"));
    }

    [Theory]
    [InlineData("execute", """{"sql": "SELECT 1", "onDisconnect": "continue", "delivery": "at-least-once"}""", "can be \"continue\" only for a write")]
    [InlineData("transaction", """{"statements": [{"sql": "SELECT 1"}], "onDisconnect": "continue", "readOnly": true}""", "can be \"continue\" only for a write")]
    [InlineData("execute", """{"sql": "SELECT 1", "onDisconnect": "stay"}""", "onDisconnect must be \"cancel\" or \"continue\".")]
    [InlineData("query", """{"sql": "SELECT 1", "onDisconnect": "cancel"}""", "No field of this request has that name")]
    public async Task FieldWithoutUse_IsRefused(string endpoint, string fields, string detail)
    {
        var request = JsonSerializer.Deserialize<Dictionary<string, JsonElement>>(fields)!;
        request["activityId"] = JsonSerializer.SerializeToElement("outlived/refused");

        var problem = (await _gateway.Client.PostAsync(endpoint, request)).ExpectProblem(400, "invalid_request");

        var fault = problem.GetProperty("errors").EnumerateArray().Single();
        Assert.Equal("/onDisconnect", fault.GetProperty("pointer").GetString());
        Assert.Contains(detail, fault.GetProperty("detail").GetString(), StringComparison.Ordinal);
    }

    /// <summary>A proxy that cuts each answer off after 3 seconds, and a statement that takes 10.</summary>
    [Fact]
    public async Task ProxyThatGivesUpEarlier_GetsTheAnswerInTheEnd()
    {
        await fixture.ExecuteAsync("CREATE TABLE outlived_proxy (n int)");
        await using var proxy = await LoadBalancer.StartAsync(TimeSpan.FromSeconds(3), _gateway.Address);
        using var client = new GatewayClient(proxy.Address);
        var answers = new List<Answer>();
        await Poll.UntilAsync(
            async () =>
            {
                answers.Add(await client.PostAsync("execute", new
                {
                    activityId = "outlived_proxy",
                    timeoutMs = Long,
                    sql = "INSERT INTO outlived_proxy SELECT 1 FROM pg_sleep(10) RETURNING n",
                    onDisconnect = "continue",
                }));
                return answers[^1].Status != HttpStatusCode.GatewayTimeout;
            },
            TimeSpan.FromSeconds(60));

        Assert.True(answers.Count > 2, $"{answers.Count} answers");
        answers[^1].Expect(HttpStatusCode.OK);
        Assert.Equal("true", answers[^1].Headers["Idempotent-Replayed"]);
        Assert.Equal(1, await fixture.ReadAsync<long>("SELECT count(*) FROM outlived_proxy"));
    }

    private Task<LeavingCaller> ConnectAsync(Departure departure) => LeavingCaller.ConnectAsync(
        departure is Departure.Http1Fin or Departure.Http1Reset ? _gateway.Address : _http2, departure);

    private async Task<int> WaitingAsync(string activityId) =>
        (await _gateway.Client.FindActivityAsync(activityId)).Expect(HttpStatusCode.OK).GetProperty("waiting").GetInt32();

    private Task UntilQueuedAsync(int requests) => Poll.UntilAsync(async () =>
        (await _gateway.Client.GetAsync("/metrics")).Text
            .Contains($"db_client_connection_pending_requests{{db_client_connection_pool_name=\"default\"}} {requests}", StringComparison.Ordinal));
}
