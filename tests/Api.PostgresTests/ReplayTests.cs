using System.Net;
using System.Text.Json.Nodes;
using Gateway.Api.Journal;
using Gateway.Api.PostgresTests.Faults;

namespace Gateway.Api.PostgresTests;

/// <summary>Tests that an activity that runs again finds its effect and its answer.</summary>
public sealed class ReplayTests(GatewayFixture gateway)
{
    private static int _tables;

    [Fact]
    public async Task SentAgain_IsAnsweredWithTheSameBytesAndRunsNothing()
    {
        var table = await CreateTableAsync();
        var request = new { activityId = $"{table}/1", sql = $"INSERT INTO {table} (name) VALUES ($1) RETURNING id, name, clock_timestamp() AS at", parameters = new[] { "é\u0001" } };

        var first = await gateway.Client.PostAsync("execute", request);
        var second = await gateway.Client.PostAsync("execute", request);

        first.Expect(HttpStatusCode.OK);
        second.Expect(HttpStatusCode.OK);
        Assert.Equal(first.Text, second.Text);
        Assert.Equal("false", first.Headers["Idempotent-Replayed"]);
        Assert.Equal("true", second.Headers["Idempotent-Replayed"]);
        Assert.Equal(1, await CountAsync(table));
    }

    [Fact]
    public async Task SecondAttempt_IsAnsweredWithTheRecordOrRunsWhereThereIsNone()
    {
        var table = await CreateTableAsync();
        var sql = $"INSERT INTO {table} DEFAULT VALUES RETURNING id";

        var first = await gateway.Client.PostAsync("execute", new { activityId = $"{table}/1", sql, attempt = 2 });
        var second = await gateway.Client.PostAsync("execute", new { activityId = $"{table}/1", sql, attempt = 3 });
        var other = await gateway.Client.PostAsync("execute", new { activityId = $"{table}/1", sql = $"{sql} /* other */", attempt = 4 });

        first.Expect(HttpStatusCode.OK);
        Assert.Equal("false", first.Headers["Idempotent-Replayed"]);
        Assert.Equal(first.Text, second.Text);
        Assert.Equal("true", second.Headers["Idempotent-Replayed"]);
        other.ExpectProblem(422, "activity_mismatch");
        Assert.Equal(1, await CountAsync(table));
    }

    [Fact]
    public async Task SentToAnotherReplica_IsAnsweredWithTheSameBytes()
    {
        var table = await CreateTableAsync();
        var request = new { activityId = $"{table}/1", sql = $"INSERT INTO {table} DEFAULT VALUES RETURNING id, random()" };
        Answer first;
        await using (var gone = await gateway.StartGatewayAsync())
            first = await gone.Client.PostAsync("execute", request);
        await using var replica = await gateway.StartGatewayAsync();

        var second = await replica.Client.PostAsync("execute", request);

        first.Expect(HttpStatusCode.OK);
        Assert.Equal(first.Text, second.Text);
        Assert.Equal("true", second.Headers["Idempotent-Replayed"]);
        Assert.Equal(1, await CountAsync(table));
    }

    [Theory]
    [InlineData("SELECT 'NaN'::float8 AS a, '-Infinity'::numeric AS b, 1.0000000000000000000000 AS c, 1e-300::float8 AS d")]
    [InlineData("""SELECT E'\u0001\u001f\u2028\u2029 \\ " / é 😀 <script>&' AS a, '{"a":"\\u0000 ","a":1}'::json AS b""")]
    [InlineData("""SELECT '\x0001ff'::bytea AS a, ARRAY[ARRAY['a"b',NULL]] AS b, ROW(1,'x') AS c, NULL AS d, '{}'::int[] AS e""")]
    [InlineData("SELECT WHERE false")]
    [InlineData("SELECT")]
    [InlineData("SET LOCAL bytea_output = 'escape'")]
    [InlineData("SELECT set_config('bytea_output', 'escape', false) AS a, set_config('DateStyle', 'German', false) AS b, set_config('search_path', 'pg_temp', false) AS c")]
    [InlineData("SELECT repeat('é', 2000000) AS a")]
    [InlineData("SELECT repeat(chr(1), 600000) AS a")]
    public async Task AnswerOfAnyKind_IsReplayedByteForByte(string sql)
    {
        var request = new { activityId = $"{await CreateTableAsync()}/1", sql };

        var first = await gateway.Client.PostAsync("execute", request);
        first.Expect(HttpStatusCode.OK);

        for (var time = 0; time < 2; time++)
        {
            var again = await gateway.Client.PostAsync("execute", request);
            Assert.True(first.Text == again.Text, "The replay differs.");
            Assert.Equal("true", again.Headers["Idempotent-Replayed"]);
        }
    }

    [Theory]
    [InlineData("sql", "\"SELECT $1::int  AS a\"")]
    [InlineData("parameters", "[2]")]
    [InlineData("parameters", "[1.0]")]
    [InlineData("parameters", "[\"1\"]")]
    [InlineData("rowFormat", "\"array\"")]
    [InlineData("expect", """{"rowCount": 1}""")]
    public async Task OtherRequestUnderTheSameId_IsAMismatch(string field, string value)
    {
        var id = $"{await CreateTableAsync()}/1";
        var request = new JsonObject { ["activityId"] = id, ["sql"] = "SELECT $1::int AS a", ["parameters"] = new JsonArray(1) };
        var first = await gateway.Client.PostAsync("execute", request);
        first.Expect(HttpStatusCode.OK);

        var other = (JsonObject)request.DeepClone();
        other[field] = JsonNode.Parse(value);
        var problem = (await gateway.Client.PostAsync("execute", other)).ExpectProblem(422, "activity_mismatch");

        Assert.Equal("no", problem.GetProperty("committed").GetString());
        Assert.Equal(first.Text, (await gateway.Client.PostAsync("execute", request)).Text);
    }

    [Fact]
    public async Task SameStatementByTheOtherEndpoint_IsAMismatch()
    {
        var id = $"{await CreateTableAsync()}/1";
        (await gateway.Client.PostAsync("execute", new { activityId = id, sql = "SELECT 1 AS a" })).Expect(HttpStatusCode.OK);

        (await gateway.Client.TransactionAsync(id, "SELECT 1 AS a")).ExpectProblem(422, "activity_mismatch");
    }

    [Theory]
    [InlineData("isolation", "\"serializable\"")]
    [InlineData("deferrable", "true")]
    [InlineData("statements", """[{"sql": "SELECT 2 AS b"}, {"sql": "SELECT 1 AS a"}]""")]
    [InlineData("statements", """[{"sql": "SELECT 1 AS a"}]""")]
    [InlineData("statements", """[{"sql": "SELECT 1 AS a"}, {"sql": "SELECT 2 AS b", "rowFormat": "array"}]""")]
    public async Task OtherTransactionUnderTheSameId_IsAMismatch(string field, string value)
    {
        var request = new JsonObject
        {
            ["activityId"] = $"{await CreateTableAsync()}/1",
            ["statements"] = JsonNode.Parse("""[{"sql": "SELECT 1 AS a"}, {"sql": "SELECT 2 AS b"}]"""),
        };
        (await gateway.Client.PostAsync("transaction", request)).Expect(HttpStatusCode.OK);

        request[field] = JsonNode.Parse(value);

        (await gateway.Client.PostAsync("transaction", request)).ExpectProblem(422, "activity_mismatch");
    }

    [Theory]
    [InlineData("""{"activityId": "ID", "attempt": 7, "timeoutMs": 9999, "sql": "SELECT :a::int AS a, :b::jsonb AS b", "parameters": {"a": 1, "b": {"x": 1, "y": [2]}}}""")]
    [InlineData("""{"parameters": {"b": {"y": [ 2 ], "x": 1}, "a": 1}, "sql": "SELECT :a::int AS a, :b::jsonb AS b", "activityId": "ID"}""")]
    [InlineData("""{"activityId": "ID", "sql": "SELECT \u003aa::int AS a, :b::jsonb AS b", "parameters": {"a": 1, "b": {"\u0078": 1, "y": [2]}}, "rowFormat": "object"}""")]
    [InlineData("""{"activityId": "ID", "delivery": "exactly-once", "connection": "default", "sql": "SELECT :a::int AS a, :b::jsonb AS b", "parameters": {"a": 1, "b": {"x": 1, "y": [2]}}}""")]
    public async Task SameRequestInOtherWords_IsReplayed(string other)
    {
        var id = $"{await CreateTableAsync()}/1";
        var first = await gateway.Client.PostAsync(
            "execute",
            """{"activityId": "ID", "sql": "SELECT :a::int AS a, :b::jsonb AS b", "parameters": {"a": 1, "b": {"x": 1, "y": [2]}}}""".Replace("ID", id));
        first.Expect(HttpStatusCode.OK);

        var again = await gateway.Client.PostAsync("execute", other.Replace("ID", id));

        Assert.Equal(first.Text, again.Text);
        Assert.Equal("true", again.Headers["Idempotent-Replayed"]);
    }

    [Theory]
    [InlineData("""{"sql": "INSERT INTO TABLE SELECT 1 / 0"}""", 422, "sql_error")]
    [InlineData("""{"sql": "INSERT INTO TABLE VALUES (1)", "expect": {"rowCount": 2}}""", 422, "expectation_failed")]
    [InlineData("""{"sql": "INSERT INTO TABLE SELECT g, repeat('x', 1000) FROM generate_series(1, 10000) g RETURNING *"}""", 422, "result_too_large")]
    [InlineData("""{"sql": "INSERT INTO TABLE VALUES (1) RETURNING id AS a, id AS a"}""", 422, "duplicate_column")]
    [InlineData("""{"sql": "INSERT INTO TABLE SELECT 1 FROM pg_sleep(30)", "timeoutMs": 300}""", 504, "deadline_exceeded")]
    [InlineData("""{"sql": "WITH i AS (INSERT INTO TABLE VALUES (1)) SELECT set_config('client_encoding', 'LATIN1', false)"}""", 422, "sql_rejected")]
    [InlineData("""{"sql": "INSERT INTO TABLE SELECT 1 FROM pg_terminate_backend(pg_backend_pid())"}""", 503, "database_unavailable")]
    public async Task FailedActivity_LeavesNothingAndMayRunAsAnotherRequest(string request, int status, string code)
    {
        var table = await CreateTableAsync();
        var failing = JsonNode.Parse(request.Replace("TABLE", table))!;
        failing["activityId"] = $"{table}/1";

        (await gateway.Client.PostAsync("execute", failing)).ExpectProblem(status, code);
        Assert.Equal(0, await CountAsync(table));
        (await gateway.Client.FindActivityAsync($"{table}/1")).ExpectProblem(404, "activity_not_found");

        var corrected = await gateway.Client.PostAsync("execute", new { activityId = $"{table}/1", sql = $"INSERT INTO {table} DEFAULT VALUES" });
        corrected.Expect(HttpStatusCode.OK);
        Assert.Equal("false", corrected.Headers["Idempotent-Replayed"]);
        Assert.Equal(1, await CountAsync(table));
    }

    [Fact]
    public async Task CallerThatLeaves_LeavesNothingAndItsActivityMayRunAgain()
    {
        var table = await CreateTableAsync();
        await using var turnstile = await Turnstile.CloseAsync(gateway.Dsn);
        var request = new { activityId = $"{table}/1", sql = $"INSERT INTO {table} SELECT 1 FROM {turnstile.Pass}" };
        await using (var caller = await LeavingCaller.ConnectAsync(gateway.Address, Departure.Http1Reset))
        {
            await caller.SendAsync("execute", request);
            await turnstile.HoldsAsync(1);
            caller.Leave();
            await turnstile.HoldsAsync(0);
        }
        await turnstile.OpenAsync();

        var again = await gateway.Client.PostAsync("execute", request);

        again.Expect(HttpStatusCode.OK);
        Assert.Equal("false", again.Headers["Idempotent-Replayed"]);
        Assert.Equal(1, await CountAsync(table));
    }

    [Fact]
    public async Task AtLeastOnce_RunsEachTimeAndIsNotRecorded()
    {
        var table = await CreateTableAsync();
        var request = new { activityId = $"{table}/1", sql = $"INSERT INTO {table} DEFAULT VALUES", delivery = "at-least-once" };

        (await gateway.Client.PostAsync("execute", request)).Expect(HttpStatusCode.OK);
        (await gateway.Client.PostAsync("execute", request)).Expect(HttpStatusCode.OK);

        Assert.Equal(2, await CountAsync(table));
        (await gateway.Client.FindActivityAsync($"{table}/1")).ExpectProblem(404, "activity_not_found");
    }

    [Fact]
    public async Task TransactionWithoutAJournal_IsRefusedUntilThereIsOne()
    {
        var dsn = await gateway.CreateDatabaseWithoutJournalAsync();
        await using var server = await Backends.WatchAsync(dsn);
        await server.ExecuteAsync("CREATE TABLE unjournaled (n int)");
        await using var bare = await gateway.StartGatewayAsync($"--DSN={dsn}");
        const string Insert = "INSERT INTO unjournaled VALUES (1)";

        (await bare.Client.TransactionAsync("unjournaled", Insert)).ExpectProblem(422, "journal_missing");
        Assert.Equal(0, await server.ReadAsync<long>("SELECT count(*) FROM unjournaled"));

        await GatewayFixture.InstallJournalAsync(dsn, await server.ReadAsync<string>("SELECT current_user::text"), JournalGuard.None);
        // The gateway looks again only after a while, so that requests that can't succeed do not each cost a
        // connection.
        await Poll.UntilAsync(
            async () => (await bare.Client.TransactionAsync("unjournaled", Insert)).Status == HttpStatusCode.OK);
        Assert.Equal("true", (await bare.Client.TransactionAsync("unjournaled", Insert)).Headers["Idempotent-Replayed"]);
        Assert.Equal(1, await server.ReadAsync<long>("SELECT count(*) FROM unjournaled"));
    }

    private async Task<string> CreateTableAsync()
    {
        var table = $"replayed_{Interlocked.Increment(ref _tables)}";
        await gateway.ExecuteAsync($"CREATE TABLE {table} (id serial PRIMARY KEY, name text)");
        return table;
    }

    private Task<long> CountAsync(string table) => gateway.ReadAsync<long>($"SELECT count(*) FROM {table}");
}
