using System.Net;
using System.Net.Http.Json;
using Gateway.Api.Callers;
using Gateway.Api.PostgresTests.Callers;
using Gateway.Api.PostgresTests.Faults;

namespace Gateway.Api.PostgresTests.Metrics;

/// <summary>
/// Provides a gateway whose metrics are tested, and triggers each event. Its connections are <c>default</c>;
/// <c>doubt</c>, which loses answers to COMMIT; <c>small</c>, with one session and one place in its queue; and
/// <c>durable</c>, whose writes no synchronous standby confirms. Its callers are <c>orders</c> and <c>reader</c>.
/// </summary>
public sealed class MeasuredGateway(GatewayFixture server) : IAsyncLifetime
{
    private readonly string _orders = ApiKey.New();
    private readonly string _reader = ApiKey.New();
    private string _dsn = "";
    private LoginRole? _durable;
    private FaultProxy? _proxy;
    private RunningGateway? _gateway;
    private GatewayClient? _client;
    private int _activities;

    /// <summary>Gets the DSN of its database.</summary>
    public string Dsn => _dsn;

    public Uri Address => _gateway!.Address;

    /// <summary>Gets the client of a caller that may write on each connection.</summary>
    public GatewayClient Client => _client!;

    public async ValueTask InitializeAsync()
    {
        _dsn = await server.CreateDatabaseAsync();
        _proxy = FaultProxy.Start(_dsn);
        _durable = await LoginRole.CreateAsync(_dsn, "");
        await GatewayFixture.ExecuteAsync(
            _dsn, $"GRANT {_durable.Name}, pg_read_all_stats TO {_durable.ControlName}");
        _gateway = await RunningGateway.StartAsync(
        [
            $"--DSN={_dsn}", $"--Gateway:Connections:doubt:Dsn={_proxy.Dsn}", $"--Gateway:Connections:small:Dsn={_dsn}",
            $"--Gateway:Connections:durable:Dsn={_durable.Dsn}",
            $"--Gateway:Connections:durable:ControlDsn={_durable.ControlDsn}",
            "--Gateway:Connections:durable:Durability=synchronous", "--Gateway:Connections:small:PoolSize=1",
            "--Gateway:Connections:small:QueueLimit=1", "--Gateway:PurgeIntervalMs=100",
            "--Gateway:ReadinessIntervalMs=500", "--Gateway:ReadinessFailures=2",
            .. CallersFixture.Settings("orders", [_orders], "default=write", "doubt=write", "small=write"),
            .. CallersFixture.Settings("reader", [_reader], "default=read"),
        ]);
        _client = new GatewayClient(Address, _orders);
    }

    public async ValueTask DisposeAsync()
    {
        _client?.Dispose();
        if (_gateway is not null)
            await _gateway.DisposeAsync();
        if (_durable is not null)
            await _durable.DisposeAsync();
        if (_proxy is not null)
            await _proxy.DisposeAsync();
    }

    /// <summary>Returns a new activity ID.</summary>
    public string NewId() => $"measured/{Interlocked.Increment(ref _activities)}";

    internal async Task<MetricsText> ReadAsync()
    {
        var answer = await Client.GetAsync("/metrics");
        Assert.Equal(HttpStatusCode.OK, answer.Status);
        return new MetricsText(answer.Text);
    }

    /// <summary>
    /// Does something, and waits until a sum has grown by the given amount: a request is measured after it was
    /// answered.
    /// </summary>
    internal async Task GrowsAsync(double by, string name, string[] labels, Func<Task> act)
    {
        var before = (await ReadAsync()).Sum(name, labels);
        await act();
        var (grown, _) = await Poll.TryReadAsync(
            async () => (await ReadAsync()).Sum(name, labels) - before, grown => grown >= by);
        Assert.Equal(by, grown, 9);
    }

    /// <summary>Waits until a sum has the given value.</summary>
    internal Task IsAsync(double value, string name, params string[] labels) => Poll.ReadAsync(
        async () => (await ReadAsync()).Sum(name, labels), sum => sum == value, what: $"{name} is {value}");

    /// <summary>Cuts the connection to the server of <c>doubt</c>, or restores it.</summary>
    public void CutOff(bool isCut) => _proxy!.Set(isCut ? new Reset() : Fault.None);

    public async Task QueryAsync() => await Client.QueryAsync("SELECT n FROM generate_series(1, 3) AS n");

    public async Task StreamAsync()
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/query")
        {
            Content = JsonContent.Create(new { activityId = NewId(), sql = "SELECT n FROM generate_series(1, 1000) AS n" }),
        };
        request.Headers.Accept.ParseAdd("application/x-ndjson");
        using var response = await Client.Http.SendAsync(request);
        response.EnsureSuccessStatusCode();
    }

    public async Task ReplayAsync()
    {
        var request = new { activityId = NewId(), sql = "SELECT 1 AS a" };
        (await Client.PostAsync("execute", request)).Expect(HttpStatusCode.OK);
        Assert.Equal("true", (await Client.PostAsync("execute", request)).Headers["Idempotent-Replayed"]);
    }

    public async Task MismatchAsync()
    {
        var activityId = NewId();
        (await Client.PostAsync("execute", new { activityId, sql = "SELECT 1 AS a" })).Expect(HttpStatusCode.OK);
        (await Client.PostAsync("execute", new { activityId, sql = "SELECT 2 AS a" })).ExpectProblem(422, "activity_mismatch");
    }

    public async Task InFlightAsync()
    {
        await using var turnstile = await Turnstile.CloseAsync(_dsn);
        var (activityId, sql) = (NewId(), $"SELECT 1 AS a FROM {turnstile.Pass}");
        var first = Client.PostAsync("execute", new { activityId, timeoutMs = 60_000, sql });
        await turnstile.HoldsAsync(1);
        (await Client.PostAsync("execute", new { activityId, timeoutMs = 1000, sql })).ExpectProblem(409, "activity_in_flight");
        await turnstile.OpenAsync();
        (await first).Expect(HttpStatusCode.OK);
    }

    public async Task CancelAsync()
    {
        await using var turnstile = await Turnstile.CloseAsync(_dsn);
        var activityId = NewId();
        var running = Client.PostAsync("execute", new { activityId, sql = $"SELECT 1 AS a FROM {turnstile.Pass}", timeoutMs = 60_000 });
        await turnstile.HoldsAsync(1);
        (await Client.CancelActivityAsync(activityId)).Expect(HttpStatusCode.OK);
        (await running).ExpectProblem(422, "cancelled");
    }

    public async Task SpendBudgetAsync() =>
        (await Client.PostAsync("query", new { activityId = NewId(), sql = "SELECT pg_sleep(30)", timeoutMs = 100 }))
        .ExpectProblem(504, "deadline_exceeded");

    /// <summary>
    /// Sends four requests: one runs, one waits until its timeout, one waits and then runs, and one is refused.
    /// </summary>
    public async Task FillQueueAsync()
    {
        await using var turnstile = await Turnstile.CloseAsync(_dsn);
        Task<Answer> SendAsync(int timeoutMs) => Client.PostAsync(
            "query", new { activityId = NewId(), connection = "small", sql = $"SELECT 1 AS a FROM {turnstile.Pass}", timeoutMs });
        var running = SendAsync(60_000);
        await turnstile.HoldsAsync(1);
        (await SendAsync(100)).ExpectProblem(504, "deadline_exceeded");
        var waiting = SendAsync(60_000);
        await IsAsync(1, "db_client_connection_pending_requests", "db_client_connection_pool_name=small");
        (await SendAsync(60_000)).ExpectProblem(503, "saturated");
        await turnstile.OpenAsync();
        (await running).Expect(HttpStatusCode.OK);
        (await waiting).Expect(HttpStatusCode.OK);
    }

    public async Task LeaveAsync()
    {
        await using var turnstile = await Turnstile.CloseAsync(_dsn);
        using var leave = new CancellationTokenSource();
        var request = new { activityId = NewId(), sql = $"SELECT 1 AS a FROM {turnstile.Pass}", timeoutMs = 60_000 };
        var sent = Client.Http.PostAsJsonAsync("/v1/query", request, leave.Token);
        await turnstile.HoldsAsync(1);
        await leave.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => sent);
        // If it were opened earlier, the statement would run before the gateway knows of it.
        await turnstile.HoldsAsync(0);
    }

    /// <summary>Loses the answer to COMMIT; a claim settles it.</summary>
    public async Task LoseAnswerAsync() => (await LoseAnswerAsync("exactly-once")).Expect(HttpStatusCode.OK);

    /// <summary>Loses the answer to COMMIT of a request without a claim.</summary>
    public async Task LoseAnswerForGoodAsync() => (await LoseAnswerAsync("at-least-once")).ExpectProblem(503, "outcome_unknown");

    public async Task FailAsync() =>
        (await Client.PostAsync("query", new { activityId = NewId(), sql = "SELECT 1 / 0" })).ExpectProblem(422, "sql_error");

    public async Task ShowNoKeyAsync()
    {
        using var stranger = new GatewayClient(Address);
        (await stranger.PostAsync("query", new { activityId = NewId(), sql = "SELECT 1" })).ExpectProblem(401, "unauthenticated");
    }

    public async Task AskTooMuchAsync()
    {
        using var reader = new GatewayClient(Address, _reader);
        (await reader.PostAsync("execute", new { activityId = NewId(), sql = "SELECT 1" })).ExpectProblem(403, "forbidden");
    }

    /// <summary>Triggers all these events.</summary>
    public async Task EverythingAsync()
    {
        Func<Task>[] things =
        [
            QueryAsync, StreamAsync, ReplayAsync, MismatchAsync, InFlightAsync, CancelAsync, SpendBudgetAsync, FillQueueAsync, LeaveAsync,
            LoseAnswerAsync, LoseAnswerForGoodAsync, FailAsync, ShowNoKeyAsync, AskTooMuchAsync,
        ];
        foreach (var thing in things)
            await thing();
    }

    private async Task<Answer> LoseAnswerAsync(string delivery)
    {
        // Then a session is idle. The next request uses it and loses its answer, and the one after it does not.
        (await Client.PostAsync("query", new { activityId = NewId(), connection = "doubt", sql = "SELECT 1" })).Expect(HttpStatusCode.OK);
        _proxy!.SetExisting(new DropCommitAnswer(Reset: true));
        var answer = await Client.PostAsync("execute", new { activityId = NewId(), connection = "doubt", sql = "SELECT 1 AS a", delivery });
        _proxy.SetExisting(Fault.None);
        return answer;
    }
}
