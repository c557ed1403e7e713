using System.Net;

namespace Gateway.Api.PostgresTests;

/// <summary>Tests transactions of several statements: all of them take effect, or none.</summary>
public sealed class TransactionTests(GatewayFixture gateway)
{
    [Fact]
    public async Task Statements_AreCommittedTogetherAndAnsweredInTheirOrder()
    {
        await gateway.ExecuteAsync("CREATE TABLE together (id int, name text)");

        var answer = await gateway.Client.TransactionAsync(
            "together/1",
            new { sql = "INSERT INTO together VALUES ($1, $2), (2, NULL) RETURNING id, name", parameters = new object[] { 1, "é" } },
            new { sql = "UPDATE together SET name = :name", parameters = new { name = "x" }, expect = new { rowCount = 2 } },
            new { sql = "SELECT id, name FROM together ORDER BY id", rowFormat = "array" },
            "SELECT FROM together",
            "CREATE INDEX ON together (id)",
            "SELECT WHERE false");

        Assert.Equal(
            """{"activityId":"together/1","results":[{"command":"INSERT","rowCount":2,"columns":[{"name":"id","type":"integer"},{"name":"name","type":"text"}],"rows":[{"id":1,"name":"é"},{"id":2,"name":null}]},"""
            + """{"command":"UPDATE","rowCount":2,"columns":[],"rows":[]},"""
            + """{"command":"SELECT","rowCount":2,"columns":[{"name":"id","type":"integer"},{"name":"name","type":"text"}],"rows":[[1,"x"],[2,"x"]]},"""
            + """{"command":"SELECT","rowCount":2,"columns":[],"rows":[{},{}]},"""
            + """{"command":"CREATE","rowCount":null,"columns":[],"rows":[]},"""
            + """{"command":"SELECT","rowCount":0,"columns":[],"rows":[]}]}""",
            answer.Text);
        Assert.Equal("false", answer.Headers["Idempotent-Replayed"]);
        Assert.Equal(2, await gateway.ReadAsync<long>("SELECT count(*) FROM together WHERE name = 'x'"));
    }

    /// <summary>
    /// A result may have rows, or columns without rows, or no columns, or be absent. At any position it belongs to its
    /// own statement.
    /// </summary>
    [Fact]
    public async Task ResultsWithoutRows_KeepTheirColumnsAndTheirPlaces()
    {
        await gateway.ExecuteAsync("CREATE TABLE places (a int)");
        (string Sql, string Result)[] kinds =
        [
            ("SELECT 1 AS a WHERE false", """{"command":"SELECT","rowCount":0,"columns":[{"name":"a","type":"integer"}],"rows":[]}"""),
            ("SELECT 2 AS b", """{"command":"SELECT","rowCount":1,"columns":[{"name":"b","type":"integer"}],"rows":[{"b":2}]}"""),
            ("SELECT WHERE false", """{"command":"SELECT","rowCount":0,"columns":[],"rows":[]}"""),
            ("SELECT", """{"command":"SELECT","rowCount":1,"columns":[],"rows":[{}]}"""),
            ("UPDATE places SET a = 1 RETURNING a", """{"command":"UPDATE","rowCount":0,"columns":[{"name":"a","type":"integer"}],"rows":[]}"""),
            ("DELETE FROM places", """{"command":"DELETE","rowCount":0,"columns":[],"rows":[]}"""),
            ("SET LOCAL work_mem = '1MB'", """{"command":"SET","rowCount":null,"columns":[],"rows":[]}"""),
        ];
        // Each kind follows each kind.
        var all = kinds.SelectMany(first => kinds.SelectMany(second => new[] { first, second })).ToArray();

        var answer = await gateway.Client.TransactionAsync("places/1", [.. all.Select(one => (object)one.Sql)]);

        answer.Expect(HttpStatusCode.OK);
        Assert.Equal($"{{\"activityId\":\"places/1\",\"results\":[{string.Join(',', all.Select(one => one.Result))}]}}", answer.Text);
    }

    [Fact]
    public async Task SentAgain_IsAnsweredWithTheSameBytesAndRunsNothing()
    {
        await gateway.ExecuteAsync("CREATE TABLE transacted_once (id serial, at timestamptz DEFAULT clock_timestamp())");
        object[] statements = ["INSERT INTO transacted_once DEFAULT VALUES RETURNING *", "SELECT clock_timestamp(), random()"];

        var first = await gateway.Client.TransactionAsync("transacted_once/1", statements);
        var second = await gateway.Client.TransactionAsync("transacted_once/1", statements);

        first.Expect(HttpStatusCode.OK);
        Assert.Equal(first.Text, second.Text);
        Assert.Equal("true", second.Headers["Idempotent-Replayed"]);
        Assert.Equal(1, await gateway.ReadAsync<long>("SELECT count(*) FROM transacted_once"));
    }

    [Theory]
    [InlineData("SELECT 1 / (n - 1) FROM undone", "22012", null)]
    [InlineData("SELECT nowhere FROM undone", "42703", 8)]
    [InlineData("SELECT 'é😀', nowhere FROM undone", "42703", 14)]
    [InlineData("INSERT INTO undone VALUES (1)", "23505", null)]
    public async Task FailingStatement_IsNamedAndLeavesNothingOfThoseBefore(string failing, string sqlState, int? position)
    {
        await gateway.ExecuteAsync("CREATE TABLE IF NOT EXISTS undone (n int PRIMARY KEY)");

        var answer = await gateway.Client.TransactionAsync("undone", "INSERT INTO undone VALUES (1)", failing, "INSERT INTO undone VALUES (2)");

        var problem = answer.ExpectProblem(422, "sql_error");
        Assert.Equal(sqlState, problem.GetProperty("sqlState").GetString());
        Assert.Equal(1, problem.GetProperty("statement").GetInt32());
        Assert.Equal("no", problem.GetProperty("committed").GetString());
        Assert.Equal(position, problem.TryGetProperty("position", out var at) ? at.GetInt32() : null);
        Assert.Equal(0, await gateway.ReadAsync<long>("SELECT count(*) FROM undone"));
    }

    [Fact]
    public async Task DeferredConstraintThatFailsAtCommit_LeavesNothing()
    {
        await gateway.ExecuteAsync("CREATE TABLE transacted_deferred (a int UNIQUE DEFERRABLE INITIALLY DEFERRED)");

        var answer = await gateway.Client.TransactionAsync(
            "transacted_deferred", "INSERT INTO transacted_deferred VALUES (1)", "INSERT INTO transacted_deferred VALUES (1)");

        Assert.Equal("23505", answer.ExpectProblem(422, "sql_error").GetProperty("sqlState").GetString());
        Assert.Equal(0, await gateway.ReadAsync<long>("SELECT count(*) FROM transacted_deferred"));
        (await gateway.Client.FindActivityAsync("transacted_deferred")).ExpectProblem(404, "activity_not_found");
    }

    [Fact]
    public async Task ExpectationNotMetInTheMiddle_RollsAllBack()
    {
        await gateway.ExecuteAsync("CREATE TABLE transacted_expected AS SELECT generate_series(1, 3) AS a");

        var answer = await gateway.Client.TransactionAsync(
            "transacted_expected",
            "INSERT INTO transacted_expected VALUES (4)",
            new { sql = "DELETE FROM transacted_expected WHERE a = 9", expect = new { rowCount = 1 } },
            "SELECT pg_sleep(0)");

        var problem = answer.ExpectProblem(422, "expectation_failed");
        Assert.Equal(1, problem.GetProperty("statement").GetInt32());
        Assert.Contains("1 and the statement has 0", problem.GetProperty("detail").GetString());
        Assert.Equal(3, await gateway.ReadAsync<long>("SELECT count(*) FROM transacted_expected"));
    }

    /// <summary>
    /// The gateway's scan does not recognise this spelling of the setting. PostgreSQL's answer depends on what ran
    /// before.
    /// </summary>
    [Fact]
    public async Task ReadOnly_CantBeTakenBackByItsFirstStatement()
    {
        var answer = await gateway.Client.PostAsync("transaction", new
        {
            activityId = "transacted/read-only",
            readOnly = true,
            statements = new[] { new { sql = "SET U&\"transaction\\005fread\\005fonly\" = off" }, new { sql = "SELECT nextval('users_id_seq')" } },
        });

        var problem = answer.ExpectProblem(422, "sql_error");
        Assert.Equal("25001", problem.GetProperty("sqlState").GetString());
        Assert.Equal(0, problem.GetProperty("statement").GetInt32());
    }

    [Theory]
    [InlineData(null, "read committed")]
    [InlineData("read committed", "read committed")]
    [InlineData("repeatable read", "repeatable read")]
    [InlineData("serializable", "serializable")]
    public async Task Isolation_IsTheTransactions(string? isolation, string shown)
    {
        foreach (var readOnly in new[] { false, true })
        {
            // The default of the role or the database must not matter.
            await using var other = await gateway.StartGatewayAsync(
                $"--DSN={gateway.Dsn};Options=-c default_transaction_isolation=repeatable\\ read -c default_transaction_read_only={(readOnly ? "off" : "on")}");
            var request = new Dictionary<string, object>
            {
                ["activityId"] = $"isolated/{isolation?.Replace(' ', '-')}/{readOnly}",
                ["readOnly"] = readOnly,
                ["statements"] = new[] { new { sql = "SHOW transaction_isolation" }, new { sql = "SHOW transaction_read_only" } },
            };
            if (isolation is not null)
                request["isolation"] = isolation;

            var results = (await other.Client.PostAsync("transaction", request)).Expect(HttpStatusCode.OK).GetProperty("results");

            Assert.Equal(shown, results[0].GetProperty("rows")[0].GetProperty("transaction_isolation").GetString());
            Assert.Equal(readOnly ? "on" : "off", results[1].GetProperty("rows")[0].GetProperty("transaction_read_only").GetString());
        }
    }

    [Fact]
    public async Task Deferrable_IsTheTransactions()
    {
        var answer = await gateway.Client.PostAsync("transaction", new
        {
            activityId = "deferrable",
            isolation = "serializable",
            readOnly = true,
            deferrable = true,
            statements = new[] { new { sql = "SHOW transaction_deferrable" }, new { sql = "SELECT count(*) FROM users" } },
        });

        var results = answer.Expect(HttpStatusCode.OK).GetProperty("results");
        Assert.Equal("on", results[0].GetProperty("rows")[0].GetProperty("transaction_deferrable").GetString());
    }

    [Fact]
    public async Task RepeatableRead_DoesNotSeeWhatIsCommittedMeanwhile()
    {
        await gateway.ExecuteAsync("CREATE TABLE repeated (n int)");
        await using var turnstile = await Turnstile.CloseAsync(gateway.Dsn);
        var reading = gateway.Client.PostAsync("transaction", new
        {
            activityId = "repeated",
            isolation = "repeatable read",
            statements = new[] { new { sql = $"SELECT 1 FROM {turnstile.Pass}" }, new { sql = "SELECT count(*) FROM repeated" } },
        });
        await turnstile.HoldsAsync(1);

        await gateway.ExecuteAsync("INSERT INTO repeated VALUES (1)");
        await turnstile.OpenAsync();

        var results = (await reading).Expect(HttpStatusCode.OK).GetProperty("results");
        Assert.Equal(0, results[1].GetProperty("rows")[0].GetProperty("count").GetInt32());
    }

    [Theory]
    [InlineData("INSERT INTO read_only_kept VALUES (1)")]
    [InlineData("SELECT nextval('read_only_kept_id_seq')")]
    [InlineData("CREATE TABLE read_only_made (a int)")]
    public async Task WriteInReadOnly_IsRefused(string write)
    {
        await gateway.ExecuteAsync("CREATE TABLE IF NOT EXISTS read_only_kept (n int, id serial)");

        var answer = await gateway.Client.PostAsync("transaction", new
        {
            activityId = "read-only",
            readOnly = true,
            statements = new[] { new { sql = "SELECT 1" }, new { sql = "SELECT 2" }, new { sql = write } },
        });

        var problem = answer.ExpectProblem(422, "read_only");
        Assert.Equal(2, problem.GetProperty("statement").GetInt32());
        Assert.Equal(0, await gateway.ReadAsync<long>("SELECT count(*) FROM read_only_kept"));
    }

    [Fact]
    public async Task ReadOnly_IsNotRecordedAndNeedsNoJournal()
    {
        await using var bare = await gateway.StartGatewayAsync($"--DSN={await gateway.CreateDatabaseWithoutJournalAsync()}");
        var request = new { activityId = "unrecorded", readOnly = true, statements = new[] { new { sql = "SELECT clock_timestamp()" } } };

        foreach (var client in new[] { gateway.Client, bare.Client })
        {
            var first = await client.PostAsync("transaction", request);
            var second = await client.PostAsync("transaction", request);

            first.Expect(HttpStatusCode.OK);
            second.Expect(HttpStatusCode.OK);
            Assert.NotEqual(first.Text, second.Text);
            Assert.Equal("false", second.Headers["Idempotent-Replayed"]);
        }
        (await gateway.Client.FindActivityAsync("unrecorded")).ExpectProblem(404, "activity_not_found");
    }

    [Fact]
    public async Task ReadOnlyConnection_TakesReadOnlyTransactionsOnly()
    {
        await using var reader = await gateway.StartGatewayAsync("--Gateway:Connections:default:ReadOnly=true");
        var statements = new[] { new { sql = "SELECT 1 AS a" } };

        (await reader.Client.PostAsync("transaction", new { activityId = "reader", readOnly = true, statements })).Expect(HttpStatusCode.OK);
        (await reader.Client.PostAsync("transaction", new { activityId = "reader", statements })).ExpectProblem(422, "read_only");
    }

    [Fact]
    public async Task SettingOfTheTransaction_IsSeenByTheNextStatementAndNotByTheNextRequest()
    {
        await using var one = await gateway.StartGatewayAsync("--Gateway:Connections:default:PoolSize=1");

        var answer = await one.Client.TransactionAsync(
            "set-local", "SET LOCAL statement_timeout = '47s'", "SET LOCAL app.tenant = 'a'", "SHOW statement_timeout", "SHOW app.tenant");

        var results = answer.Expect(HttpStatusCode.OK).GetProperty("results");
        Assert.Equal("SET", results[0].GetProperty("command").GetString());
        Assert.Equal("47s", results[2].GetProperty("rows")[0].GetProperty("statement_timeout").GetString());
        Assert.Equal("a", results[3].GetProperty("rows")[0].GetProperty("app.tenant").GetString());
        Assert.NotEqual("47s", (await one.Client.QueryValueAsync("SHOW statement_timeout")).GetString());
        Assert.NotEqual("a", (await one.Client.QueryValueAsync("SELECT current_setting('app.tenant', true)")).GetString());
    }

    [Fact]
    public async Task ResultsTooLargeTogether_AreRolledBack()
    {
        await gateway.ExecuteAsync("CREATE TABLE transacted_large (a text)");
        await using var small = await gateway.StartGatewayAsync("--Gateway:ResponseLimitBytes=4096");
        const string Insert = "INSERT INTO transacted_large VALUES (repeat('x', 1500)) RETURNING a";

        (await small.Client.TransactionAsync("transacted_large/2", Insert, Insert)).Expect(HttpStatusCode.OK);
        var answer = await small.Client.TransactionAsync("transacted_large/3", Insert, Insert, Insert);

        Assert.Equal(2, answer.ExpectProblem(422, "result_too_large").GetProperty("statement").GetInt32());
        Assert.Equal(2, await gateway.ReadAsync<long>("SELECT count(*) FROM transacted_large"));
    }

    [Fact]
    public async Task HundredStatements_RunAndOneMoreIsRefused()
    {
        await gateway.ExecuteAsync("CREATE TABLE hundred (n int)");
        object[] hundred = [.. Enumerable.Range(0, 100).Select(n => new { sql = "INSERT INTO hundred VALUES ($1) RETURNING n", parameters = new[] { n } })];

        var results = (await gateway.Client.TransactionAsync("hundred/100", hundred)).Expect(HttpStatusCode.OK).GetProperty("results");
        var refused = await gateway.Client.TransactionAsync("hundred/101", [.. hundred, "SELECT 1"]);
        var none = await gateway.Client.TransactionAsync("hundred/0");

        Assert.Equal(Enumerable.Range(0, 100), results.EnumerateArray().Select(result => result.GetProperty("rows")[0].GetProperty("n").GetInt32()));
        Assert.Equal("/statements", refused.ExpectProblem(400, "invalid_request").GetProperty("errors")[0].GetProperty("pointer").GetString());
        none.ExpectProblem(400, "invalid_request");
        Assert.Equal(100, await gateway.ReadAsync<long>("SELECT count(*) FROM hundred"));
    }

    [Theory]
    [InlineData("COMMIT")]
    [InlineData("ROLLBACK AND CHAIN")]
    [InlineData("SAVEPOINT s")]
    [InlineData("COPY users TO STDOUT")]
    [InlineData("SELECT 1; SELECT 2")]
    public async Task StatementThatTheGatewayDoesNotRun_IsNamedAndNothingIsKept(string sql)
    {
        await gateway.ExecuteAsync("CREATE TABLE IF NOT EXISTS not_run (n int)");

        var answer = await gateway.Client.TransactionAsync("not-run", "INSERT INTO not_run VALUES (1)", sql, "INSERT INTO not_run VALUES (2)");

        Assert.Equal(1, answer.ExpectProblem(422, "sql_rejected").GetProperty("statement").GetInt32());
        Assert.Equal(0, await gateway.ReadAsync<long>("SELECT count(*) FROM not_run"));
    }
}
