using System.Net;
using Gateway.Api.PostgresTests.Faults;

namespace Gateway.Api.PostgresTests;

public sealed class ExecuteTests(GatewayFixture gateway)
{
    [Fact]
    public async Task Insert_IsCommittedAndAnsweredWithItsRows()
    {
        await gateway.ExecuteAsync("CREATE TABLE inserted (id int, name text)");

        var answer = await gateway.Client.PostAsync("execute", new
        {
            activityId = "a",
            sql = "INSERT INTO inserted VALUES (:id, :name) RETURNING id, name",
            parameters = new { id = 1, name = "x" },
            delivery = "at-least-once",
            expect = new { rowCount = 1 },
        });

        Assert.Equal(
            """{"activityId":"a","command":"INSERT","rowCount":1,"columns":[{"name":"id","type":"integer"},{"name":"name","type":"text"}],"rows":[{"id":1,"name":"x"}]}""",
            answer.Text);
        Assert.Equal("false", answer.Headers["Idempotent-Replayed"]);
        Assert.Equal(1, await gateway.ReadAsync<long>("SELECT count(*) FROM inserted"));
    }

    [Fact]
    public async Task EachKindOfStatement_HasItsCommandAndCount()
    {
        await gateway.ExecuteAsync("CREATE TABLE counted (id int PRIMARY KEY, n int)");

        await ExpectAsync("INSERT INTO counted SELECT g, 0 FROM generate_series(1, 5) g", "INSERT", 5);
        await ExpectAsync("UPDATE counted SET n = 1 WHERE id <= 3", "UPDATE", 3);
        await ExpectAsync("WITH gone AS (DELETE FROM counted WHERE id = 5 RETURNING 1) DELETE FROM counted WHERE id = 4", "DELETE", 1);
        await ExpectAsync(
            "MERGE INTO counted USING (VALUES (1), (9)) v(id) ON counted.id = v.id "
            + "WHEN MATCHED THEN UPDATE SET n = 2 WHEN NOT MATCHED THEN INSERT VALUES (v.id, 0)", "MERGE", 2);
        await ExpectAsync("CREATE TABLE copied AS SELECT * FROM counted", "SELECT", 4);
        await ExpectAsync("CREATE INDEX ON counted (n)", "CREATE", null);
        await ExpectAsync("TRUNCATE counted", "TRUNCATE", null);
        await ExpectAsync("DROP TABLE copied", "DROP", null);

        async Task ExpectAsync(string sql, string command, long? count)
        {
            var answer = await gateway.Client.ExecuteAsync(sql);
            Assert.Equal(command, answer.GetProperty("command").GetString());
            Assert.Equal(count?.ToString() ?? "null", answer.GetProperty("rowCount").GetRawText());
        }
    }

    [Theory]
    [InlineData("""{"activityId": "a", "sql": "INSERT INTO refused VALUES (1)"}""")]
    [InlineData("""{"activityId": "a", "sql": "INSERT INTO refused VALUES (1)", "delivery": "exactly-once"}""")]
    public async Task ExactlyOnceWithoutAJournal_IsRefusedBeforeItRuns(string request)
    {
        var dsn = await gateway.CreateDatabaseWithoutJournalAsync();
        await using var server = await Backends.WatchAsync(dsn);
        await server.ExecuteAsync("CREATE TABLE refused (a int)");
        await using var bare = await gateway.StartGatewayAsync($"--DSN={dsn}");

        var answer = await bare.Client.PostAsync("execute", request);

        Assert.Contains("at-least-once", answer.ExpectProblem(422, "journal_missing").GetProperty("detail").GetString());
        Assert.Equal(0, await server.ReadAsync<long>("SELECT count(*) FROM refused"));
    }

    [Fact]
    public async Task ExpectationNotMet_IsRolledBack()
    {
        await gateway.ExecuteAsync("CREATE TABLE expected AS SELECT generate_series(1, 3) AS a");

        var answer = await gateway.Client.PostAsync("execute", new
        {
            activityId = "a",
            sql = "DELETE FROM expected",
            delivery = "at-least-once",
            expect = new { rowCount = 1 },
        });

        var problem = answer.ExpectProblem(422, "expectation_failed");
        Assert.Contains("1 and the statement has 3", problem.GetProperty("detail").GetString());
        Assert.Equal(3, await gateway.ReadAsync<long>("SELECT count(*) FROM expected"));
    }

    [Fact]
    public async Task AnswerTooLarge_IsRolledBack()
    {
        await gateway.ExecuteAsync("CREATE TABLE large (a text)");

        var answer = await gateway.Client.PostAsync("execute", new
        {
            activityId = "a",
            sql = "INSERT INTO large SELECT repeat('x', 100) FROM generate_series(1, 100000) RETURNING a",
            delivery = "at-least-once",
        });

        answer.ExpectProblem(422, "result_too_large");
        Assert.Equal(0, await gateway.ReadAsync<long>("SELECT count(*) FROM large"));
    }

    [Fact]
    public async Task DeferredConstraintThatFailsAtCommit_IsAnErrorAndNothingIsKept()
    {
        await gateway.ExecuteAsync("CREATE TABLE deferred (a int UNIQUE DEFERRABLE INITIALLY DEFERRED)");

        var answer = await gateway.Client.PostAsync("execute", new
        {
            activityId = "a",
            sql = "INSERT INTO deferred VALUES (1), (1)",
            delivery = "at-least-once",
        });

        var problem = answer.ExpectProblem(422, "sql_error");
        Assert.Equal("23505", problem.GetProperty("sqlState").GetString());
        Assert.Equal("no", problem.GetProperty("committed").GetString());
        Assert.Equal(0, await gateway.ReadAsync<long>("SELECT count(*) FROM deferred"));
    }

    [Fact]
    public async Task IdempotencyKey_MayStandInForTheActivityId()
    {
        var body = """{"sql": "CREATE TABLE IF NOT EXISTS keyed (a int)", "delivery": "at-least-once"}"""u8.ToArray();

        var bare = await gateway.Client.PostAsync("execute", body, ("Idempotency-Key", "wf/1"));
        var quoted = await gateway.Client.PostAsync("execute", body, ("Idempotency-Key", "\"wf/\\\"1\""));

        Assert.Equal("wf/1", bare.Expect(HttpStatusCode.OK).GetProperty("activityId").GetString());
        Assert.Equal("wf/\"1", quoted.Expect(HttpStatusCode.OK).GetProperty("activityId").GetString());
    }

    [Fact]
    public async Task IdempotencyKeyUnlikeTheActivityId_IsRefused()
    {
        var answer = await gateway.Client.PostAsync(
            "execute", """{"activityId": "a", "sql": "SELECT 1", "delivery": "at-least-once"}"""u8.ToArray(), ("Idempotency-Key", "b"));

        Assert.Equal("/activityId", answer.ExpectProblem(400, "invalid_request").GetProperty("errors")[0].GetProperty("pointer").GetString());
    }

    [Theory]
    [InlineData("COMMIT")]
    [InlineData("; /* a /* b */ */ -- c\n rollback")]
    [InlineData("SAVEPOINT s")]
    [InlineData("PREPARE/**/TRANSACTION 'x'")]
    [InlineData("SET TRANSACTION READ WRITE")]
    [InlineData("COPY users TO STDOUT")]
    [InlineData("SELECT 1; SELECT 2")]
    [InlineData("SELECT 1; COMMIT")]
    public async Task TransactionControlCopyAndSeveralStatements_AreRejected(string sql)
    {
        foreach (var endpoint in new[] { "query", "execute" })
        {
            object request = endpoint == "query"
                ? new { activityId = "a", sql }
                : new { activityId = "a", sql, delivery = "at-least-once" };
            (await gateway.Client.PostAsync(endpoint, request)).ExpectProblem(422, "sql_rejected");
        }
    }
}
