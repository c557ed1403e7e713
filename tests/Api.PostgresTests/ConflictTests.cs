using System.Net;

namespace Gateway.Api.PostgresTests;

/// <summary>
/// Tests that the gateway runs a transaction again after a conflict, a limited number of times. A sequence counts the
/// runs, because its increments survive a rollback.
/// </summary>
public sealed class ConflictTests(GatewayFixture gateway)
{
    private const int MostRuns = 5;

    [Fact]
    public async Task WriteSkew_EndsWellForBothAndAsIfOneAfterTheOther()
    {
        await gateway.ExecuteAsync("CREATE SEQUENCE skew_runs");
        await gateway.ExecuteAsync("CREATE TABLE on_call AS SELECT r AS round, d AS doctor, true AS active FROM generate_series(1, 10) r, generate_series(1, 2) d");

        for (var round = 1; round <= 10; round++)
        {
            await using var turnstile = await Turnstile.CloseAsync(gateway.Dsn);
            var both = Enumerable.Range(1, 2).Select(doctor => gateway.Client.PostAsync("transaction", new
            {
                activityId = $"skew/{round}/{doctor}",
                isolation = "serializable",
                statements = new object[]
                {
                    new { sql = "SELECT nextval('skew_runs'), count(*) AS active FROM on_call WHERE round = $1 AND active", parameters = new[] { round } },
                    // Both read before one of them writes.
                    new { sql = $"SELECT 1 FROM {turnstile.Pass}" },
                    new
                    {
                        sql = "UPDATE on_call SET active = false WHERE round = $1 AND doctor = $2 AND $3 > 1",
                        parameters = new object[] { round, doctor, new Dictionary<string, string> { ["$ref"] = "/0/rows/0/active" } },
                    },
                },
            })).ToArray();
            await turnstile.HoldsAsync(2);
            await turnstile.OpenAsync();

            foreach (var answer in await Task.WhenAll(both))
                answer.Expect(HttpStatusCode.OK);
        }

        Assert.Equal(10, await gateway.ReadAsync<long>("SELECT count(DISTINCT round) FROM on_call WHERE active"));
        Assert.Equal(10, await gateway.ReadAsync<long>("SELECT count(*) FROM on_call WHERE active"));
        // At least one of each two must have run again; otherwise there was no conflict.
        Assert.InRange(await gateway.ReadAsync<long>("SELECT last_value FROM skew_runs"), 30, 20 * MostRuns);
    }

    [Fact]
    public async Task Deadlock_EndsWellForBothWithOneEffectEach()
    {
        await gateway.ExecuteAsync("CREATE SEQUENCE deadlock_runs");
        await gateway.ExecuteAsync("CREATE TABLE deadlocked AS SELECT id, 0 AS n FROM generate_series(1, 2) id");
        await using var turnstile = await Turnstile.CloseAsync(gateway.Dsn);
        const string Update = "UPDATE deadlocked SET n = n + 1 WHERE id = $1";

        var both = new[] { (1, 2), (2, 1) }.Select(order => gateway.Client.TransactionAsync(
            $"deadlock/{order.Item1}",
            "SELECT nextval('deadlock_runs')",
            new { sql = Update, parameters = new[] { order.Item1 } },
            $"SELECT 1 FROM {turnstile.Pass}",
            new { sql = Update, parameters = new[] { order.Item2 } })).ToArray();
        await turnstile.HoldsAsync(2);
        await turnstile.OpenAsync();

        foreach (var answer in await Task.WhenAll(both))
            answer.Expect(HttpStatusCode.OK);
        Assert.Equal("2,2", await gateway.ReadAsync<string>("SELECT string_agg(n::text, ',') FROM deadlocked"));
        Assert.InRange(await gateway.ReadAsync<long>("SELECT last_value FROM deadlock_runs"), 3, 2 * MostRuns);
    }

    [Theory]
    [InlineData("40001", "transaction", MostRuns)]
    [InlineData("40001", "execute", MostRuns)]
    [InlineData("40P01", "transaction", MostRuns)]
    [InlineData("40P01", "execute", MostRuns)]
    [InlineData("55P03", "transaction", 1)]
    [InlineData("55P03", "execute", 1)]
    [InlineData("40002", "execute", 1)]
    public async Task ConflictThatDoesNotEnd_IsAnsweredAfterABoundedNumberOfRuns(string sqlState, string endpoint, int runs)
    {
        var sequence = $"runs_{endpoint}_{sqlState}".ToLowerInvariant();
        await gateway.ExecuteAsync($"CREATE SEQUENCE {sequence}");
        var sql = $"DO $$ BEGIN PERFORM nextval('{sequence}'); RAISE EXCEPTION 'lost' USING ERRCODE = '{sqlState}'; END $$";

        var answer = endpoint == "execute"
            ? await gateway.Client.PostAsync("execute", new { activityId = sequence, sql })
            : await gateway.Client.TransactionAsync(sequence, "SELECT 1", sql);

        var problem = sqlState == "40002" ? answer.ExpectProblem(422, "sql_error") : answer.ExpectProblem(503, "conflict");
        Assert.Equal(sqlState, problem.GetProperty("sqlState").GetString());
        Assert.Equal("no", problem.GetProperty("committed").GetString());
        Assert.Equal(endpoint == "transaction", problem.TryGetProperty("statement", out _));
        Assert.Equal(runs, await gateway.ReadAsync<long>($"SELECT last_value FROM {sequence}"));
        (await gateway.Client.FindActivityAsync(sequence)).ExpectProblem(404, "activity_not_found");
    }

    [Fact]
    public async Task LockThatIsHeld_IsNotWaitedForAgain()
    {
        await gateway.ExecuteAsync("CREATE SEQUENCE held_runs");
        await gateway.ExecuteAsync("CREATE TABLE held AS SELECT 1 AS id");
        await using var holder = await GatewayFixture.OpenAsync(gateway.Dsn);
        await using var transaction = await holder.BeginTransactionAsync(TestContext.Current.CancellationToken);
        await using (var take = new Npgsql.NpgsqlCommand("SELECT id FROM held FOR UPDATE", holder))
            await take.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);

        var answer = await gateway.Client.TransactionAsync("held/1", "SELECT nextval('held_runs')", "SELECT id FROM held FOR UPDATE NOWAIT");

        var problem = answer.ExpectProblem(503, "conflict");
        Assert.Equal("55P03", problem.GetProperty("sqlState").GetString());
        Assert.Equal(1, problem.GetProperty("statement").GetInt32());
        Assert.Equal(1, await gateway.ReadAsync<long>("SELECT last_value FROM held_runs"));
    }

    [Theory]
    [InlineData("query")]
    [InlineData("execute")]
    [InlineData("transaction")]
    public async Task ConflictThatEnds_IsNotSeenByTheCaller(string endpoint)
    {
        var table = $"ended_by_{endpoint}";
        await gateway.ExecuteAsync($"CREATE TABLE {table} (done boolean)");
        // STABLE: it sees the snapshot of its statement, and not later commits.
        await gateway.ExecuteAsync(
            $"CREATE FUNCTION {table}() RETURNS boolean STABLE LANGUAGE plpgsql AS "
            + $"$$ BEGIN IF NOT EXISTS (SELECT FROM {table}) THEN RAISE EXCEPTION 'lost' USING ERRCODE = '40001'; END IF; RETURN true; END $$");
        await using var turnstile = await Turnstile.CloseAsync(gateway.Dsn);
        var sql = $"SELECT {table}() AS done FROM {turnstile.Pass} pass";

        var answer = endpoint == "transaction"
            ? gateway.Client.TransactionAsync(table, sql)
            : gateway.Client.PostAsync(endpoint, new { activityId = table, sql });
        await turnstile.HoldsAsync(1);
        await gateway.ExecuteAsync($"INSERT INTO {table} VALUES (true)");
        await turnstile.OpenAsync();

        (await answer).Expect(HttpStatusCode.OK);
        Assert.Contains("\"done\":true", (await answer).Text);
    }

    [Fact]
    public async Task BudgetThatEndsBetweenTwoRuns_IsHeeded()
    {
        await gateway.ExecuteAsync("CREATE SEQUENCE budget_runs");

        var answer = await gateway.Client.PostAsync("execute", new
        {
            activityId = "budget-runs",
            sql = "DO $$ BEGIN PERFORM nextval('budget_runs'), pg_sleep(0.3); RAISE EXCEPTION 'lost' USING ERRCODE = '40001'; END $$",
            timeoutMs = 700,
        });

        Assert.Contains(answer.Json.GetProperty("code").GetString(), new[] { "conflict", "deadline_exceeded" });
        Assert.InRange(await gateway.ReadAsync<long>("SELECT last_value FROM budget_runs"), 1, 3);
    }
}
