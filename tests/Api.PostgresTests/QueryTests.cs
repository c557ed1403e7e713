using System.Net;
using System.Text.Json;

namespace Gateway.Api.PostgresTests;

public sealed class QueryTests(GatewayFixture gateway)
{
    [Fact]
    public async Task Rows_AreObjectsWithColumnsAndTheirTypes()
    {
        var answer = await gateway.Client.PostAsync("query", """
            {"activityId": "wf-1/users", "attempt": 2, "connection": "default", "timeoutMs": 5000, "rowFormat": "object",
             "sql": "SELECT id, email, tags, settings, created_at FROM users WHERE email = 'alan@example.org'"}
            """);

        Assert.Equal(HttpStatusCode.OK, answer.Status);
        Assert.Equal("application/json", answer.MediaType);
        Assert.Equal(
            """{"activityId":"wf-1/users","command":"SELECT","rowCount":1,"truncated":false,"columns":[{"name":"id","type":"bigint"},"""
            + """{"name":"email","type":"text"},{"name":"tags","type":"text[]"},{"name":"settings","type":"jsonb"},"""
            + """{"name":"created_at","type":"timestamp with time zone"}],"rows":[{"id":2,"email":"alan@example.org","""
            + "\"tags\":[\"runner\"],\"settings\":{},\"created_at\":\"2026-02-03T04:05:06.789+00:00\"}]}",
            answer.Text);
        Assert.False(answer.Headers.ContainsKey("Idempotent-Replayed"));
    }

    [Fact]
    public async Task RowFormatArray_RowsAreArraysAndColumnsMayShareAName()
    {
        var answer = await gateway.Client.PostAsync(
            "query", new { activityId = "a", sql = "SELECT 1 AS x, 2 AS x", rowFormat = "array" });

        Assert.Equal("[[1,2]]", answer.Expect(HttpStatusCode.OK).GetProperty("rows").GetRawText());
    }

    [Fact]
    public async Task RowFormatObject_TwoColumnsOfOneNameAreRefused()
    {
        var answer = await gateway.Client.PostAsync("query", new { activityId = "a", sql = "SELECT 1 AS x, 2 AS x" });

        var problem = answer.ExpectProblem(422, "duplicate_column");
        Assert.Contains("\"x\"", problem.GetProperty("detail").GetString());
    }

    [Theory]
    [InlineData("SELECT 1 WHERE false", "SELECT", 0)]
    [InlineData("VALUES (1), (2)", "SELECT", 2)]
    [InlineData("TABLE users", "SELECT", 3)]
    [InlineData("WITH x AS (SELECT 1) SELECT * FROM x", "SELECT", 1)]
    [InlineData("SHOW server_version", "SHOW", 1)]
    [InlineData("explain (costs off) SELECT 1", "EXPLAIN", 1)]
    [InlineData("DO $$ BEGIN END $$", "DO", null)]
    [InlineData("SET search_path = public", "SET", null)]
    public async Task Command_IsTheTagsFirstWordAndRowCountItsCount(string sql, string command, int? rowCount)
    {
        var answer = await gateway.Client.QueryAsync(sql);

        Assert.Equal(command, answer.GetProperty("command").GetString());
        Assert.Equal(
            rowCount is { } count ? count.ToString() : "null", answer.GetProperty("rowCount").GetRawText());
        Assert.Equal(rowCount ?? 0, answer.GetProperty("rows").GetArrayLength());
    }

    [Theory]
    [InlineData("INSERT INTO users (email, name) VALUES ('x', 'x')")]
    [InlineData("CREATE TABLE t (a int)")]
    [InlineData("SELECT nextval('users_id_seq')")]
    [InlineData("DO $$ BEGIN DELETE FROM orders; END $$")]
    [InlineData("WITH gone AS (DELETE FROM orders RETURNING *) SELECT * FROM gone")]
    [InlineData("SELECT * FROM users FOR UPDATE")]
    public async Task Write_IsRefusedByPostgresItself(string sql)
    {
        var answer = await gateway.Client.PostAsync("query", new { activityId = "a", sql });

        var problem = answer.ExpectProblem(422, "read_only");
        Assert.Equal("25006", problem.GetProperty("sqlState").GetString());
        Assert.Equal("no", problem.GetProperty("committed").GetString());
    }

    [Fact]
    public async Task WriteMadePossibleBySetConfig_IsRefusedByPostgresItself()
    {
        var answer = await gateway.Client.PostAsync(
            "query", new { activityId = "a", sql = "SELECT set_config('transaction_read_only', 'off', false)" });

        Assert.Equal("25001", answer.ExpectProblem(422, "sql_error").GetProperty("sqlState").GetString());
    }

    [Theory]
    [InlineData("true", "true")]
    [InlineData("42::smallint", "42")]
    [InlineData("9007199254740993::bigint", "9007199254740993")]
    [InlineData("0.1000000000000000055511151231257827::numeric", "0.1000000000000000055511151231257827")]
    [InlineData("'NaN'::numeric", "\"NaN\"")]
    [InlineData("'-Infinity'::float8", "\"-Infinity\"")]
    [InlineData("1.5::real", "1.5")]
    [InlineData("NULL::int", "null")]
    [InlineData("'a\"\\b' || chr(10) || 'é€😀'", "\"a\\\"\\\\b\\né€😀\"")]
    [InlineData("'{\"a\":  [1, 2]}'::json", "{\"a\":  [1, 2]}")]
    [InlineData("'2026-01-02 03:04:05.6'::timestamp", "\"2026-01-02T03:04:05.6\"")]
    [InlineData("'2026-01-02 03:04:05+05:30'::timestamptz AT TIME ZONE 'UTC'", "\"2026-01-01T21:34:05\"")]
    [InlineData("'0044-03-15 00:00:00+00 BC'::timestamptz", "\"0044-03-15T00:00:00+00:00 BC\"")]
    [InlineData("'infinity'::timestamptz", "\"infinity\"")]
    [InlineData("'2026-01-02'::date", "\"2026-01-02\"")]
    [InlineData("'{{1,NULL},{3,4}}'::int[]", "[[1,null],[3,4]]")]
    [InlineData("'[0:1]={a,\"b,\\\"c\\\\\"}'::text[]", "[\"a\",\"b,\\\"c\\\\\"]")]
    [InlineData("'{\"NULL\",NULL,\"\"}'::text[]", "[\"NULL\",null,\"\"]")]
    [InlineData("ARRAY['{\"x\": 1}'::jsonb]", "[{\"x\": 1}]")]
    [InlineData("ARRAY['2026-01-02 03:04:05'::timestamp]", "[\"2026-01-02T03:04:05\"]")]
    [InlineData("'{(2,3),(0,1);(5,5),(4,4)}'::box[]", "[\"(2,3),(0,1)\",\"(5,5),(4,4)\"]")]
    [InlineData("'\\xdeadbeef'::bytea", "\"\\\\xdeadbeef\"")]
    [InlineData("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid", "\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\"")]
    [InlineData("'1 day 02:03:04'::interval", "\"1 day 02:03:04\"")]
    public async Task Value_LooksAsToJsonPrintsIt(string expression, string json)
    {
        var value = await gateway.Client.QueryValueAsync($"SELECT {expression}");
        var oracle = await gateway.Client.QueryValueAsync($"SELECT to_json({expression})");

        Assert.Equal(json, value.GetRawText());
        if (json != "null")
            Assert.True(JsonElement.DeepEquals(oracle, value), $"to_json prints {oracle.GetRawText()}");
    }

    [Fact]
    public async Task TypeCreatedAfterTheStart_IsNamedAndItsArraysAreArrays()
    {
        await gateway.ExecuteAsync("CREATE TYPE mood AS ENUM ('sad', 'happy')");
        await gateway.ExecuteAsync("CREATE DOMAIN positive AS int CHECK (VALUE > 0)");

        var answer = await gateway.Client.QueryAsync(
            "SELECT 'happy'::mood AS one, '{sad,happy}'::mood[] AS many, '{7}'::positive[] AS numbers");

        Assert.Equal(["mood", "mood[]", "positive[]"], answer.GetProperty("columns").EnumerateArray().Select(column => column.GetProperty("type").GetString()));
        Assert.Equal("""[{"one":"happy","many":["sad","happy"],"numbers":[7]}]""", answer.GetProperty("rows").GetRawText());
    }

    [Fact]
    public async Task ResultPastTheLimit_IsRefusedWithoutReadingItAll()
    {
        var answer = await gateway.Client.PostAsync(
            "query", new { activityId = "a", sql = "SELECT generate_series(1, 1000000000) AS n", timeoutMs = 50_000 });

        answer.ExpectProblem(422, "result_too_large");
        Assert.Equal(1, (await gateway.Client.QueryValueAsync("SELECT 1")).GetInt32());
    }

    [Fact]
    public async Task ValuePastTheLimit_IsRefused()
    {
        var answer = await gateway.Client.PostAsync("query", new { activityId = "a", sql = "SELECT repeat('x', 5000000)" });

        answer.ExpectProblem(422, "result_too_large");
    }

    [Fact]
    public async Task UnknownConnection_Returns404()
    {
        var answer = await gateway.Client.PostAsync("query", new { activityId = "a", sql = "SELECT 1", connection = "nowhere" });

        answer.ExpectProblem(404, "connection_not_found");
    }

    [Fact]
    public async Task Timings_AndTraceAreInTheHeaders()
    {
        const string trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        var answer = await gateway.Client.PostAsync(
            "query", """{"activityId": "a", "sql": "SELECT 1"}"""u8.ToArray(), ("traceparent", $"00-{trace}-00f067aa0ba902b7-01"));

        Assert.Matches(@"queue;dur=[\d.]+, connect;dur=[\d.]+, execute;dur=[\d.]+, commit;dur=[\d.]+, .*total;dur=", answer.Headers["Server-Timing"]);
        Assert.Contains(trace, answer.Headers["traceparent"]);
    }

    [Fact]
    public async Task NamedConnections_AreServedByTheirOwnDatabases()
    {
        await using var several = await gateway.StartGatewayAsync(
            $"--Gateway:Connections:reports:Dsn={gateway.Dsn};Application Name=reports",
            "--Gateway:Connections:reports:ReadOnly=true");

        var name = await several.Client.PostAsync(
            "query", new { activityId = "a", connection = "reports", sql = "SELECT current_setting('application_name') AS name" });
        Assert.Matches("^reports:a:[0-9a-f]{12}$", name.Expect(HttpStatusCode.OK).GetProperty("rows")[0].GetProperty("name").GetString());

        var write = await several.Client.PostAsync(
            "execute", new { activityId = "a", connection = "reports", sql = "DELETE FROM orders", delivery = "at-least-once" });
        Assert.Contains("reports", write.ExpectProblem(422, "read_only").GetProperty("detail").GetString());
    }
}
