using System.Net;

namespace Gateway.Api.PostgresTests;

/// <summary>Tests parameters that are values of earlier statements' results.</summary>
public sealed class ReferenceTests(GatewayFixture gateway)
{
    private static int _activities;

    [Theory]
    [InlineData("7", "int")]
    [InlineData("9223372036854775807", "bigint")]
    [InlineData("'12345678901234567890.123456789012345678900'", "numeric")]
    [InlineData("'NaN'", "numeric")]
    [InlineData("1e-300", "float8")]
    [InlineData("'-Infinity'", "float8")]
    [InlineData("NULL", "int")]
    [InlineData("NULL", "text")]
    [InlineData("NULL", "jsonb")]
    [InlineData("false", "boolean")]
    [InlineData("''", "text")]
    [InlineData("""'it''s "q" \n {a,b} é😀'""", "text")]
    [InlineData("'null'", "text")]
    [InlineData("ARRAY[1, NULL, 3]", "int[]")]
    [InlineData("ARRAY[[1, 2], [3, 4]]", "int[]")]
    [InlineData("'{}'", "int[]")]
    [InlineData("""ARRAY['a,b', '{}', NULL, 'NULL', '', '"\']""", "text[]")]
    [InlineData("ARRAY['2026-01-02 03:04:05.678901+02', 'infinity']", "timestamptz[]")]
    [InlineData("""'{"a": [1, {"b": null}], "$ref": "x"}'""", "jsonb")]
    [InlineData("""'{"$ref": "/0/rows/0/v"}'""", "jsonb")]
    [InlineData("""'[1, "x", [2], {}]'""", "jsonb")]
    [InlineData("'[]'", "jsonb")]
    [InlineData("""'"text"'""", "jsonb")]
    [InlineData("'1.50'", "jsonb")]
    [InlineData("'true'", "jsonb")]
    [InlineData("'2026-01-02 03:04:05.678901+02'", "timestamptz")]
    [InlineData("'0044-03-15 BC'", "date")]
    [InlineData("'1 day 02:03:04'", "interval")]
    [InlineData("""'\x00ff5c'""", "bytea")]
    [InlineData("'[1,5)'", "int4range")]
    [InlineData("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "uuid")]
    public async Task ValueOfAnyType_ArrivesAsItIs(string value, string type)
    {
        foreach (var rowFormat in new[] { "object", "array" })
        {
            var answer = await gateway.Client.TransactionAsync(
                NextActivity(),
                new { sql = $"SELECT 0 AS other, ({value})::{type} AS v", rowFormat },
                new
                {
                    sql = $"SELECT $1::{type} IS NOT DISTINCT FROM ({value})::{type} AS same, $1::{type}::text IS NOT DISTINCT FROM ({value})::{type}::text AS \"sameText\"",
                    parameters = new[] { Reference($"/0/rows/0/{(rowFormat == "object" ? "v" : "1")}") },
                });

            var row = answer.Expect(HttpStatusCode.OK).GetProperty("results")[1].GetProperty("rows")[0];
            Assert.True(row.GetProperty("same").GetBoolean(), answer.Text);
            Assert.True(row.GetProperty("sameText").GetBoolean(), answer.Text);
        }
    }

    [Theory]
    [InlineData("/0/rows/0/doc/lines/1/qty", "2.50")]
    [InlineData("/0/rows/0/doc/lines/0", """{"sku": "a"}""")]
    [InlineData("/0/rows/0/a~1b~0c~01", "odd")]
    [InlineData("/0/rows/0/doc/lines/1/", "empty")]
    [InlineData("/0/rows/1/doc", """{"second": true}""")]
    [InlineData("/0/rowCount", "2")]
    public async Task Pointer_FindsWhatItSays(string pointer, string found)
    {
        var answer = await gateway.Client.TransactionAsync(
            NextActivity(),
            """
            SELECT * FROM (VALUES ('{"lines": [{"sku": "a"}, {"qty": 2.50, "": "empty"}]}'::jsonb, 'odd'), ('{"second": true}', '')) v(doc, "a/b~c~1")
            """,
            new { sql = "SELECT $1::text AS found", parameters = new[] { Reference(pointer) } });

        Assert.Equal(found, answer.Expect(HttpStatusCode.OK).GetProperty("results")[1].GetProperty("rows")[0].GetProperty("found").GetString());
    }

    [Fact]
    public async Task OrderAndItsLines_NeedOneRequest()
    {
        await gateway.ExecuteAsync("CREATE TABLE referred_orders (id bigserial PRIMARY KEY, note text)");
        await gateway.ExecuteAsync("CREATE TABLE referred_lines (id bigserial PRIMARY KEY, order_id bigint REFERENCES referred_orders, n bigint)");
        await gateway.ExecuteAsync("SELECT setval('referred_orders_id_seq', 9007199254740992)");

        var answer = await gateway.Client.TransactionAsync(
            "referred/1",
            new { sql = "INSERT INTO referred_orders (note) VALUES ($1) RETURNING id", parameters = new[] { "x" } },
            new { sql = "INSERT INTO referred_lines (order_id, n) VALUES (:order, 1), (:order, 2) RETURNING id, n", parameters = new { order = Reference("/0/rows/0/id") } },
            new { sql = "UPDATE referred_lines SET n = 10 WHERE id = $2 AND order_id = $1 RETURNING n", parameters = new[] { Reference("/0/rows/0/id"), Reference("/1/rows/1/id") } },
            new { sql = "SELECT $1::int + $2::int AS sum, $3::text AS plain", parameters = new object[] { Reference("/2/rows/0/n"), Reference("/1/rowCount"), "p" } });

        var results = answer.Expect(HttpStatusCode.OK).GetProperty("results");
        Assert.Equal("9007199254740993", results[0].GetProperty("rows")[0].GetProperty("id").GetRawText());
        Assert.Equal("""{"sum":12,"plain":"p"}""", results[3].GetProperty("rows")[0].GetRawText());
        Assert.Equal(
            "1,10", await gateway.ReadAsync<string>("SELECT string_agg(n::text, ',' ORDER BY n) FROM referred_lines WHERE order_id = 9007199254740993"));
    }

    [Theory]
    [InlineData("/0/rows/1/id")]
    [InlineData("/0/rows/0/other")]
    [InlineData("/0/rows/0/id/deeper")]
    [InlineData("/0/rows/0/doc/2")]
    [InlineData("/1/rows/0/id")]
    public async Task WhatIsNotThere_RollsAllBackAndMayRunAgain(string pointer)
    {
        await gateway.ExecuteAsync("CREATE TABLE IF NOT EXISTS referred_nowhere (id int)");
        await gateway.ExecuteAsync("TRUNCATE referred_nowhere");
        var id = NextActivity();

        var answer = await gateway.Client.TransactionAsync(
            id,
            "INSERT INTO referred_nowhere VALUES (1) RETURNING id, '[1, 2]'::jsonb AS doc",
            "SELECT 1 AS id WHERE false",
            new { sql = "SELECT $1::int", parameters = new[] { Reference(pointer) } });

        var problem = answer.ExpectProblem(422, "expectation_failed");
        Assert.Equal(2, problem.GetProperty("statement").GetInt32());
        Assert.Contains(pointer, problem.GetProperty("detail").GetString());
        Assert.Equal(0, await gateway.ReadAsync<long>("SELECT count(*) FROM referred_nowhere"));
        (await gateway.Client.TransactionAsync(id, "INSERT INTO referred_nowhere VALUES (2)")).Expect(HttpStatusCode.OK);
        Assert.Equal(1, await gateway.ReadAsync<long>("SELECT count(*) FROM referred_nowhere"));
    }

    [Theory]
    [InlineData("/1/rows/0/id")]
    [InlineData("/2/rows/0/id")]
    [InlineData("0/rows/0/id")]
    [InlineData("/0/columns/0/name")]
    [InlineData("/-1/rows/0/id")]
    [InlineData("")]
    public async Task PointerThatCannotBe_IsRefusedBeforeAnythingRuns(string pointer)
    {
        var answer = await gateway.Client.TransactionAsync(
            NextActivity(), "SELECT 1 AS id", new { sql = "SELECT $1::int", parameters = new[] { Reference(pointer) } });

        Assert.Equal(
            "/statements/1/parameters/0", answer.ExpectProblem(400, "invalid_request").GetProperty("errors")[0].GetProperty("pointer").GetString());
    }

    [Fact]
    public async Task CountThatAStatementHasNot_IsNull()
    {
        var answer = await gateway.Client.TransactionAsync(
            NextActivity(), "SET LOCAL app.a = '1'", new { sql = "SELECT $1::int AS n", parameters = new[] { Reference("/0/rowCount") } });

        Assert.Equal("""{"n":null}""", answer.Expect(HttpStatusCode.OK).GetProperty("results")[1].GetProperty("rows")[0].GetRawText());
    }

    [Fact]
    public async Task ValueThatPostgreSqlRefuses_IsNotShown()
    {
        var answer = await gateway.Client.TransactionAsync(
            NextActivity(),
            new { sql = "SELECT concat('can', 'ary') AS secret" },
            new { sql = "SELECT $1::int", parameters = new[] { Reference("/0/rows/0/secret") } });

        Assert.Equal(1, answer.ExpectProblem(422, "sql_error").GetProperty("statement").GetInt32());
        Assert.DoesNotContain("canary", answer.Text);
    }

    /// <summary>The parsing time is proportional to depth times size, and no deadline interrupts it.</summary>
    [Theory]
    [InlineData(10, 400_000, true)]
    [InlineData(5_000, 400_000, false)]
    [InlineData(5_000, 1, true)]
    public async Task ResultNestedTooDeeplyForItsSize_IsRefused(int depth, int size, bool isTaken)
    {
        var answer = await gateway.Client.TransactionAsync(
            NextActivity(),
            $"SELECT (repeat('[', {depth}) || rtrim(repeat('1,', {size}), ',') || repeat(']', {depth}))::json AS a, 7 AS b",
            new { sql = "SELECT $1::int AS n", parameters = new[] { Reference("/0/rows/0/b") } });

        // Too deep for the test's own parser.
        if (isTaken)
            Assert.Contains("""{"n":7}""", answer.Text);
        else
            Assert.Equal(1, answer.ExpectProblem(422, "result_too_large").GetProperty("statement").GetInt32());
    }

    /// <summary>If it were parsed for each statement, that would take twice the timeout.</summary>
    [Fact]
    public async Task LargeResultThatManyStatementsReferTo_IsParsedOnce()
    {
        var referring = Enumerable.Repeat<object>(new { sql = "SELECT $1::int AS n", parameters = new[] { Reference("/0/rows/0/b") } }, 99);

        var answer = await gateway.Client.PostAsync("transaction", new
        {
            activityId = NextActivity(),
            timeoutMs = 12_000,
            statements = referring.Prepend(new { sql = "SELECT ('[' || repeat('1,', 1900000) || '1]')::json AS a, 7 AS b" }),
        });

        Assert.Equal(100, answer.Expect(HttpStatusCode.OK).GetProperty("results").GetArrayLength());
    }

    /// <summary>A parsed result needs many times the memory of its text: here 24 MiB for 3.</summary>
    [Fact]
    public async Task ParsedResult_CountsInTheBudgetOfMemory()
    {
        await using var small = await gateway.StartGatewayAsync($"--Gateway:MemoryBudgetBytes={32 << 20}");
        object[] statements =
        [
            "SELECT (SELECT json_agg(1) FROM generate_series(1, 1000000)) AS a, 7 AS b",
            new { sql = "SELECT $1::int AS n", parameters = new[] { Reference("/0/rows/0/b") } },
        ];

        (await small.Client.TransactionAsync(NextActivity(), statements)).ExpectProblem(422, "result_too_large");
        (await gateway.Client.TransactionAsync(NextActivity(), statements)).Expect(HttpStatusCode.OK);
    }

    [Fact]
    public async Task OutsideOfATransaction_IsAnObjectLikeAnyOther()
    {
        var value = await gateway.Client.QueryValueAsync("SELECT $1::jsonb", new[] { Reference("/0/rows/0/id") });

        Assert.Equal("/0/rows/0/id", value.GetProperty("$ref").GetString());
    }

    private static Dictionary<string, string> Reference(string pointer) => new() { ["$ref"] = pointer };

    private static string NextActivity() => $"referring/{Interlocked.Increment(ref _activities)}";
}
