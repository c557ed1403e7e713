using System.Net;
using Gateway.Api.PostgresTests.Faults;

namespace Gateway.Api.PostgresTests;

/// <summary>Tests that a running activity can be cancelled through any replica, and leaves no effect.</summary>
public sealed class CancelTests(GatewayFixture gateway)
{
    /// <summary>A timeout that ends no statement during these tests.</summary>
    private const int Long = 60_000;

    [Theory]
    [InlineData("query")]
    [InlineData("execute")]
    [InlineData("transaction")]
    public async Task RunningActivity_IsEndedByAnotherReplicaAndMayRunAgain(string endpoint)
    {
        var id = $"cancelled_{endpoint}";
        await gateway.ExecuteAsync($"CREATE TABLE {id} (n int)");
        await using var replica = await gateway.StartGatewayAsync();
        await using var turnstile = await Turnstile.CloseAsync(gateway.Dsn);
        var statements = endpoint == "query"
            ? [$"SELECT 1 FROM {turnstile.Pass}"]
            : new[] { $"INSERT INTO {id} SELECT 1 FROM {turnstile.Pass}" };

        var running = StartAsync(gateway.Client, endpoint, id, statements);
        await turnstile.HoldsAsync(1);
        var cancel = await replica.Client.CancelActivityAsync(id);

        Assert.Equal($$"""{"activityId":"{{id}}","status":"cancelled"}""", cancel.Text);
        Assert.Equal(HttpStatusCode.OK, cancel.Status);
        var problem = (await running).ExpectProblem(422, "cancelled");
        Assert.Equal("no", problem.GetProperty("committed").GetString());
        Assert.Equal(id, problem.GetProperty("activityId").GetString());
        await turnstile.HoldsAsync(0);
        (await replica.Client.FindActivityAsync(id)).ExpectProblem(404, "activity_not_found");

        await turnstile.OpenAsync();
        var again = await StartAsync(replica.Client, endpoint, id, statements);
        again.Expect(HttpStatusCode.OK);
        if (endpoint != "query")
        {
            Assert.Equal("false", again.Headers["Idempotent-Replayed"]);
            Assert.Equal(1, await gateway.ReadAsync<long>($"SELECT count(*) FROM {id}"));
        }
    }

    [Fact]
    public async Task ManyCancelledAtOnce_AreAllToldThatTheyWere()
    {
        const int Activities = 16;
        await using var running = await gateway.StartGatewayAsync();
        await using var turnstile = await Turnstile.CloseAsync(gateway.Dsn);
        var sql = $"SELECT 1 FROM {turnstile.Pass}";

        for (var round = 0; round < 3; round++)
        {
            var ids = Enumerable.Range(0, Activities).Select(n => $"many/{round}/{n}").ToArray();
            var answers = ids.Select(id => StartAsync(running.Client, "execute", id, sql)).ToArray();
            await turnstile.HoldsAsync(Activities);

            var cancels = await Task.WhenAll(ids.Select(id => gateway.Client.CancelActivityAsync(id)));

            Assert.All(cancels, cancel => Assert.Equal("cancelled", cancel.Expect(HttpStatusCode.OK).GetProperty("status").GetString()));
            Assert.All(await Task.WhenAll(answers), answer => answer.ExpectProblem(422, "cancelled"));
        }
    }

    [Fact]
    public async Task StatementThatCatchesTheCancel_IsEndedAllTheSame()
    {
        await gateway.ExecuteAsync("CREATE TABLE catching (n int)");
        await using var one = await gateway.StartGatewayAsync("--Gateway:Connections:default:PoolSize=1");
        var running = StartAsync(
            one.Client, "transaction", "catching",
            "INSERT INTO catching VALUES (1)",
            "DO $$ BEGIN LOOP BEGIN PERFORM pg_sleep(30); EXCEPTION WHEN query_canceled THEN END; END LOOP; END $$");
        await UntilRunningAsync("catching");

        var cancel = await gateway.Client.CancelActivityAsync("catching");

        Assert.Equal("cancelled", cancel.Expect(HttpStatusCode.OK).GetProperty("status").GetString());
        (await running).ExpectProblem(422, "cancelled");
        Assert.Equal(0, await gateway.ReadAsync<long>("SELECT count(*) FROM catching"));
        await ExpectToServeAsync(one);
    }

    [Fact]
    public async Task ActivityThatWaitsForARow_IsEnded()
    {
        await gateway.ExecuteAsync("CREATE TABLE cancel_locked AS SELECT 1 AS id, 0 AS n");
        await using var holder = await Backends.WatchAsync(gateway.Dsn);
        await holder.ExecuteAsync("BEGIN");
        await holder.ExecuteAsync("UPDATE cancel_locked SET n = 5");
        var running = StartAsync(gateway.Client, "execute", "cancel_locked", "UPDATE cancel_locked SET n = n + 1");
        await UntilRunningAsync("cancel_locked");

        (await gateway.Client.CancelActivityAsync("cancel_locked")).Expect(HttpStatusCode.OK);

        (await running).ExpectProblem(422, "cancelled");
        await holder.ExecuteAsync("COMMIT");
        Assert.Equal(5, await gateway.ReadAsync<int>("SELECT n FROM cancel_locked"));
    }

    [Fact]
    public async Task FullPool_IsNotInTheWay()
    {
        await using var one = await gateway.StartGatewayAsync("--Gateway:Connections:default:PoolSize=1");
        await using var turnstile = await Turnstile.CloseAsync(gateway.Dsn);
        var running = StartAsync(one.Client, "execute", "full/1", $"SELECT 1 FROM {turnstile.Pass}");
        await turnstile.HoldsAsync(1);
        var waiting = StartAsync(one.Client, "execute", "full/2", "SELECT 2 AS a");

        (await one.Client.CancelActivityAsync("full/2")).ExpectProblem(404, "activity_not_found");
        var cancel = await one.Client.CancelActivityAsync("full/1");

        Assert.Equal("cancelled", cancel.Expect(HttpStatusCode.OK).GetProperty("status").GetString());
        (await running).ExpectProblem(422, "cancelled");
        (await waiting).Expect(HttpStatusCode.OK);
        await ExpectToServeAsync(one);
    }

    [Fact]
    public async Task OtherActivities_AreLeftAlone()
    {
        await using var turnstile = await Turnstile.CloseAsync(gateway.Dsn);
        var sql = $"SELECT 1 FROM {turnstile.Pass}";
        var cancelled = StartAsync(gateway.Client, "execute", "alone/1", sql);
        var others = new[] { "alone/2", "alone/11", "alone", "ALONE/1" }.Select(id => StartAsync(gateway.Client, "execute", id, sql)).ToArray();
        await turnstile.HoldsAsync(5);

        (await gateway.Client.CancelActivityAsync("alone/1")).Expect(HttpStatusCode.OK);
        (await cancelled).ExpectProblem(422, "cancelled");
        await turnstile.HoldsAsync(4);
        await turnstile.OpenAsync();

        foreach (var other in others)
            (await other).Expect(HttpStatusCode.OK);
    }

    [Fact]
    public async Task TwoCancels_AreBothAnswered()
    {
        await using var turnstile = await Turnstile.CloseAsync(gateway.Dsn);
        await using var replica = await gateway.StartGatewayAsync();
        var running = StartAsync(
            gateway.Client, "execute", "twice",
            "DO $$ BEGIN LOOP BEGIN PERFORM pg_sleep(30); EXCEPTION WHEN query_canceled THEN END; END LOOP; END $$");
        await UntilRunningAsync("twice");

        var cancels = await Task.WhenAll(gateway.Client.CancelActivityAsync("twice"), replica.Client.CancelActivityAsync("twice"));

        Assert.All(cancels, cancel => Assert.Equal("cancelled", cancel.Expect(HttpStatusCode.OK).GetProperty("status").GetString()));
        (await running).ExpectProblem(422, "cancelled");
    }

    [Fact]
    public async Task UnknownActivity_IsNotFound() =>
        (await gateway.Client.CancelActivityAsync("never-seen")).ExpectProblem(404, "activity_not_found");

    [Fact]
    public async Task CompletedActivity_IsShownAndStaysSo()
    {
        var answer = await StartAsync(gateway.Client, "execute", "too-late", "SELECT 1 AS a");

        for (var time = 0; time < 2; time++)
        {
            var cancel = (await gateway.Client.CancelActivityAsync("too-late")).Expect(HttpStatusCode.OK);
            Assert.Equal("completed", cancel.GetProperty("status").GetString());
            Assert.Equal(answer.Text, cancel.GetProperty("response").GetRawText());
        }
        var again = await StartAsync(gateway.Client, "execute", "too-late", "SELECT 1 AS a");
        Assert.Equal(answer.Text, again.Text);
        Assert.Equal("true", again.Headers["Idempotent-Replayed"]);
    }

    [Fact]
    public async Task TimeoutOfTheStatementsOwn_IsNoCancel()
    {
        var answer = await StartAsync(gateway.Client, "transaction", "own-timeout", "SET LOCAL statement_timeout = '50ms'", "SELECT pg_sleep(30)");

        var problem = answer.ExpectProblem(504, "deadline_exceeded");
        Assert.Equal("57014", problem.GetProperty("sqlState").GetString());
        Assert.Equal(1, problem.GetProperty("statement").GetInt32());
    }

    [Theory]
    [InlineData("pg_cancel_backend", 504, "deadline_exceeded")]
    [InlineData("pg_terminate_backend", 503, "database_unavailable")]
    public async Task EndByADba_IsNoCancel(string function, int status, string code)
    {
        var id = $"dba/{function}";
        var running = StartAsync(gateway.Client, "execute", id, "SELECT pg_sleep(30)");
        await UntilRunningAsync(id);

        await gateway.ReadAsync<bool>($"SELECT {function}(pid) FROM pg_stat_activity WHERE application_name LIKE '%:{id}:%'");

        (await running).ExpectProblem(status, code);
    }

    [Fact]
    public async Task RunAfterACancel_IsNotTakenForCancelled()
    {
        var running = StartAsync(gateway.Client, "execute", "cancel-then-run", "SELECT pg_sleep(30)");
        await UntilRunningAsync("cancel-then-run");
        (await gateway.Client.CancelActivityAsync("cancel-then-run")).Expect(HttpStatusCode.OK);
        (await running).ExpectProblem(422, "cancelled");

        var again = await StartAsync(gateway.Client, "transaction", "cancel-then-run", "SET LOCAL statement_timeout = '50ms'", "SELECT pg_sleep(30)");

        again.ExpectProblem(504, "deadline_exceeded");
    }

    [Fact]
    public async Task SessionOfACancelledActivity_ServesTheNext()
    {
        await using var one = await gateway.StartGatewayAsync("--Gateway:Connections:default:PoolSize=1");
        await using var turnstile = await Turnstile.CloseAsync(gateway.Dsn);
        for (var round = 0; round < 3; round++)
        {
            var running = StartAsync(one.Client, "execute", $"poison/{round}", $"SELECT 1 FROM {turnstile.Pass}");
            await turnstile.HoldsAsync(1);
            var cancel = gateway.Client.CancelActivityAsync($"poison/{round}");
            (await running).ExpectProblem(422, "cancelled");

            // While the cancel is still in progress.
            await ExpectToServeAsync(one);
            (await cancel).Expect(HttpStatusCode.OK);
        }
    }

    private static Task<Answer> StartAsync(GatewayClient client, string endpoint, string activityId, params string[] statements) =>
        client.PostAsync(endpoint, endpoint == "transaction"
            ? new { activityId, timeoutMs = Long, statements = statements.Select(sql => new { sql }) }
            : new { activityId, timeoutMs = Long, sql = statements.Single() });

    private static async Task ExpectToServeAsync(RunningGateway one)
    {
        for (var request = 0; request < 10; request++)
            Assert.Equal(request, (await one.Client.QueryValueAsync("SELECT $1::int", new[] { request })).GetInt32());
    }

    /// <summary>Returns when the activity's statement waits for something.</summary>
    private async Task UntilRunningAsync(string id)
    {
        await Poll.ReadAsync(
            () => gateway.ReadAsync<long>(
                "SELECT count(*) FROM pg_stat_activity "
                + $"WHERE application_name LIKE '%:{id}:%' AND wait_event IN ('PgSleep', 'transactionid')"),
            count => count > 0);
    }
}
