using System.Net;

namespace Gateway.Api.PostgresTests;

/// <summary>Tests that a duplicate of a running activity is answered at once, and blocks nothing.</summary>
public sealed class InFlightTests(GatewayFixture gateway)
{
    [Theory]
    [InlineData("execute")]
    [InlineData("transaction")]
    public async Task Duplicate_IsAnsweredWhileTheFirstRuns(string endpoint)
    {
        var table = $"in_flight_{endpoint}";
        await gateway.ExecuteAsync($"CREATE TABLE {table} (n int)");
        await using var replica = await gateway.StartGatewayAsync();
        await using var two = await gateway.StartGatewayAsync("--Gateway:Connections:default:PoolSize=2");
        await using var turnstile = await Turnstile.CloseAsync(gateway.Dsn);
        var sql = $"INSERT INTO {table} SELECT 1 FROM {turnstile.Pass} RETURNING n";
        Task<Answer> SendAsync(GatewayClient client) => endpoint == "execute"
            ? client.PostAsync("execute", new { activityId = table, sql })
            : client.TransactionAsync(table, sql);

        var first = SendAsync(two.Client);
        await turnstile.HoldsAsync(1);

        // The first request is blocked, so an answer that waited for it would not arrive.
        foreach (var client in new[] { two.Client, replica.Client })
        {
            var problem = (await SendAsync(client)).ExpectProblem(409, "activity_in_flight");
            Assert.Equal("no", problem.GetProperty("committed").GetString());
        }
        Assert.Equal("running", (await replica.Client.FindActivityAsync(table)).Expect(HttpStatusCode.OK).GetProperty("status").GetString());
        Assert.False(first.IsCompleted);

        await turnstile.OpenAsync();
        (await first).Expect(HttpStatusCode.OK);
        var after = await SendAsync(replica.Client);
        Assert.Equal((await first).Text, after.Text);
        Assert.Equal("true", after.Headers["Idempotent-Replayed"]);
        Assert.Equal(1, await gateway.ReadAsync<long>($"SELECT count(*) FROM {table}"));
    }

    [Fact]
    public async Task AnotherRequestUnderTheRunningId_IsInFlightToo()
    {
        await using var turnstile = await Turnstile.CloseAsync(gateway.Dsn);
        var first = gateway.Client.PostAsync("execute", new { activityId = "in-flight/other", sql = $"SELECT 1 FROM {turnstile.Pass}" });
        await turnstile.HoldsAsync(1);
        var other = new { activityId = "in-flight/other", sql = "SELECT 2 AS a" };

        (await gateway.Client.PostAsync("execute", other)).ExpectProblem(409, "activity_in_flight");
        await turnstile.OpenAsync();
        (await first).Expect(HttpStatusCode.OK);

        (await gateway.Client.PostAsync("execute", other)).ExpectProblem(422, "activity_mismatch");
    }

    [Fact]
    public async Task ManyDuplicates_LeaveRoomForOthers()
    {
        await gateway.ExecuteAsync("CREATE TABLE in_flight_many (n int)");
        await using var two = await gateway.StartGatewayAsync("--Gateway:Connections:default:PoolSize=2");
        await using var turnstile = await Turnstile.CloseAsync(gateway.Dsn);
        var request = new { activityId = "in_flight_many", sql = $"INSERT INTO in_flight_many SELECT 1 FROM {turnstile.Pass}" };
        var first = two.Client.PostAsync("execute", request);
        await turnstile.HoldsAsync(1);

        var duplicates = Enumerable.Range(0, 20).Select(_ => two.Client.PostAsync("execute", request)).ToArray();
        var others = Enumerable.Range(0, 5).Select(n => two.Client.PostAsync("execute", new { activityId = $"in_flight_many/{n}", sql = "SELECT 1 AS a" })).ToArray();

        foreach (var other in await Task.WhenAll(others))
            other.Expect(HttpStatusCode.OK);
        foreach (var duplicate in await Task.WhenAll(duplicates))
            duplicate.ExpectProblem(409, "activity_in_flight");
        Assert.False(first.IsCompleted);
        await turnstile.OpenAsync();
        (await first).Expect(HttpStatusCode.OK);
        Assert.Equal(1, await gateway.ReadAsync<long>("SELECT count(*) FROM in_flight_many"));
    }

    [Fact]
    public async Task DuplicateOfOneThatFails_TakesEffect()
    {
        await gateway.ExecuteAsync("CREATE TABLE in_flight_failing (n int)");
        await using var turnstile = await Turnstile.CloseAsync(gateway.Dsn);
        var first = gateway.Client.PostAsync(
            "execute", new { activityId = "in_flight_failing", sql = $"INSERT INTO in_flight_failing SELECT 1 / (SELECT count(*) FROM in_flight_failing) FROM {turnstile.Pass}" });
        await turnstile.HoldsAsync(1);
        var second = new { activityId = "in_flight_failing", sql = "INSERT INTO in_flight_failing VALUES (2)" };
        (await gateway.Client.PostAsync("execute", second)).ExpectProblem(409, "activity_in_flight");

        await turnstile.OpenAsync();
        (await first).ExpectProblem(422, "sql_error");

        Assert.Equal("false", (await gateway.Client.PostAsync("execute", second)).Headers["Idempotent-Replayed"]);
        Assert.Equal(2, await gateway.ReadAsync<int>("SELECT sum(n)::int FROM in_flight_failing"));
    }

    [Theory]
    [InlineData("read committed")]
    [InlineData("repeatable read")]
    [InlineData("serializable")]
    public async Task DuplicatesAtOnce_HaveOneEffectAndOneAnswer(string isolation)
    {
        var table = $"at_once_{isolation.Replace(' ', '_')}";
        await gateway.ExecuteAsync($"CREATE TABLE {table} (n serial, activity text)");
        await using var replica = await gateway.StartGatewayAsync();

        for (var round = 0; round < 5; round++)
        {
            var activityId = $"{table}/{round}";
            var request = new
            {
                activityId,
                isolation,
                statements = new[] { new { sql = $"INSERT INTO {table} (activity) VALUES ($1) RETURNING n, clock_timestamp() AS at", parameters = new[] { activityId } } },
            };
            var answers = await Task.WhenAll(Enumerable.Range(0, 12).Select(
                async n => await UntilNotInFlightAsync(n % 2 == 0 ? gateway.Client : replica.Client, request)));

            Assert.Single(answers.Select(answer => answer.Text).Distinct());
            Assert.Single(answers, answer => answer.Headers["Idempotent-Replayed"] == "false");
        }
        Assert.Equal(5, await gateway.ReadAsync<long>($"SELECT count(*) FROM {table}"));
    }

    private static async Task<Answer> UntilNotInFlightAsync(GatewayClient client, object request)
    {
        var answer = await Poll.ReadAsync(
            () => client.PostAsync("transaction", request), answer => answer.Status != HttpStatusCode.Conflict);
        answer.Expect(HttpStatusCode.OK);
        return answer;
    }
}
