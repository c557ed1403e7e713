using System.Net;
using System.Text;
using System.Text.Json;
using Gateway.Api.PostgresTests.Faults;

namespace Gateway.Api.PostgresTests;

/// <summary>Tests the maximum size of an answer: the gateway's limit, and the caller's maxRows.</summary>
public sealed class SizeTests(GatewayFixture fixture)
{
    private const int Limit = 1024;

    /// <summary>The number of characters around the value in <c>[["…"]]</c>.</summary>
    private const int AroundOneValue = 6;

    private const string Endless = "generate_series(1, 1000000000)";

    [Theory]
    [InlineData("query")]
    [InlineData("execute")]
    [InlineData("transaction")]
    public async Task Limit_HoldsToTheByte(string endpoint)
    {
        await using var gateway = await StartAsync();

        var fitting = await gateway.Client.PostAsync(endpoint, Request(endpoint, $"{endpoint}-fits", OneValue(Limit)));
        var tooLarge = await gateway.Client.PostAsync(endpoint, Request(endpoint, $"{endpoint}-exceeds", OneValue(Limit + 1)));

        var answer = fitting.Expect(HttpStatusCode.OK);
        var rows = (endpoint == "transaction" ? answer.GetProperty("results")[0] : answer).GetProperty("rows").GetRawText();
        Assert.Equal(Limit, Encoding.UTF8.GetByteCount(rows));
        Assert.Contains($"{Limit} bytes", tooLarge.ExpectProblem(422, "result_too_large").GetProperty("detail").GetString());
    }

    [Fact]
    public async Task Limit_CountsTheBytesOfTheAnswerAndNotThoseOfTheServer()
    {
        await using var gateway = await StartAsync();

        // Each character takes six bytes in JSON.
        var answer = await gateway.Client.PostAsync("query", Request("query", "escaped", "SELECT repeat(chr(1), 300)"));

        answer.ExpectProblem(422, "result_too_large");
    }

    [Theory]
    [InlineData("exactly-once")]
    [InlineData("at-least-once")]
    public async Task ExecutePastTheLimit_LeavesNothingAndMayBeSentAgain(string delivery)
    {
        var table = $"oversized_{delivery.Replace('-', '_')}";
        await fixture.ExecuteAsync($"CREATE TABLE {table} (a text)");
        await using var gateway = await StartAsync();
        object Insert(int length) => new
        {
            activityId = table,
            delivery,
            sql = $"INSERT INTO {table} SELECT repeat('x', {length}) RETURNING a",
        };

        var refused = await gateway.Client.PostAsync("execute", Insert(Limit));

        Assert.Equal("no", refused.ExpectProblem(422, "result_too_large").GetProperty("committed").GetString());
        Assert.Equal(0, await fixture.ReadAsync<long>($"SELECT count(*) FROM {table}"));
        (await gateway.Client.FindActivityAsync(table)).ExpectProblem(404, "activity_not_found");
        (await gateway.Client.PostAsync("execute", Insert(10))).Expect(HttpStatusCode.OK);
        Assert.Equal(1, await fixture.ReadAsync<long>($"SELECT count(*) FROM {table}"));
    }

    [Theory]
    [InlineData("exactly-once")]
    [InlineData("at-least-once")]
    public async Task TransactionWhoseResultsAreTogetherPastTheLimit_LeavesNothingAndMayBeSentAgain(string delivery)
    {
        var table = $"oversized_sum_{delivery.Replace('-', '_')}";
        await fixture.ExecuteAsync($"CREATE TABLE {table} (a text)");
        await using var gateway = await StartAsync();
        object Inserts(int length) => new
        {
            activityId = table,
            delivery,
            statements = Enumerable.Repeat(new { sql = $"INSERT INTO {table} SELECT repeat('x', {length}) RETURNING a" }, 3),
        };

        var refused = await gateway.Client.PostAsync("transaction", Inserts(Limit / 2 - 50));

        var problem = refused.ExpectProblem(422, "result_too_large");
        Assert.Equal(2, problem.GetProperty("statement").GetInt32());
        Assert.Contains($"{Limit} bytes", problem.GetProperty("detail").GetString());
        Assert.Equal(0, await fixture.ReadAsync<long>($"SELECT count(*) FROM {table}"));
        (await gateway.Client.FindActivityAsync(table)).ExpectProblem(404, "activity_not_found");
        (await gateway.Client.PostAsync("transaction", Inserts(Limit / 3 - 50))).Expect(HttpStatusCode.OK);
        Assert.Equal(3, await fixture.ReadAsync<long>($"SELECT count(*) FROM {table}"));
    }

    [Theory]
    [InlineData(null, 3, false)]
    [InlineData(1, 1, true)]
    [InlineData(2, 2, true)]
    [InlineData(3, 3, false)]
    [InlineData(4, 3, false)]
    [InlineData(int.MaxValue, 3, false)]
    public async Task MaxRows_StopsThereAndSaysWhetherThereWereMore(int? maxRows, int rows, bool truncated)
    {
        const string sql = "SELECT generate_series(1, 3) AS g";
        var answer = (await fixture.Client.PostAsync("query", maxRows is null ? new { activityId = "a", sql } : (object)new { activityId = "a", sql, maxRows }))
            .Expect(HttpStatusCode.OK);

        Assert.Equal(truncated, answer.GetProperty("truncated").GetBoolean());
        Assert.Equal(rows, answer.GetProperty("rowCount").GetInt32());
        Assert.Equal(Enumerable.Range(1, rows), answer.GetProperty("rows").EnumerateArray().Select(row => row.GetProperty("g").GetInt32()));
    }

    [Theory]
    [InlineData("SELECT 1 WHERE false")]
    [InlineData("SET work_mem = '1MB'")]
    public async Task MaxRowsOfAStatementWithoutRows_IsNotTruncated(string sql)
    {
        var answer = (await fixture.Client.PostAsync("query", new { activityId = "a", sql, maxRows = 1 })).Expect(HttpStatusCode.OK);

        Assert.False(answer.GetProperty("truncated").GetBoolean());
        Assert.Equal(0, answer.GetProperty("rows").GetArrayLength());
    }

    [Theory]
    [InlineData("0")]
    [InlineData("-1")]
    [InlineData("1.5")]
    [InlineData("\"3\"")]
    [InlineData("3000000000")]
    [InlineData("true")]
    [InlineData("[1]")]
    public async Task MaxRowsThatIsNoCount_IsAFault(string maxRows)
    {
        var answer = await fixture.Client.PostAsync("query", $$"""{"activityId": "a", "sql": "SELECT 1", "maxRows": {{maxRows}}}""");

        AssertFaultAt("/maxRows", answer);
    }

    [Fact]
    public async Task MaxRowsWhereStatementsMayWrite_IsAnUnknownField()
    {
        AssertFaultAt("/maxRows", await fixture.Client.PostAsync("execute", """{"activityId": "a", "sql": "SELECT 1", "maxRows": 1}"""));
        AssertFaultAt(
            "/statements/0/maxRows",
            await fixture.Client.PostAsync("transaction", """{"activityId": "a", "statements": [{"sql": "SELECT 1", "maxRows": 1}]}"""));
        AssertFaultAt(
            "/maxRows", await fixture.Client.PostAsync("transaction", """{"activityId": "a", "statements": [{"sql": "SELECT 1"}], "maxRows": 1}"""));
    }

    /// <summary>
    /// The whole result would take much longer than the timeout. Repeated many times, because the rest of the result is
    /// ended by a cancel, which is a race.
    /// </summary>
    [Fact]
    public async Task TruncatedResultWithoutEnd_IsAnsweredAndItsSessionIsFree()
    {
        await using var backends = await Backends.WatchAsync(fixture.Dsn);
        await using var gateway = await RunningGateway.StartAsync(
            $"--DSN={backends.Named(fixture.Dsn)}", "--Gateway:Connections:default:PoolSize=1");
        var key = Random.Shared.Next();
        for (var time = 0; time < 30; time++)
        {
            var answer = await gateway.Client.PostAsync(
                "query", new { activityId = "a", sql = $"SELECT {Endless} AS g, pg_advisory_lock({key})", maxRows = 2, timeoutMs = 20_000 });

            Assert.True(answer.Expect(HttpStatusCode.OK).GetProperty("truncated").GetBoolean());
            Assert.Equal(2, answer.Json.GetProperty("rows").GetArrayLength());
            Assert.Equal(0, await backends.ReadAsync<long>($"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = {key}"));
            Assert.Equal(1, (await gateway.Client.QueryValueAsync("SELECT 1")).GetInt32());
        }
    }

    /// <summary>The watchdog's cancels and its termination may all be lost; it must send them again.</summary>
    [Fact]
    public async Task TruncatedResultWithoutEnd_IsAnsweredThoughTheFirstSignalsAreLost()
    {
        await using var role = await LoginRole.CreateAsync(fixture.Dsn, "");
        await using var control = FaultProxy.Start(role.ControlDsn);
        await GatewayFixture.ExecuteAsync(fixture.Dsn, $"GRANT {role.Name} TO {role.ControlName}");
        await using var gateway = await RunningGateway.StartAsync($"--DSN={role.Dsn}", $"--Gateway:Connections:default:ControlDsn={control.Dsn}");
        var request = new { activityId = "a", sql = $"SELECT {Endless} AS g", maxRows = 2, timeoutMs = 300_000 };
        // Information about the database that is read once is read now.
        (await gateway.Client.PostAsync("query", request)).Expect(HttpStatusCode.OK);

        control.Set(new BlackHole());
        var answering = gateway.Client.PostAsync("query", request);
        // Longer than the first four signals wait for a session and its connection, so none of them is sent.
        await Task.Delay(TimeSpan.FromSeconds(6), TestContext.Current.CancellationToken);
        control.Set(Fault.None);

        // The client waits for one minute; the deadline is in five minutes.
        Assert.True((await answering).Expect(HttpStatusCode.OK).GetProperty("truncated").GetBoolean());
    }

    /// <summary>The command tag is missing if the rest is cancelled. The command must be known anyway.</summary>
    [Theory]
    [InlineData($"SELECT {Endless} AS g", "SELECT")]
    [InlineData($"/* c */ select {Endless} AS g", "SELECT")]
    [InlineData($"(SELECT {Endless} AS g)", "SELECT")]
    [InlineData($"WITH one AS (SELECT 1) SELECT {Endless} AS g FROM one", "SELECT")]
    [InlineData("TABLE without_end", "SELECT")]
    [InlineData("SELECT generate_series(1, 3)", "SELECT")]
    [InlineData("VALUES (1), (2)", "SELECT")]
    [InlineData("TABLE users", "SELECT")]
    [InlineData("SHOW ALL", "SHOW")]
    [InlineData("EXPLAIN SELECT * FROM users ORDER BY email", "EXPLAIN")]
    public async Task CommandOfATruncatedResult_IsTheStatements(string sql, string command)
    {
        await fixture.ExecuteAsync($"CREATE OR REPLACE VIEW without_end AS SELECT {Endless} AS g");

        var answer = (await fixture.Client.PostAsync("query", new { activityId = "a", sql, maxRows = 1 })).Expect(HttpStatusCode.OK);

        Assert.Equal(command, answer.GetProperty("command").GetString());
        Assert.True(answer.GetProperty("truncated").GetBoolean());
    }

    [Fact]
    public async Task TruncatedResultThatChangesHowDatesPrint_IsRefused()
    {
        var answer = await fixture.Client.PostAsync("query",
            new { activityId = "a", sql = $"SELECT set_config('DateStyle', 'German', false), now(), {Endless}", maxRows = 3, rowFormat = "array" });

        answer.ExpectProblem(422, "sql_rejected");
    }

    [Theory]
    [InlineData("query")]
    [InlineData("execute")]
    [InlineData("transaction")]
    public async Task NumbersString_MakesStringsOfBigintAndNumericWhereverTheyAreSaveInJson(string endpoint)
    {
        var type = $"amounts_{endpoint}";
        await fixture.ExecuteAsync($"CREATE TYPE {type} AS (b bigint, i int, n numeric(30, 2)[])");
        var sql = $$"""
            SELECT 9007199254740993::bigint AS b, 0.10::numeric AS n, 'NaN'::numeric AS x, 7::int AS i, 1.5::float8 AS f, 2::oid AS o,
                   ARRAY[1, NULL, 3]::bigint[] AS bs, ROW(1, 2, '{0.10}')::{{type}} AS c, NULL::bigint AS z,
                   '{"b": 9007199254740993}'::jsonb AS j
            """;

        async Task<string> RowAsync(string? numbers)
        {
            var answer = await fixture.Client.PostAsync(endpoint, Request(endpoint, $"{endpoint}-{numbers}", sql, numbers));
            var json = answer.Expect(HttpStatusCode.OK);
            return (endpoint == "transaction" ? json.GetProperty("results")[0] : json).GetProperty("rows")[0].GetRawText();
        }

        const string exact =
            """[9007199254740993,0.10,"NaN",7,1.5,"2",[1,null,3],{"b":1,"i":2,"n":[0.10]},null,{"b": 9007199254740993}]""";
        Assert.Equal(exact, await RowAsync(null));
        Assert.Equal(exact, await RowAsync("exact"));
        Assert.Equal(
            """["9007199254740993","0.10","NaN",7,1.5,"2",["1",null,"3"],{"b":"1","i":2,"n":["0.10"]},null,{"b": 9007199254740993}]""",
            await RowAsync("string"));
    }

    [Theory]
    [InlineData("\"double\"")]
    [InlineData("null")]
    [InlineData("true")]
    public async Task NumbersThatAreNoChoice_AreAFault(string numbers)
    {
        AssertFaultAt(
            "/numbers", await fixture.Client.PostAsync("query", $$"""{"activityId": "a", "sql": "SELECT 1", "numbers": {{numbers}}}"""));
    }

    [Fact]
    public async Task NumbersOfAnActivity_ArePartOfWhatItIs()
    {
        object Request(string? numbers) => numbers is null
            ? new { activityId = "numbered", sql = "SELECT 1::bigint AS b" }
            : new { activityId = "numbered", sql = "SELECT 1::bigint AS b", numbers };

        var first = await fixture.Client.PostAsync("execute", Request(null));
        var same = await fixture.Client.PostAsync("execute", Request("exact"));
        var other = await fixture.Client.PostAsync("execute", Request("string"));

        Assert.Equal("false", first.Headers["Idempotent-Replayed"]);
        Assert.Equal("true", same.Headers["Idempotent-Replayed"]);
        Assert.Equal(first.Text, same.Text);
        other.ExpectProblem(422, "activity_mismatch");
    }

    [Theory]
    [InlineData("exactly-once")]
    [InlineData("at-least-once")]
    public async Task TwoColumnsOfOneName_AreNotWrittenAsObjectsButAsArrays(string delivery)
    {
        var table = $"twice_{delivery.Replace('-', '_')}";
        await fixture.ExecuteAsync($"CREATE TABLE {table} (a int)");
        object Insert(string rowFormat) => new
        {
            activityId = table,
            delivery,
            rowFormat,
            sql = $"INSERT INTO {table} VALUES (1) RETURNING a, a",
        };

        var refused = await fixture.Client.PostAsync("execute", Insert("object"));
        Assert.Equal("no", refused.ExpectProblem(422, "duplicate_column").GetProperty("committed").GetString());
        Assert.Equal(0, await fixture.ReadAsync<long>($"SELECT count(*) FROM {table}"));

        var answer = (await fixture.Client.PostAsync("execute", Insert("array"))).Expect(HttpStatusCode.OK);
        Assert.Equal("[[1,1]]", answer.GetProperty("rows").GetRawText());
        Assert.Equal(1, await fixture.ReadAsync<long>($"SELECT count(*) FROM {table}"));
    }

    [Fact]
    public async Task EmptyResult_HasItsColumnsAndLeavesTheOthersTheirs()
    {
        var query = await fixture.Client.QueryAsync("SELECT 1 AS a WHERE false");
        Assert.Equal("""[{"name":"a","type":"integer"}]""", query.GetProperty("columns").GetRawText());

        var answer = await fixture.Client.TransactionAsync(
            "empty-results", "SELECT 1 AS a WHERE false", "SELECT 2 AS b", "SELECT 'x' AS c WHERE false", "SET work_mem = '1MB'", "SELECT 4 AS d");
        var results = answer.Expect(HttpStatusCode.OK).GetProperty("results").EnumerateArray();
        Assert.Equal(
            ["a: []", "b: [{\"b\":2}]", "c: []", ": []", "d: [{\"d\":4}]"],
            results.Select(result => string.Join(',', result.GetProperty("columns").EnumerateArray().Select(column => column.GetProperty("name")))
                + ": " + result.GetProperty("rows").GetRawText()));
    }

    [Theory]
    [InlineData("query")]
    [InlineData("execute")]
    [InlineData("transaction")]
    public async Task RowLimit_HoldsToTheRow(string endpoint)
    {
        await using var gateway = await StartWithRowLimitAsync(3);

        var fitting = await gateway.Client.PostAsync(endpoint, Request(endpoint, $"{endpoint}-3-rows", "SELECT generate_series(1, 3)"));
        var tooMany = await gateway.Client.PostAsync(endpoint, Request(endpoint, $"{endpoint}-4-rows", "SELECT generate_series(1, 4)"));

        var answer = fitting.Expect(HttpStatusCode.OK);
        var rows = (endpoint == "transaction" ? answer.GetProperty("results")[0] : answer).GetProperty("rows").GetRawText();
        Assert.Equal("[[1],[2],[3]]", rows);
        Assert.Contains("3 rows (Gateway__RowLimit)", tooMany.ExpectProblem(422, "result_too_large").GetProperty("detail").GetString());
    }

    [Fact]
    public async Task RowLimit_IsForAllStatementsTogetherAndCountsWhatIsReturned()
    {
        await fixture.ExecuteAsync("CREATE TABLE row_limited (n int)");
        await using var gateway = await StartWithRowLimitAsync(3);
        const string Silent = "INSERT INTO row_limited SELECT generate_series(1, 10)";
        const string Returning = "INSERT INTO row_limited VALUES (1), (2) RETURNING n";

        (await gateway.Client.TransactionAsync("row-limit/3", Silent, Returning, "SELECT 1")).Expect(HttpStatusCode.OK);
        Assert.Equal(12, await fixture.ReadAsync<long>("SELECT count(*) FROM row_limited"));

        var refused = await gateway.Client.TransactionAsync("row-limit/4", Silent, Returning, "SELECT 1", "SELECT 2");
        Assert.Equal(3, refused.ExpectProblem(422, "result_too_large").GetProperty("statement").GetInt32());
        Assert.Equal(12, await fixture.ReadAsync<long>("SELECT count(*) FROM row_limited"));
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    public async Task MaxRowsWithinTheRowLimit_IsTruncatedAndNotRefused(int maxRows)
    {
        await using var gateway = await StartWithRowLimitAsync(3);
        object Query(int rows) => new { activityId = "within", sql = $"SELECT {Endless}", maxRows = rows };

        var answer = (await gateway.Client.PostAsync("query", Query(maxRows))).Expect(HttpStatusCode.OK);

        Assert.Equal(maxRows, answer.GetProperty("rowCount").GetInt32());
        Assert.True(answer.GetProperty("truncated").GetBoolean());
        (await gateway.Client.PostAsync("query", Query(4))).ExpectProblem(422, "result_too_large");
    }

    private static string OneValue(int rowsLength) => $"SELECT repeat('x', {rowsLength - AroundOneValue}) AS a";

    private static byte[] Request(string endpoint, string activityId, string sql, string? numbers = null)
    {
        object statement = new { sql, rowFormat = "array" };
        var request = new Dictionary<string, object> { ["activityId"] = activityId };
        if (numbers is not null)
            request["numbers"] = numbers;
        if (endpoint == "transaction")
            request["statements"] = new[] { statement };
        else
            (request["sql"], request["rowFormat"]) = (sql, "array");
        return JsonSerializer.SerializeToUtf8Bytes(request);
    }

    private static void AssertFaultAt(string pointer, Answer answer) => Assert.Equal(
        [pointer],
        answer.ExpectProblem(400, "invalid_request").GetProperty("errors").EnumerateArray().Select(fault => fault.GetProperty("pointer").GetString()));

    private Task<RunningGateway> StartAsync() => fixture.StartGatewayAsync($"--Gateway:ResponseLimitBytes={Limit}");

    private Task<RunningGateway> StartWithRowLimitAsync(int rows) => fixture.StartGatewayAsync($"--Gateway:RowLimit={rows}");
}
