using System.Net;

namespace Gateway.Api.PostgresTests;

/// <summary>
/// Tests that a duplicate of a running activity waits for it within its own timeout, holds no session meanwhile, and is
/// answered when it has ended.
/// </summary>
public sealed class InFlightTests(GatewayFixture gateway)
{
    /// <summary>A timeout that ends no request during these tests.</summary>
    private const int Long = 60_000;

    [Theory]
    [InlineData("execute")]
    [InlineData("transaction")]
    public async Task Duplicate_WaitsOnAnyReplicaAndGetsTheAnswer(string endpoint)
    {
        var table = $"in_flight_{endpoint}";
        await gateway.ExecuteAsync($"CREATE TABLE {table} (n int)");
        await using var replica = await gateway.StartGatewayAsync();
        await using var turnstile = await Turnstile.CloseAsync(gateway.Dsn);
        var sql = $"INSERT INTO {table} SELECT 1 FROM {turnstile.Pass} RETURNING n, clock_timestamp() AS at";
        Task<Answer> SendAsync(GatewayClient client) => client.PostAsync(endpoint, endpoint == "execute"
            ? new { activityId = table, timeoutMs = Long, sql }
            : new { activityId = table, timeoutMs = Long, statements = new[] { new { sql } } });

        var first = SendAsync(gateway.Client);
        await turnstile.HoldsAsync(1);
        Assert.Equal(0, await WaitingAsync(gateway.Client, table));
        var duplicates = new[] { gateway.Client, replica.Client, replica.Client }.Select(SendAsync).ToArray();
        await UntilWaitingAsync(gateway.Client, table, 1);
        await UntilWaitingAsync(replica.Client, table, 2);
        Assert.Contains(
            "gateway_activities_waiting{gateway_connection=\"default\"} 2",
            (await replica.Client.GetAsync("/metrics")).Text, StringComparison.Ordinal);
        Assert.DoesNotContain(duplicates, duplicate => duplicate.IsCompleted);

        await turnstile.OpenAsync();

        Assert.Equal("false", (await first).Headers["Idempotent-Replayed"]);
        foreach (var duplicate in await Task.WhenAll(duplicates))
        {
            duplicate.Expect(HttpStatusCode.OK);
            Assert.Equal((await first).Text, duplicate.Text);
            Assert.Equal("true", duplicate.Headers["Idempotent-Replayed"]);
            Assert.Contains("wait;dur=", duplicate.Headers["Server-Timing"], StringComparison.Ordinal);
        }
        Assert.Equal(1, await gateway.ReadAsync<long>($"SELECT count(*) FROM {table}"));
        Assert.Contains(
            "gateway_activities_waiting{gateway_connection=\"default\"} 0",
            (await replica.Client.GetAsync("/metrics")).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task TimeoutDuringTheWait_IsInFlightAndUnknown()
    {
        await using var turnstile = await Turnstile.CloseAsync(gateway.Dsn);
        var sql = $"SELECT 1 AS one FROM {turnstile.Pass}";
        var first = gateway.Client.PostAsync("execute", new { activityId = "in-flight/timeout", timeoutMs = Long, sql });
        await turnstile.HoldsAsync(1);

        var late = await gateway.Client.PostAsync("execute", new { activityId = "in-flight/timeout", timeoutMs = 2000, sql });

        var problem = late.ExpectProblem(409, "activity_in_flight");
        Assert.Equal("unknown", problem.GetProperty("committed").GetString());
        Assert.Matches("is still running, for [0-9]+ s so far", problem.GetProperty("detail").GetString()!);
        Assert.False(first.IsCompleted);
        Assert.Equal(0, await WaitingAsync(gateway.Client, "in-flight/timeout"));
        await turnstile.OpenAsync();
        (await first).Expect(HttpStatusCode.OK);
    }

    [Fact]
    public async Task AnotherRequestUnderTheRunningId_WaitsAndIsAMismatch()
    {
        await using var turnstile = await Turnstile.CloseAsync(gateway.Dsn);
        var first = gateway.Client.PostAsync(
            "execute", new { activityId = "in-flight/other", timeoutMs = Long, sql = $"SELECT 1 AS a FROM {turnstile.Pass}" });
        await turnstile.HoldsAsync(1);
        var other = gateway.Client.PostAsync("execute", new { activityId = "in-flight/other", timeoutMs = Long, sql = "SELECT 2 AS a" });
        await UntilWaitingAsync(gateway.Client, "in-flight/other", 1);

        await turnstile.OpenAsync();

        (await first).Expect(HttpStatusCode.OK);
        (await other).ExpectProblem(422, "activity_mismatch");
    }

    [Fact]
    public async Task ManyDuplicates_HoldNoSessionAndAreAnsweredTogether()
    {
        const int Duplicates = 200;
        await gateway.ExecuteAsync("CREATE TABLE in_flight_many (n int)");
        await using var two = await gateway.StartGatewayAsync(
            "--Gateway:Connections:default:PoolSize=2", "--Gateway:Connections:default:QueueLimit=20");
        await using var turnstile = await Turnstile.CloseAsync(gateway.Dsn);
        var request = new
        {
            activityId = "in_flight_many",
            timeoutMs = Long,
            sql = $"INSERT INTO in_flight_many SELECT 1 FROM {turnstile.Pass}",
        };
        var first = two.Client.PostAsync("execute", request);
        await turnstile.HoldsAsync(1);

        // A few at a time, because each needs a place until it has met the first.
        var duplicates = new List<Task<Answer>>();
        while (duplicates.Count < Duplicates)
        {
            duplicates.AddRange(Enumerable.Range(0, 20).Select(_ => two.Client.PostAsync("execute", request)));
            await UntilWaitingAsync(two.Client, "in_flight_many", duplicates.Count);
        }
        (await two.Client.PostAsync("execute", new { activityId = "in_flight_many/other", sql = "SELECT 1 AS a" }))
            .Expect(HttpStatusCode.OK);
        Assert.DoesNotContain(duplicates, duplicate => duplicate.IsCompleted);

        await turnstile.OpenAsync();

        (await first).Expect(HttpStatusCode.OK);
        foreach (var duplicate in await Task.WhenAll(duplicates))
        {
            duplicate.Expect(HttpStatusCode.OK);
            Assert.Equal("true", duplicate.Headers["Idempotent-Replayed"]);
        }
        Assert.Equal(1, await gateway.ReadAsync<long>("SELECT count(*) FROM in_flight_many"));
    }

    /// <summary>One of them runs; the others wait for that one.</summary>
    [Fact]
    public async Task DuplicatesOfOneThatFails_HaveOneEffect()
    {
        await gateway.ExecuteAsync("CREATE TABLE in_flight_heirs (n int)");
        await using var turnstile = await Turnstile.CloseAsync(gateway.Dsn);
        var first = gateway.Client.PostAsync(
            "execute", new { activityId = "in_flight_heirs", timeoutMs = Long, sql = $"SELECT 1 / (SELECT count(*) FROM in_flight_heirs) FROM {turnstile.Pass}" });
        await turnstile.HoldsAsync(1);
        var request = new { activityId = "in_flight_heirs", timeoutMs = Long, sql = "INSERT INTO in_flight_heirs VALUES (1) RETURNING clock_timestamp() AS at" };
        var duplicates = Enumerable.Range(0, 10).Select(_ => gateway.Client.PostAsync("execute", request)).ToArray();
        await UntilWaitingAsync(gateway.Client, "in_flight_heirs", 10);

        await turnstile.OpenAsync();

        (await first).ExpectProblem(422, "sql_error");
        var answers = await Task.WhenAll(duplicates);
        Assert.All(answers, answer => answer.Expect(HttpStatusCode.OK));
        Assert.Single(answers.Select(answer => answer.Text).Distinct());
        Assert.Single(answers, answer => answer.Headers["Idempotent-Replayed"] == "false");
        Assert.Equal(1, await gateway.ReadAsync<long>("SELECT count(*) FROM in_flight_heirs"));
    }

    /// <summary>A call without a record that has the same ID has the same tag, and may run for longer.</summary>
    [Theory]
    [InlineData("query")]
    [InlineData("transaction")]
    public async Task OtherCallWithTheSameId_DoesNotHoldTheDuplicateUp(string endpoint)
    {
        await using var forOther = await Turnstile.CloseAsync(gateway.Dsn);
        await using var turnstile = await Turnstile.CloseAsync(gateway.Dsn);
        var id = $"in-flight/{endpoint}";
        var wait = new { sql = $"SELECT 1 AS a FROM {forOther.Pass}" };
        // This one has a transaction ID, as a write has.
        var write = new { sql = "SELECT pg_current_xact_id()::text AS a" };
        var other = gateway.Client.PostAsync(endpoint, endpoint == "query"
            ? new { activityId = id, timeoutMs = Long, wait.sql }
            : new { activityId = id, timeoutMs = Long, delivery = "at-least-once", statements = new[] { write, wait } });
        await forOther.HoldsAsync(1);
        var request = new { activityId = id, timeoutMs = Long, sql = $"SELECT 2 AS a FROM {turnstile.Pass}" };
        var first = gateway.Client.PostAsync("execute", request);
        await turnstile.HoldsAsync(1);
        var duplicate = gateway.Client.PostAsync("execute", request);
        await UntilWaitingAsync(gateway.Client, id, 1);

        await turnstile.OpenAsync();

        (await first).Expect(HttpStatusCode.OK);
        Assert.Equal((await first).Text, (await duplicate).Text);
        Assert.False(other.IsCompleted);
        await forOther.OpenAsync();
        (await other).Expect(HttpStatusCode.OK);
    }

    [Fact]
    public async Task DuplicateOfOneThatFails_TakesEffect()
    {
        await gateway.ExecuteAsync("CREATE TABLE in_flight_failing (n int)");
        await using var replica = await gateway.StartGatewayAsync();
        await using var turnstile = await Turnstile.CloseAsync(gateway.Dsn);
        var first = gateway.Client.PostAsync("execute", new
        {
            activityId = "in_flight_failing",
            timeoutMs = Long,
            sql = $"INSERT INTO in_flight_failing SELECT 1 / (SELECT count(*) FROM in_flight_failing) FROM {turnstile.Pass}",
        });
        await turnstile.HoldsAsync(1);
        var second = replica.Client.PostAsync(
            "execute", new { activityId = "in_flight_failing", timeoutMs = Long, sql = "INSERT INTO in_flight_failing VALUES (2)" });
        await UntilWaitingAsync(replica.Client, "in_flight_failing", 1);

        await turnstile.OpenAsync();

        (await first).ExpectProblem(422, "sql_error");
        Assert.Equal("false", (await second).Headers["Idempotent-Replayed"]);
        Assert.Equal(2, await gateway.ReadAsync<int>("SELECT sum(n)::int FROM in_flight_failing"));
    }

    /// <summary>Callers' SQL can change its session's tag, so the duplicate can't find the transaction.</summary>
    [Fact]
    public async Task FirstWithoutItsTag_IsWaitedForAllTheSame()
    {
        await gateway.ExecuteAsync("CREATE TABLE in_flight_untagged (n int)");
        await using var turnstile = await Turnstile.CloseAsync(gateway.Dsn);
        var statements = new[]
        {
            "SET LOCAL application_name = 'another'",
            $"INSERT INTO in_flight_untagged SELECT 1 FROM {turnstile.Pass} RETURNING n",
        }.Select(sql => new { sql });
        var request = new { activityId = "in_flight_untagged", timeoutMs = Long, statements };
        var first = gateway.Client.PostAsync("transaction", request);
        await turnstile.HoldsAsync(1);
        (await gateway.Client.FindActivityAsync("in_flight_untagged")).ExpectProblem(404, "activity_not_found");

        var late = await gateway.Client.PostAsync("transaction", new { activityId = "in_flight_untagged", timeoutMs = 2000, statements });
        late.ExpectProblem(409, "activity_in_flight");
        var duplicate = gateway.Client.PostAsync("transaction", request);
        await Poll.UntilAsync(async () =>
            (await gateway.Client.GetAsync("/metrics")).Text.Contains("gateway_activities_waiting{gateway_connection=\"default\"} 1", StringComparison.Ordinal));
        await turnstile.OpenAsync();

        Assert.Equal((await first).Text, (await duplicate).Text);
        Assert.Equal(1, await gateway.ReadAsync<long>("SELECT count(*) FROM in_flight_untagged"));
    }

    [Fact]
    public async Task CallerThatLeaves_NoLongerWaits()
    {
        await using var turnstile = await Turnstile.CloseAsync(gateway.Dsn);
        var request = new { activityId = "in-flight/left", timeoutMs = Long, sql = $"SELECT 1 AS a FROM {turnstile.Pass}" };
        var first = gateway.Client.PostAsync("execute", request);
        await turnstile.HoldsAsync(1);
        await using var caller = await LeavingCaller.ConnectAsync(gateway.Address, Departure.Http1Reset);
        await caller.SendAsync("execute", request);
        await UntilWaitingAsync(gateway.Client, "in-flight/left", 1);

        caller.Leave();

        await UntilWaitingAsync(gateway.Client, "in-flight/left", 0);
        await turnstile.OpenAsync();
        (await first).Expect(HttpStatusCode.OK);
    }

    /// <summary>Otherwise the duplicates would begin what was just cancelled.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Cancel_AlsoEndsTheDuplicatesThatWait(bool onTheirReplica)
    {
        var id = $"in_flight_cancelled_{onTheirReplica}".ToLowerInvariant();
        await gateway.ExecuteAsync($"CREATE TABLE {id} (n int)");
        await using var replica = await gateway.StartGatewayAsync();
        await using var turnstile = await Turnstile.CloseAsync(gateway.Dsn);
        var request = new { activityId = id, timeoutMs = Long, sql = $"INSERT INTO {id} SELECT 1 FROM {turnstile.Pass}" };
        var first = gateway.Client.PostAsync("execute", request);
        await turnstile.HoldsAsync(1);
        var duplicates = new[] { replica.Client, replica.Client }.Select(client => client.PostAsync("execute", request)).ToArray();
        await UntilWaitingAsync(replica.Client, id, 2);

        var canceller = onTheirReplica ? replica.Client : gateway.Client;
        (await canceller.CancelActivityAsync(id)).Expect(HttpStatusCode.OK);

        foreach (var answer in await Task.WhenAll([first, .. duplicates]))
            Assert.Equal("no", answer.ExpectProblem(422, "cancelled").GetProperty("committed").GetString());
        Assert.Equal(0, await gateway.ReadAsync<long>($"SELECT count(*) FROM {id}"));
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
                timeoutMs = Long,
                statements = new[] { new { sql = $"INSERT INTO {table} (activity) VALUES ($1) RETURNING n, clock_timestamp() AS at", parameters = new[] { activityId } } },
            };
            var answers = await Task.WhenAll(Enumerable.Range(0, 12).Select(
                n => (n % 2 == 0 ? gateway.Client : replica.Client).PostAsync("transaction", request)));

            Assert.All(answers, answer => answer.Expect(HttpStatusCode.OK));
            Assert.Single(answers.Select(answer => answer.Text).Distinct());
            Assert.Single(answers, answer => answer.Headers["Idempotent-Replayed"] == "false");
        }
        Assert.Equal(5, await gateway.ReadAsync<long>($"SELECT count(*) FROM {table}"));
    }

    private static async Task<int> WaitingAsync(GatewayClient client, string activityId)
    {
        var activity = (await client.FindActivityAsync(activityId)).Expect(HttpStatusCode.OK);
        Assert.Equal("running", activity.GetProperty("status").GetString());
        return activity.GetProperty("waiting").GetInt32();
    }

    private static Task<int> UntilWaitingAsync(GatewayClient client, string activityId, int duplicates) => Poll.ReadAsync(
        () => WaitingAsync(client, activityId), waiting => waiting == duplicates, what: $"{duplicates} duplicates wait");
}
