using System.Net;
using System.Text;
using System.Text.Json;

namespace Gateway.Api.PostgresTests.Clients;

/// <summary>Tests Neon's SQL-over-HTTP protocol, <c>POST /sql</c>, without a driver.</summary>
public sealed class NeonProtocolTests(GatewayFixture gateway)
{
    private const string RawText = "Neon-Raw-Text-Output";
    private const string ArrayMode = "Neon-Array-Mode";
    private const string Isolation = "Neon-Batch-Isolation-Level";
    private const string ReadOnly = "Neon-Batch-Read-Only";
    private const string Deferrable = "Neon-Batch-Deferrable";

    [Theory]
    [InlineData("true", "true", "\"t\"")]
    [InlineData("false", "false", "\"f\"")]
    [InlineData("'-7'::int2", "-7", "\"-7\"")]
    [InlineData("2147483647", "2147483647", "\"2147483647\"")]
    [InlineData("7::int8", "\"7\"", "\"7\"")]
    [InlineData("7::oid", "\"7\"", "\"7\"")]
    [InlineData("1.5::float4", "1.5", "\"1.5\"")]
    [InlineData("0.1::float8 + 0.2::float8", "0.30000000000000004", "\"0.30000000000000004\"")]
    [InlineData("1e300::float8", "1e+300", "\"1e+300\"")]
    [InlineData("'NaN'::float8", "\"NaN\"", "\"NaN\"")]
    [InlineData("'Infinity'::float4", "\"Infinity\"", "\"Infinity\"")]
    [InlineData("'-Infinity'::float8", "\"-Infinity\"", "\"-Infinity\"")]
    [InlineData("1.50", "\"1.50\"", "\"1.50\"")]
    [InlineData("'NaN'::numeric", "\"NaN\"", "\"NaN\"")]
    [InlineData("''::text", "\"\"", "\"\"")]
    [InlineData("'a\"b'", "\"a\\\"b\"", "\"a\\\"b\"")]
    [InlineData("'{\"a\": [1.50, null]}'::json", "{\"a\": [1.50, null]}", "\"{\\\"a\\\": [1.50, null]}\"")]
    [InlineData("'{\"a\":[1.50,null]}'::jsonb", "{\"a\": [1.50, null]}", "\"{\\\"a\\\": [1.50, null]}\"")]
    [InlineData("'null'::jsonb", "null", "\"null\"")]
    [InlineData("'2026-01-02 03:04:05.6+00'::timestamptz AT TIME ZONE 'UTC'", "\"2026-01-02 03:04:05.6\"", "\"2026-01-02 03:04:05.6\"")]
    [InlineData("'2026-01-02'::date", "\"2026-01-02\"", "\"2026-01-02\"")]
    [InlineData("'1 day 2 hours'::interval", "\"1 day 02:00:00\"", "\"1 day 02:00:00\"")]
    [InlineData("'\\x00ff'::bytea", "\"\\\\x00ff\"", "\"\\\\x00ff\"")]
    [InlineData("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid", "\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\"", "\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\"")]
    [InlineData("ROW(1, 'x y')", "\"(1,\\\"x y\\\")\"", "\"(1,\\\"x y\\\")\"")]
    [InlineData("'[1,5)'::int4range", "\"[1,5)\"", "\"[1,5)\"")]
    [InlineData("NULL::int", "null", "null")]
    [InlineData("pg_sleep(0)", "\"\"", "\"\"")]
    [InlineData("'1 2'::int2vector", "\"1 2\"", "\"1 2\"")]
    [InlineData("'{}'::int[]", "[]", "\"{}\"")]
    [InlineData("ARRAY[1, NULL]", "[1,null]", "\"{1,NULL}\"")]
    [InlineData("ARRAY[[1, 2], [3, 4]]", "[[1,2],[3,4]]", "\"{{1,2},{3,4}}\"")]
    [InlineData("'[0:1]={1,2}'::int[]", "[1,2]", "\"[0:1]={1,2}\"")]
    [InlineData("ARRAY[true, NULL]", "[true,null]", "\"{t,NULL}\"")]
    [InlineData("ARRAY[7]::int8[]", "[\"7\"]", "\"{7}\"")]
    [InlineData("ARRAY[1.50]", "[\"1.50\"]", "\"{1.50}\"")]
    [InlineData("ARRAY[1.5, 'NaN']::float8[]", "[1.5,\"NaN\"]", "\"{1.5,NaN}\"")]
    [InlineData("ARRAY['a,b', 'NULL', NULL, '']", "[\"a,b\",\"NULL\",null,\"\"]", "\"{\\\"a,b\\\",\\\"NULL\\\",NULL,\\\"\\\"}\"")]
    [InlineData("ARRAY['{\"a\": 1}', NULL]::jsonb[]", "[{\"a\": 1},null]", "\"{\\\"{\\\\\\\"a\\\\\\\": 1}\\\",NULL}\"")]
    [InlineData("ARRAY['2026-01-02 03:04:05']::timestamp[]", "[\"2026-01-02 03:04:05\"]", "\"{\\\"2026-01-02 03:04:05\\\"}\"")]
    [InlineData("ARRAY['(1,1),(0,0)', '(2,2),(1,1)']::box[]", "[\"(1,1),(0,0)\",\"(2,2),(1,1)\"]", "\"{(1,1),(0,0);(2,2),(1,1)}\"")]
    public async Task Value_IsJsonWhereNothingIsLostAndTextWhereItIsAskedFor(string expression, string json, string text)
    {
        var query = new { query = $"SELECT {expression} AS v", arrayMode = true };

        var plain = (await gateway.Client.SqlAsync(query)).Expect(HttpStatusCode.OK);
        var raw = (await gateway.Client.SqlAsync(query, (RawText, "true"))).Expect(HttpStatusCode.OK);

        Assert.Equal(json, plain.GetProperty("rows")[0][0].GetRawText());
        AssertSame(text, raw.GetProperty("rows")[0][0]);
    }

    [Theory]
    [InlineData("null", "text", "null")]
    [InlineData("\"x\"", "text", "\"x\"")]
    [InlineData("\"{\\\"a\\\": 1}\"", "jsonb", "\"{\\\"a\\\": 1}\"")]
    [InlineData("42", "int", "\"42\"")]
    [InlineData("12345678901234567890.123456789012345678901234567890", "numeric", "\"12345678901234567890.123456789012345678901234567890\"")]
    [InlineData("1e2", "numeric", "\"100\"")]
    [InlineData("1.5", "text", "\"1.5\"")]
    [InlineData("true", "boolean", "\"true\"")]
    [InlineData("false", "text", "\"false\"")]
    [InlineData("{\"a\": [1, \"x\"]}", "jsonb", "\"{\\\"a\\\": [1, \\\"x\\\"]}\"")]
    [InlineData("[]", "int[]", "\"{}\"")]
    [InlineData("[1, null, 3]", "int[]", "\"{1,NULL,3}\"")]
    [InlineData("[true, \"f\"]", "boolean[]", "\"{t,f}\"")]
    [InlineData("[[1, 2], [3, 4]]", "int[]", "\"{{1,2},{3,4}}\"")]
    [InlineData("[\"a,b\", \"\", \"NULL\", \"\\\"\\\\\", null]", "text[]", "\"{\\\"a,b\\\",\\\"\\\",\\\"NULL\\\",\\\"\\\\\\\"\\\\\\\\\\\",NULL}\"")]
    [InlineData("[{\"a\": \"x\\\"y\"}, {}]", "jsonb[]", "\"{\\\"{\\\\\\\"a\\\\\\\": \\\\\\\"x\\\\\\\\\\\\\\\"y\\\\\\\"}\\\",\\\"{}\\\"}\"")]
    public async Task Parameter_IsTheTextThatItsJsonStandsFor(string parameter, string type, string text)
    {
        var body = $$"""{"query": "SELECT ($1::{{type}})::text", "params": [{{parameter}}], "arrayMode": true}""";

        var answer = (await gateway.Client.SqlAsync(body)).Expect(HttpStatusCode.OK);

        AssertSame(text, answer.GetProperty("rows")[0][0]);
    }

    /// <summary>
    /// The protocol ignores the type: an array is sent as a PostgreSQL array, even if the result is not valid JSON.
    /// </summary>
    [Fact]
    public async Task ArrayForJson_IsNoJson()
    {
        var answer = await gateway.Client.SqlAsync("""{"query": "SELECT $1::jsonb", "params": [[1, 2]]}""");

        answer.ExpectError(400, "22P02");
    }

    [Theory]
    [InlineData("""{"query": "SELECT 1 AS n"}""")]
    [InlineData("""{"query": "SELECT 1 AS n", "params": null, "arrayMode": null}""")]
    [InlineData("""{"query": "SELECT 1 AS n", "params": [], "arrayMode": false}""")]
    [InlineData("""{"params": [1], "query": "SELECT $1::int AS n", "another": {"field": []}}""")]
    [InlineData(" \r\n\t{\"query\" : \"SELECT 1 AS n\"} ")]
    public async Task Query_NeedsItsTextOnly(string body)
    {
        var answer = (await gateway.Client.SqlAsync(body)).Expect(HttpStatusCode.OK);

        Assert.Equal("""[{"n":1}]""", answer.GetProperty("rows").GetRawText());
    }

    [Theory]
    [InlineData(null)]
    [InlineData("application/json")]
    [InlineData("text/plain;charset=UTF-8")]
    [InlineData("application/octet-stream")]
    [InlineData("application/x-www-form-urlencoded")]
    public async Task ContentType_IsNoMatter(string? type)
    {
        var content = new ByteArrayContent(Encoding.UTF8.GetBytes("""{"query": "SELECT 'é' AS v"}"""));
        content.Headers.TryAddWithoutValidation("Content-Type", type);

        var answer = await gateway.Client.SqlAsync(content);

        Assert.Equal("""[{"v":"é"}]""", answer.Expect(HttpStatusCode.OK).GetProperty("rows").GetRawText());
        Assert.Equal("application/json", answer.MediaType);
    }

    [Fact]
    public async Task Result_HasFieldsRowsCommandAndCount()
    {
        var answer = await gateway.Client.SqlAsync(new { query = "SELECT 7::numeric(6, 2) AS a, 'x'::varchar(9) AS b, id FROM users WHERE id = 1" });

        var result = answer.Expect(HttpStatusCode.OK);
        var table = await gateway.ReadAsync<uint>("SELECT 'users'::regclass::oid");
        AssertSame(
            $$"""
            {
              "fields": [
                {"name": "a", "dataTypeID": 1700, "tableID": 0, "columnID": 0, "dataTypeSize": -1, "dataTypeModifier": 393222, "format": "text"},
                {"name": "b", "dataTypeID": 1043, "tableID": 0, "columnID": 0, "dataTypeSize": -1, "dataTypeModifier": 13, "format": "text"},
                {"name": "id", "dataTypeID": 20, "tableID": {{table}}, "columnID": 1, "dataTypeSize": 8, "dataTypeModifier": -1, "format": "text"}
              ],
              "rows": [{"a": "7.00", "b": "x", "id": "1"}],
              "command": "SELECT", "rowCount": 1, "rowAsArray": false
            }
            """,
            result);
    }

    [Theory]
    [InlineData("true", true)]
    [InlineData("True", false)]
    [InlineData("TRUE", false)]
    [InlineData("1", false)]
    [InlineData("yes", false)]
    [InlineData("false", false)]
    [InlineData("true, true", false)]
    [InlineData("\"true\"", false)]
    public async Task Flag_CountsOnlyAsExactlyTrue(string value, bool counts)
    {
        var rows = (await gateway.Client.SqlAsync(new { query = "SELECT 1 AS n" }, (RawText, value), (ArrayMode, value))).Expect(HttpStatusCode.OK);
        var batch = (await gateway.Client.SqlAsync(
            Batch("SELECT current_setting('transaction_read_only') || current_setting('transaction_deferrable') AS v"),
            (ReadOnly, value), (Deferrable, value))).Expect(HttpStatusCode.OK);

        Assert.Equal(counts ? """[["1"]]""" : """[{"n":1}]""", rows.GetProperty("rows").GetRawText());
        Assert.Equal(counts, rows.GetProperty("rowAsArray").GetBoolean());
        Assert.Equal(counts ? "onon" : "offoff", batch.GetProperty("results")[0].GetProperty("rows")[0].GetProperty("v").GetString());
    }

    [Theory]
    [InlineData("true", null, true)]
    [InlineData("true", false, false)]
    [InlineData("false", true, true)]
    [InlineData("false", null, false)]
    public async Task ArrayModeOfAQuery_GoesBeforeThatOfTheRequest(string header, bool? own, bool arrays)
    {
        var answer = await gateway.Client.SqlAsync(new { query = "SELECT 1 AS n, 2 AS n", arrayMode = own }, (ArrayMode, header));

        var result = answer.Expect(HttpStatusCode.OK);
        Assert.Equal(arrays, result.GetProperty("rowAsArray").GetBoolean());
        var row = result.GetProperty("rows")[0];
        Assert.Equal(arrays ? "[1,2]" : "2", (arrays ? row : row.GetProperty("n")).GetRawText());
    }

    [Fact]
    public async Task Batch_HasAResultForEachOfItsQueriesInTheirForm()
    {
        var answer = await gateway.Client.SqlAsync(
            new
            {
                queries = new object[]
                {
                    new { query = "SELECT $1::int AS n", @params = new[] { 1 } },
                    new { query = "SELECT 'x' AS s", arrayMode = false },
                    new { query = "SELECT 1 WHERE false" },
                },
            },
            (ArrayMode, "true"));

        var results = answer.Expect(HttpStatusCode.OK).GetProperty("results").EnumerateArray().ToArray();
        Assert.Equal(["[[1]]", """[{"s":"x"}]""", "[]"], results.Select(result => result.GetProperty("rows").GetRawText()));
        Assert.Equal([true, false, true], results.Select(result => result.GetProperty("rowAsArray").GetBoolean()));
        Assert.Equal([1, 1, 0], results.Select(result => result.GetProperty("rowCount").GetInt32()));
    }

    [Fact]
    public async Task BatchOfNothing_HasNoResults()
    {
        var answer = await gateway.Client.SqlAsync(new { queries = Array.Empty<object>() }, (Isolation, "Serializable"));

        answer.Expect(HttpStatusCode.OK);
        Assert.Equal("""{"results":[]}""", answer.Text);
    }

    [Theory]
    [InlineData("ReadUncommitted", "read uncommitted")]
    [InlineData("ReadCommitted", "read committed")]
    [InlineData("RepeatableRead", "repeatable read")]
    [InlineData("Serializable", "serializable")]
    public async Task BatchsHeaders_HoldAndAreEchoed(string level, string setting)
    {
        var answer = await gateway.Client.SqlAsync(
            Batch("SELECT current_setting('transaction_isolation') AS v"), (Isolation, level), (ReadOnly, "true"), (Deferrable, "true"));

        var result = answer.Expect(HttpStatusCode.OK).GetProperty("results")[0];
        Assert.Equal(setting, result.GetProperty("rows")[0].GetProperty("v").GetString());
        Assert.Equal((level, "true", "true"), (answer.Headers[Isolation], answer.Headers[ReadOnly], answer.Headers[Deferrable]));
    }

    [Fact]
    public async Task BatchsHeadersThatAreNoOrOfASingleQuery_AreNotEchoed()
    {
        var batch = await gateway.Client.SqlAsync(Batch("SELECT 1"), (ReadOnly, "false"), (Deferrable, "no"));
        var single = await gateway.Client.SqlAsync(
            new { query = "SELECT current_setting('transaction_isolation') || current_setting('transaction_read_only') AS v" },
            (Isolation, "Serializable"), (ReadOnly, "true"), (Deferrable, "true"));
        var failed = await gateway.Client.SqlAsync(Batch("SELECT 1/0"), (Isolation, "Serializable"), (ReadOnly, "true"));

        batch.Expect(HttpStatusCode.OK);
        failed.ExpectError(400, "22012");
        Assert.Equal("read committedoff", single.Expect(HttpStatusCode.OK).GetProperty("rows")[0].GetProperty("v").GetString());
        Assert.All(
            [batch, single, failed],
            answer => Assert.DoesNotContain(answer.Headers.Keys, name => name.StartsWith("Neon-", StringComparison.OrdinalIgnoreCase)));
    }

    [Theory]
    [InlineData("serializable")]
    [InlineData("READ COMMITTED")]
    [InlineData("Snapshot")]
    [InlineData("")]
    public async Task IsolationLevelThatIsNone_IsRefused(string level)
    {
        (await gateway.Client.SqlAsync(Batch("SELECT 1"), (Isolation, level))).ExpectError(400, "invalid_request");
        (await gateway.Client.SqlAsync(new { query = "SELECT 1" }, (Isolation, level))).ExpectError(400, "invalid_request");
    }

    [Fact]
    public async Task ConnectionString_NamesTheConnection()
    {
        var other = await gateway.CreateDatabaseAsync();
        await using var two = await gateway.StartGatewayAsync($"--Gateway:Connections:other:Dsn={other}");
        async Task<string> DatabaseAsync(string connectionString) => (await two.Client.SqlAsync(
            new { query = "SELECT current_database()::text AS name" }, (NeonCaller.ConnectionString, connectionString)))
            .Expect(HttpStatusCode.OK).GetProperty("rows")[0].GetProperty("name").GetString()!;

        var first = await DatabaseAsync("postgresql://anyone:anything@any.host/default");
        var second = await DatabaseAsync("postgres://someone@[::1]:6543/other?sslmode=require&options=project%3Dx");

        Assert.Equal(await gateway.ReadAsync<string>("SELECT current_database()::text"), first);
        Assert.NotEqual(first, second);
        Assert.Equal(first, await DatabaseAsync("postgresql://anyone:anything@any.host/"));
        Assert.Equal(second, await DatabaseAsync("postgresql://u%40x:p%2F%3A%25@h/%6Fther"));
    }

    private static object Batch(params string[] queries) => new { queries = queries.Select(query => new { query }) };

    private static void AssertSame(string expected, JsonElement actual)
    {
        using var json = JsonDocument.Parse(expected);
        Assert.True(JsonElement.DeepEquals(json.RootElement, actual), $"{expected}\nwas expected, and this came:\n{actual.GetRawText()}");
    }
}
