using System.Net;
using System.Net.Http.Json;
using Npgsql;

namespace Gateway.Api.PostgresTests;

/// <summary>
/// Tests the limits of a connection: the maximum number of requests run, the maximum number wait, and the next one is
/// refused at once. A hanging server does not affect other connections.
/// </summary>
[Collection(TimingCollection.Name)]
public sealed class AdmissionTests(GatewayFixture fixture)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    [Theory]
    [InlineData(2, 3)]
    [InlineData(1, 0)]
    [InlineData(3, 1)]
    public async Task MoreRequestsThanRunAndWait_AreRefusedAtOnceAndNotRun(int poolSize, int queueLimit)
    {
        await using var gateway = await StartAsync(poolSize, queueLimit);
        await using var turnstile = await Turnstile.CloseAsync(fixture.Dsn);
        var table = await CreateTableAsync();
        var running = Enumerable.Range(0, poolSize).Select(id => InsertAsync(gateway, table, turnstile, id)).ToArray();
        await turnstile.HoldsAsync(poolSize);

        const int TooMany = 5;
        var more = Enumerable.Range(poolSize, queueLimit + TooMany)
            .ToDictionary(id => InsertAsync(gateway, table, turnstile, id));

        // No request can have ended yet, so an answered request was refused, and the others wait.
        var waiting = more.Keys.ToHashSet();
        for (var refused = 0; refused < TooMany; refused++)
        {
            var first = await Task.WhenAny(waiting).WaitAsync(Patience);
            waiting.Remove(first);
            AssertSaturated(await first);
        }
        await turnstile.HoldsAsync(poolSize);
        Assert.All([.. running, .. waiting], request => Assert.False(request.IsCompleted));

        await turnstile.OpenAsync();
        foreach (var answer in await Task.WhenAll([.. running, .. waiting]))
            answer.Expect(HttpStatusCode.OK);
        Assert.Equal(
            Enumerable.Range(0, poolSize).Concat(waiting.Select(request => more[request])).Order(),
            await IdsAsync(gateway, table));
    }

    [Fact]
    public async Task WaitingCallerLeaves_ItsPlaceIsFreeAndItsStatementNotRun()
    {
        await using var gateway = await StartAsync(poolSize: 1, queueLimit: 1);
        await using var turnstile = await Turnstile.CloseAsync(fixture.Dsn);
        var table = await CreateTableAsync();
        var running = InsertAsync(gateway, table, turnstile, 1);
        await turnstile.HoldsAsync(1);
        // One of the two is refused, so the other waits.
        using var leave = new CancellationTokenSource();
        var two = new HashSet<Task<Answer>>
        {
            InsertAsync(gateway, table, turnstile, 2, cancellation: leave.Token),
            InsertAsync(gateway, table, turnstile, 2, cancellation: leave.Token),
        };
        var first = await Task.WhenAny(two).WaitAsync(Patience);
        AssertSaturated(await first);
        AssertSaturated(await InsertAsync(gateway, table, turnstile, 3, timeoutMs: 50));

        two.Remove(first);
        await leave.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => two.Single());

        // The request that gets the place uses its timeout there instead of being refused.
        await Poll.UntilAsync(async () =>
            (await InsertAsync(gateway, table, turnstile, 3, timeoutMs: 50)).Status == HttpStatusCode.GatewayTimeout);
        await turnstile.OpenAsync();
        (await running).Expect(HttpStatusCode.OK);
        Assert.Equal(new[] { 1 }, await IdsAsync(gateway, table));
    }

    [Fact]
    public async Task WaitingRequestsBudgetEnds_Returns504AndItsStatementIsNotRun()
    {
        await using var gateway = await StartAsync(poolSize: 1, queueLimit: 2);
        await using var turnstile = await Turnstile.CloseAsync(fixture.Dsn);
        var table = await CreateTableAsync();
        var running = InsertAsync(gateway, table, turnstile, 1);
        await turnstile.HoldsAsync(1);

        // More requests in all than there are places: each must give its place back.
        for (var round = 0; round < 3; round++)
        {
            var waiting = Enumerable.Range(0, 2).Select(_ => InsertAsync(gateway, table, turnstile, 2, timeoutMs: 100));
            foreach (var answer in await Task.WhenAll(waiting))
                Assert.Equal("no", answer.ExpectProblem(504, "deadline_exceeded").GetProperty("committed").GetString());
        }

        Assert.False(running.IsCompleted);
        await turnstile.OpenAsync();
        (await running).Expect(HttpStatusCode.OK);
        Assert.Equal(new[] { 1 }, await IdsAsync(gateway, table));
    }

    /// <summary>
    /// Requests with long timeouts hold every session and most of the queue during the whole test. Those with short
    /// timeouts end, are cancelled on a server that does not respond, and are sent again.
    /// </summary>
    [Theory]
    [InlineData(60_000)]
    [InlineData(300)]
    public async Task OneConnectionsServerHangs_OthersAndProbesAnswerAndItWorksAgainAfter(int timeoutMs)
    {
        await using var proxy = ProxyOfServer();
        await using var gateway = await StartWithBadConnectionAsync(proxy);
        // Some sessions exist when the server begins to hang, and others are opened after that.
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => AskAsync(gateway, "bad", 10_000)));
        await AskAsync(gateway, "default", 10_000);

        proxy.Hang();
        using var enough = new CancellationTokenSource();
        var hanging = Enumerable.Range(0, 64).Select(_ => AskAgainAsync(gateway, timeoutMs, enough.Token)).ToArray();
        // These requests do not wait for the ones to the hanging server, of which none has ended.
        await CallAsync(gateway);
        Assert.All(hanging, asking => Assert.False(asking.IsCompleted));
        await enough.CancelAsync();
        proxy.Recover();
        await Poll.UntilAsync(async () => (await AskAsync(gateway, "bad", 2_000)).Status == HttpStatusCode.OK);

        foreach (var answers in await Task.WhenAll(hanging).WaitAsync(Patience))
            Assert.All(answers, answer => AssertOfHangingServer(answer.Answer, answer.WhileItHung));
    }

    [Fact]
    public async Task ServerHangs_ReadySaysSoAndTakesItBack()
    {
        await using var proxy = ProxyOfServer();
        await using var gateway = await StartWithBadConnectionAsync(proxy);

        proxy.Hang();
        await Poll.UntilAsync(() => IsReadyAsync("degraded"));
        proxy.Recover();
        await Poll.UntilAsync(() => IsReadyAsync("ready"));

        async Task<bool> IsReadyAsync(string status) =>
            (await gateway.Client.GetAsync("/healthz/ready")).Expect(HttpStatusCode.OK).GetProperty("status").GetString() == status;
    }

    private static void AssertSaturated(Answer answer)
    {
        Assert.Equal("no", answer.ExpectProblem(503, "saturated").GetProperty("committed").GetString());
        Assert.InRange(int.Parse(answer.Headers["Retry-After"]), 1, 60);
    }

    private static void AssertOfHangingServer(Answer answer, bool whileItHung)
    {
        if (answer.Status == HttpStatusCode.OK)
            Assert.False(whileItHung, "A server that hangs has answered.");
        else if (answer.Status == HttpStatusCode.GatewayTimeout)
            answer.ExpectProblem(504, "deadline_exceeded");
        else
            answer.ExpectProblem(503, "database_unavailable");
    }

    private static Task<Answer> AskAsync(RunningGateway gateway, string connection, int timeoutMs) =>
        gateway.Client.PostAsync("query", new { activityId = "a", sql = "SELECT 1", connection, timeoutMs });

    /// <summary>Sends requests to the hanging connection repeatedly.</summary>
    private static async Task<List<(Answer Answer, bool WhileItHung)>> AskAgainAsync(
        RunningGateway gateway, int timeoutMs, CancellationToken enough)
    {
        var answers = new List<(Answer, bool)>();
        while (!enough.IsCancellationRequested)
            answers.Add((await AskAsync(gateway, "bad", timeoutMs), !enough.IsCancellationRequested));
        return answers;
    }

    /// <summary>Sends many requests to the other connection and the probes.</summary>
    private static async Task CallAsync(RunningGateway gateway)
    {
        for (var call = 0; call < 200; call++)
        {
            (await AskAsync(gateway, "default", 10_000)).Expect(HttpStatusCode.OK);
            (await gateway.Client.GetAsync("/healthz/live")).Expect(HttpStatusCode.OK);
            (await gateway.Client.GetAsync("/healthz/ready")).Expect(HttpStatusCode.OK);
            await Task.Delay(5);
        }
    }

    private HangingProxy ProxyOfServer()
    {
        var server = new NpgsqlConnectionStringBuilder(fixture.Dsn);
        return new HangingProxy(server.Host!, server.Port);
    }

    private Task<RunningGateway> StartWithBadConnectionAsync(HangingProxy proxy)
    {
        var bad = new NpgsqlConnectionStringBuilder(fixture.Dsn) { Host = "127.0.0.1", Port = proxy.Port };
        return fixture.StartGatewayAsync(
            $"--Gateway:Connections:bad:Dsn={bad.ConnectionString}", "--Gateway:ReadinessIntervalMs=100");
    }

    private Task<RunningGateway> StartAsync(int poolSize, int queueLimit) => fixture.StartGatewayAsync(
        $"--Gateway:Connections:default:PoolSize={poolSize}", $"--Gateway:Connections:default:QueueLimit={queueLimit}");

    private async Task<string> CreateTableAsync()
    {
        var table = $"admitted_{Guid.NewGuid():N}";
        await fixture.ExecuteAsync($"CREATE TABLE {table} (id int)");
        return table;
    }

    /// <summary>Inserts the ID into the table after it has passed the turnstile.</summary>
    private static async Task<Answer> InsertAsync(
        RunningGateway gateway, string table, Turnstile turnstile, int id, int timeoutMs = 60_000,
        CancellationToken cancellation = default)
    {
        using var response = await gateway.Client.Http.PostAsync("/v1/execute", JsonContent.Create(new
        {
            activityId = "a",
            sql = $"INSERT INTO {table} SELECT :id::int FROM {turnstile.Pass}",
            parameters = new { id },
            delivery = "at-least-once",
            timeoutMs,
        }), cancellation);
        return await Answer.ReadAsync(response);
    }

    /// <summary>Returns the inserted IDs. This request goes through the queue too, after all that still wait.</summary>
    private static async Task<int[]> IdsAsync(RunningGateway gateway, string table) =>
        [.. (await gateway.Client.QueryAsync($"SELECT id FROM {table} ORDER BY id"))
            .GetProperty("rows").EnumerateArray().Select(row => row.GetProperty("id").GetInt32())];
}
