using System.Net;
using System.Text.Json;
using Gateway.Api.PostgresTests.Faults;

namespace Gateway.Api.PostgresTests.Types;

/// <summary>
/// Tests that a value of an answer, sent as a parameter in the same JSON and without a cast in the SQL, is equal to the
/// original.
/// </summary>
public sealed class TypeInTests(TypeDatabase database) : IClassFixture<TypeDatabase>
{
    /// <summary>The number of columns of a row that fits into a page with any values.</summary>
    private const int MostColumns = 100;

    private static int _tables;

    public static TheoryData<string> Kinds => TypeOutTests.Kinds;

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Value_ComesBackEqual(string kind)
    {
        await AssertComeBackAsync(database.Kinds[kind]);
    }

    [Fact]
    public async Task TypeOfTheCatalog_ComesBackEqual()
    {
        var made = (await CatalogTypes.ReadAsync(database)).Values()
            .Where(value => !TypeOutTests.WithoutValues.Contains(value.Type))
            .Select(value => value.Value!);

        await AssertComeBackAsync(made);
    }

    [Theory]
    [InlineData("int", "7")]
    [InlineData("numeric", "1e400")]
    [InlineData("int[]", "[1, null, 3]")]
    [InlineData("int[]", "[[1, 2], [3, 4]]")]
    [InlineData("text[]", "[\"a\", null, \"NULL\", \"\", \"b,{c}\\\"\\\\\"]")]
    [InlineData("text[]", "[1.50, true]")]
    [InlineData("jsonb", "[1, [2, null], {\"k\": \"v\"}]")]
    [InlineData("jsonb", "{\"k\": [1.50]}")]
    [InlineData("jsonb[]", "[1.50, [2, null], {\"k\": \"v\"}, \"s\"]")]
    [InlineData("mood[]", "[\"sad\", \"NULL\"]")]
    [InlineData("int4range", "\"[1,5)\"")]
    [InlineData("timestamptz", "\"1900-01-01T00:00:00-00:44:30\"")]
    public async Task ComparedWithAColumn_TheParameterHasItsType(string type, string json)
    {
        var table = await CreateAsync(type);
        await InsertAsync(table, json);

        var found = await QueryAsync($"SELECT count(*) FROM {table} WHERE c0 = $1", json);

        Assert.Equal("1", found.GetRawText());
    }

    [Theory]
    [InlineData("int[]", "[1, null, 3]", "[1,null,3]")]
    [InlineData("int4[]", "[[1], [2]]", "[[1],[2]]")]
    [InlineData("text[]", "[\"1\", null, 2]", "[\"1\",null,\"2\"]")]
    [InlineData("jsonb", "[1, [2, null], \"s\"]", "[1, [2, null], \"s\"]")]
    [InlineData("json", "[1,  [2]]", "[1,  [2]]")]
    [InlineData("jsonb", "{\"a\": 1.50}", "{\"a\": 1.50}")]
    [InlineData("jsonb", "\"\\\"abc\\\"\"", "\"abc\"")]
    [InlineData("jsonb", "1.50", "1.50")]
    [InlineData("jsonb", "true", "true")]
    [InlineData("jsonb", "null", "null")]
    [InlineData("jsonb", "[[[[[[[1]]]]]]]", "[[[[[[[1]]]]]]]")]
    [InlineData("jsonb[]", "[1, [2, null], \"s\", null, {\"a\": 1}]", "[1,[2, null],\"s\",null,{\"a\": 1}]")]
    [InlineData("json[]", "[[1,  2], \"s\"]", "[[1,  2],\"s\"]")]
    [InlineData("bigint", "9007199254740993", "9007199254740993")]
    [InlineData("bigint[]", "[9007199254740993]", "[9007199254740993]")]
    [InlineData("numeric", "0.1000000000000000055511151231257827", "0.1000000000000000055511151231257827")]
    [InlineData("numeric[]", "[[0.1000000000000000055511151231257827]]", "[[0.1000000000000000055511151231257827]]")]
    [InlineData("jsonb", "[9007199254740993.10]", "[9007199254740993.10]")]
    [InlineData("double precision", "-0", "-0")]
    [InlineData("boolean", "true", "true")]
    [InlineData("boolean[]", "[true, false, \"t\"]", "[true,false,true]")]
    [InlineData("timestamp with time zone", "\"2026-01-02T03:04:05Z\"", "\"2026-01-02T03:04:05+00:00\"")]
    [InlineData("varchar(3)", "\"abc\"", "\"abc\"")]
    [InlineData("mood[]", "[\"sad\", \"\"]", "[\"sad\",\"\"]")]
    [InlineData("\"Odd.Schema\".mood", "\"another\"", "\"another\"")]
    [InlineData("\"Odd.Schema\".\"odd \"\"type\"\"\"[]", "[{\"😀\": \"x\", \"a,b\": \"another\"}, null, {}]",
        "[{\"a,b\":\"another\",\"😀\":\"x\"},null,{\"a,b\":null,\"😀\":null}]")]
    [InlineData("one_text", "{\"t\": 1.50}", "{\"t\":\"1.50\"}")]
    [InlineData("one_text", "{\"t\": null}", "{\"t\":null}")]
    [InlineData("one_text", "\"(x)\"", "{\"t\":\"x\"}")]
    [InlineData("one_text", "null", "null")]
    [InlineData("numbers[]", "[[1], [2, 3]]", "[[1],[2,3]]")]
    [InlineData("int2vector", "[1, 2]", "[1,2]")]
    [InlineData("box[]", "[\"(2,3),(0,1)\", null]", "[\"(2,3),(0,1)\",null]")]
    public async Task TypeDeclared_TheParameterHasIt(string type, string json, string cell)
    {
        var types = JsonSerializer.Serialize(new[] { type });

        Assert.Equal(JsonForm.Of(cell), JsonForm.Of((await QueryAsync("SELECT $1 AS value", json, types)).GetRawText()));
        Assert.Equal(JsonForm.Of(cell), JsonForm.Of((await QueryAsync(
            "SELECT :it AS value", $$"""{"it": {{json}}}""", $$"""{"it": {{JsonSerializer.Serialize(type)}}}""")).GetRawText()));
    }

    [Fact]
    public async Task TypeDeclaredAsNull_IsInferred()
    {
        Assert.Equal(
            "[1,2]", (await QueryAsync("SELECT $1 || $2::int[]", "[[1], [2]]", """["int[]", null]""", raw: true)).GetRawText());
        Assert.Equal("[{\"a\": 1}]", (await QueryAsync("SELECT jsonb_path_query_array($1, $2)", """[{"a": 1}, "$"]""", "[null, null]", raw: true)).GetRawText());
    }

    [Theory]
    [InlineData("int[]", "[1,2]")]
    [InlineData("numeric[]", "[1,2]")]
    [InlineData("text[]", "[\"1\",\"2\"]")]
    [InlineData("jsonb", "[1, 2]")]
    [InlineData("jsonb[]", "[1,2]")]
    [InlineData("json", "[1,  2]")]
    public async Task DefinedInTheSql_TheParameterHasItsType(string type, string cell)
    {
        Assert.Equal(cell, (await QueryAsync($"SELECT $1::{type}", "[1,  2]")).GetRawText());
        Assert.Equal(cell, (await QueryAsync($"SELECT CAST($1 AS {type})", "[1,  2]", "[null]")).GetRawText());
    }

    [Fact]
    public async Task NumberOf400Digits_IsKept()
    {
        Assert.Equal($"1{new string('0', 400)}", (await QueryAsync("SELECT $1::numeric", "1e400")).GetRawText());
        Assert.Equal($"[1{new string('0', 400)}]", (await QueryAsync("SELECT $1::numeric[]", "[1E+400]")).GetRawText());
    }

    [Theory]
    [InlineData("part", """{"n": 1, "nope": 2}""", "/parameters/0/nope")]
    [InlineData("part[]", """[null, {"n": 1}, {"nope": 2}]""", "/parameters/0/2/nope")]
    [InlineData("assembly", """{"parts": [{"a/b~": 1}]}""", "/parameters/0/parts/0/a~1b~0")]
    [InlineData("int[]", "[[[[[[[1]]]]]]]", "/parameters/0/0/0/0/0/0/0")]
    public async Task ValueThatItsTypeHasNoPlaceFor_IsAFaultOfTheRequest(string type, string json, string pointer)
    {
        var table = await CreateAsync(type);

        var inferred = await PostAsync("execute", $"INSERT INTO {table} VALUES ($1)", $"[{json}]");
        var declared = await PostAsync("query", "SELECT $1 AS value", $"[{json}]", JsonSerializer.Serialize(new[] { type }));

        foreach (var answer in new[] { inferred, declared })
            Assert.Equal(pointer, answer.ExpectProblem(400, "invalid_request").GetProperty("errors")[0].GetProperty("pointer").GetString());
        Assert.Equal("0", (await database.ReadAsync($"SELECT count(*) FROM {table}"))[0][0]);
    }

    [Theory]
    [InlineData("int[]", "[[1], [2, 3]]", "22P02")]
    [InlineData("int[]", "{\"a\": 1}", "22P02")]
    [InlineData("int", "[1]", "22P02")]
    [InlineData("mood", "\"cheerful\"", "22P02")]
    [InlineData("jsonb", "\"abc\"", "22P02")]
    [InlineData("positive", "-1", "23514")]
    [InlineData("few_numbers", "[1,2,3,4,5,6,7,8,9]", "23514")]
    public async Task ValueThatItsTypeRefuses_IsAnErrorOfTheSql(string type, string json, string sqlState)
    {
        var table = await CreateAsync(type);

        var answer = await PostAsync("execute", $"INSERT INTO {table} VALUES ($1)", $"[{json}]");

        Assert.Equal(sqlState, answer.ExpectProblem(422, "sql_error").GetProperty("sqlState").GetString());
    }

    [Theory]
    [InlineData("no_such_type")]
    [InlineData("nowhere.at_all")]
    [InlineData("no_such_type[]")]
    public async Task TypeThatIsNotThere_IsAnErrorOfTheSql(string type)
    {
        var answer = await PostAsync("query", "SELECT $1 AS value", "[1]", JsonSerializer.Serialize(new[] { type }));

        Assert.Equal("42704", answer.ExpectProblem(422, "sql_error").GetProperty("sqlState").GetString());
    }

    [Theory]
    [InlineData("")]
    [InlineData("int; DROP TABLE kept")]
    [InlineData("int) AS x; DROP TABLE kept; --")]
    [InlineData("int' || 'eger")]
    [InlineData("int\\u0000")]
    public async Task TypeNameThatIsNone_IsRefusedAndRunsNothing(string type)
    {
        await GatewayFixture.ExecuteAsync(database.Dsn, "CREATE TABLE IF NOT EXISTS kept (n int)");

        var answer = await PostAsync("execute", "SELECT $1 AS value", "[1]", $"[\"{type}\"]");

        Assert.True(answer.Status is HttpStatusCode.BadRequest or HttpStatusCode.UnprocessableEntity, answer.Text);
        Assert.Equal("0", (await database.ReadAsync("SELECT count(*) FROM kept"))[0][0]);
    }

    [Theory]
    [InlineData("SELECT $1, $2", "[1, 2]", """["int"]""")]
    [InlineData("SELECT $1, $2", "[1, 2]", """["int", "int", "int"]""")]
    [InlineData("SELECT $1, $2", "[1, 2]", """["int", 2]""")]
    [InlineData("SELECT $1, $2", "[1, 2]", """{"1": "int", "2": "int"}""")]
    [InlineData("SELECT $1, $2", "[1, 2]", "\"int\"")]
    [InlineData("SELECT :a", """{"a": 1}""", """{"b": "int"}""")]
    [InlineData("SELECT :a", """{"a": 1}""", """["int"]""")]
    [InlineData("SELECT :a", """{"a": 1}""", """{"a": "int", "b": "int"}""")]
    [InlineData("SELECT 1", "null", """["int"]""")]
    public async Task TypesOfAnotherShapeThanTheParameters_AreAFaultOfTheRequest(string sql, string parameters, string types)
    {
        var answer = await PostAsync("query", sql, parameters, types);

        var pointer = answer.ExpectProblem(400, "invalid_request").GetProperty("errors")[0].GetProperty("pointer").GetString();
        Assert.StartsWith("/parameterTypes", pointer);
    }

    /// <summary>The parameter's type changes without the gateway's knowledge.</summary>
    [Fact]
    public async Task ColumnAlteredBetweenTwoCalls_TheParameterHasItsNewType()
    {
        await GatewayFixture.ExecuteAsync(database.Dsn, "CREATE TYPE pair AS (a int, b text); CREATE TYPE other_pair AS (a text, c jsonb)");
        var table = await CreateAsync("int[]");
        (string Type, string Json, string Cell)[] steps =
        [
            ("int[]", "[1, 2]", "[1,2]"), ("jsonb", "[1, 2]", "[1, 2]"), ("int[]", "[1, 2]", "[1,2]"), ("jsonb[]", "[[1, 2]]", "[[1, 2]]"),
            ("json", "[[1,  2]]", "[[1,  2]]"), ("text[]", "[[1, 2]]", "[[\"1\",\"2\"]]"), ("numbers[]", "[[1], [2, 3]]", "[[1],[2,3]]"),
            ("jsonb", "{\"a\": 1}", "{\"a\": 1}"), ("pair", "{\"a\": 1}", "{\"a\":1,\"b\":null}"), ("other_pair", "{\"a\": 1}", "{\"a\":\"1\",\"c\":null}"),
            ("pair[]", "[{\"b\": 1}]", "[{\"a\":null,\"b\":\"1\"}]"), ("jsonb", "[{\"b\": 1}]", "[{\"b\": 1}]"), ("text", "\"x\"", "\"x\""), ("int[]", "[]", "[]"),
        ];
        foreach (var (type, json, cell) in steps)
        {
            await GatewayFixture.ExecuteAsync(database.Dsn, $"DELETE FROM {table}; ALTER TABLE {table} DROP COLUMN c0, ADD COLUMN c0 {type}");
            for (var call = 0; call < 3; call++)
            {
                await InsertAsync(table, json, "(c0)");
                var stored = (await QueryAsync($"SELECT c0 FROM {table} LIMIT 1", "[]", raw: true)).GetRawText();
                Assert.True(JsonForm.Of(cell) == JsonForm.Of(stored), $"{json} as {type}, call {call}: {cell}, not {stored}");
            }
        }
    }

    [Fact]
    public async Task CompositeAlteredBetweenTwoCalls_TheParameterHasItsNewAttributes()
    {
        await GatewayFixture.ExecuteAsync(database.Dsn, "CREATE TYPE shape AS (a int, b text); CREATE TYPE frame AS (inner_one shape, many shape[])");
        var table = await CreateAsync("frame");
        (string Change, string Json, string Cell)[] steps =
        [
            ("SELECT 1", """{"a":1,"b":"x"}""", """{"a":1,"b":"x"}"""),
            ("ALTER TYPE shape ADD ATTRIBUTE c jsonb", """{"c":[1],"b":"x","a":1}""", """{"a":1,"b":"x","c":[1]}"""),
            ("ALTER TYPE shape RENAME ATTRIBUTE b TO d", """{"d":"x","a":1}""", """{"a":1,"d":"x","c":null}"""),
            ("ALTER TYPE shape DROP ATTRIBUTE a", """{"d":"x"}""", """{"d":"x","c":null}"""),
            ("ALTER TYPE shape RENAME TO figure", """{"d":"x"}""", """{"d":"x","c":null}"""),
        ];
        foreach (var (change, json, cell) in steps)
        {
            await GatewayFixture.ExecuteAsync(database.Dsn, $"{change}; DELETE FROM {table}");
            for (var call = 0; call < 3; call++)
            {
                await InsertAsync(table, $$"""{"inner_one":{{json}},"many":[{{json}},null]}""");
                var stored = (await database.ReadAsync($"SELECT to_json(c0)::text FROM {table} LIMIT 1"))[0][0]!;
                Assert.True(JsonForm.Of($$"""{"inner_one":{{cell}},"many":[{{cell}},null]}""") == JsonForm.Of(stored), $"{change}, call {call}: {cell}, not {stored}");
            }
        }

        var gone = await PostAsync("execute", $"INSERT INTO {table} VALUES ($1)", """[{"inner_one": {"a": 1}}]""");
        Assert.Equal(
            "/parameters/0/inner_one/a", gone.ExpectProblem(400, "invalid_request").GetProperty("errors")[0].GetProperty("pointer").GetString());
    }

    [Theory]
    [InlineData("SELECT $1::int[]", "[1, 2]", null)]
    [InlineData("SELECT jsonb_typeof($1)", "[1, 2]", null)]
    [InlineData("SELECT $1::part[]", """[{"n": 1, "numbers": [1]}]""", null)]
    [InlineData("SELECT $1::whole_part", """{"n": 1, "numbers": [1]}""", null)]
    [InlineData("SELECT ARRAY[ROW('x')]::one_text[], $1::int[]", "[7]", null)]
    [InlineData("SELECT ARRAY[ROW('x')]::one_text[], $1::int", "7", null)]
    [InlineData("SELECT $1", "[1, 2]", "int[]")]
    [InlineData("SELECT $1", """{"n": 1}""", "part")]
    [InlineData("SELECT $1", "\"sad\"", "mood")]
    public async Task InTheSteadyState_AParameterTakesNoRoundTripOfItsOwn(string sql, string json, string? type)
    {
        await using var proxy = FaultProxy.Start(database.Dsn);
        await using var gateway = await RunningGateway.StartAsync($"--DSN={proxy.Dsn}");

        var plain = await CountAsync("SELECT $1::int AS value", "[7]", null);
        var other = await CountAsync(sql.Replace("$1", "$1 /* once more */"), $"[{json}]", type is null ? null : $"[\"{type}\"]");

        Assert.Equal(plain, other);

        // The minimum of several counts, because the gateway sometimes checks the server on its own.
        async Task<long> CountAsync(string statement, string parameters, string? types)
        {
            var least = long.MaxValue;
            for (var call = 0; call < 6; call++)
            {
                var before = proxy.RoundTrips;
                var answer = await gateway.Client.PostAsync("query", Body(statement, parameters, types));
                Assert.True(answer.Status == HttpStatusCode.OK, answer.Text);
                least = Math.Min(least, proxy.RoundTrips - before);
            }
            return least;
        }
    }

    private async Task AssertComeBackAsync(IEnumerable<TypeValue> values)
    {
        var faults = new List<string>();
        foreach (var some in values.Where(value => value.Entry != Entry.None).Chunk(MostColumns))
        {
            var parameters = (await database.PrintAsync(some)).Select(ParameterOf).ToArray();
            var table = await CreateAsync([.. some.Select(value => value.Type)]);
            var placeholders = string.Join(", ", some.Select((_, index) => $"${index + 1}"));
            var answer = await PostAsync("execute", $"INSERT INTO {table} VALUES ({placeholders})", $"[{string.Join(",", parameters)}]");
            if (answer.Status != HttpStatusCode.OK)
                faults.AddRange(await RefusedAsync(some, parameters, answer));
            else
                faults.AddRange(await DifferencesAsync(table, some, parameters));
        }
        Found.AssertNone(faults);
    }

    private async Task<IEnumerable<string>> DifferencesAsync(string table, TypeValue[] values, string[] parameters)
    {
        var rows = await database.ReadAsync(string.Join(" UNION ALL ", values.Select((value, index) =>
        {
            var print = value.Entry == Entry.AsPrinted ? "to_json" : "";
            return $"SELECT {index} AS n, {print}(c{index})::text, {print}({value.Sql})::text FROM {table}";
        })) + " ORDER BY n");
        return rows.Where(row => row[1] != row[2]).Select(row =>
            $"{JsonForm.Excerpt(values[int.Parse(row[0]!)].Sql)}\n  as {JsonForm.Excerpt(parameters[int.Parse(row[0]!)])}\n"
            + $"  is        {JsonForm.Excerpt(row[2])}\n  came back {JsonForm.Excerpt(row[1])}");
    }

    /// <summary>Finds the values that were refused.</summary>
    private async Task<IEnumerable<string>> RefusedAsync(TypeValue[] values, string[] parameters, Answer whole)
    {
        var faults = new List<string> { $"Refused together: {JsonForm.Excerpt(whole.Text)}" };
        foreach (var (value, parameter) in values.Zip(parameters))
        {
            var table = await CreateAsync(value.Type);
            var answer = await PostAsync("execute", $"INSERT INTO {table} VALUES ($1)", $"[{parameter}]");
            if (answer.Status != HttpStatusCode.OK)
                faults.Add($"{JsonForm.Excerpt(value.Sql)}\n  as {JsonForm.Excerpt(parameter)}\n  {JsonForm.Excerpt(answer.Text)}");
        }
        return faults;
    }

    /// <summary>
    /// Returns the parameter of a printed value. A string is the text of its type, also for JSON; as JSON its outer
    /// white space would belong to the request.
    /// </summary>
    private static string ParameterOf(Printed printed) => printed switch
    {
        { Json: null } => "null",
        { IsJson: true } when printed.Json[0] == '"' || printed.Json.Trim().Length < printed.Json.Length => JsonSerializer.Serialize(printed.Json),
        _ => printed.Json,
    };

    private async Task<string> CreateAsync(params string[] types)
    {
        var table = $"entered.t{Interlocked.Increment(ref _tables)}";
        await GatewayFixture.ExecuteAsync(
            database.Dsn, $"CREATE TABLE {table} ({string.Join(", ", types.Select((type, index) => $"c{index} {type}"))})");
        return table;
    }

    private async Task InsertAsync(string table, string json, string columns = "")
    {
        var answer = await PostAsync("execute", $"INSERT INTO {table} {columns} VALUES ($1)", $"[{json}]");
        Assert.True(answer.Status == HttpStatusCode.OK, $"{json}: {answer.Text}");
    }

    /// <summary>Returns the value of a query with one parameter and one column.</summary>
    private async Task<JsonElement> QueryAsync(string sql, string parameter, string? types = null, bool raw = false)
    {
        var parameters = raw || sql.Contains(':') && !sql.Contains('$') ? parameter : $"[{parameter}]";
        var answer = await PostAsync("query", sql, parameters, types);
        Assert.True(answer.Status == HttpStatusCode.OK, $"{sql} with {JsonForm.Excerpt(parameter)}: {answer.Text}");
        return answer.Json.GetProperty("rows")[0][0];
    }

    private Task<Answer> PostAsync(string endpoint, string sql, string parameters, string? types = null)
    {
        var more = endpoint == "execute" ? "\"delivery\": \"at-least-once\", " : "\"rowFormat\": \"array\", ";
        return database.Client.PostAsync(endpoint, Body(sql, parameters, types, more));
    }

    private static string Body(string sql, string parameters, string? types, string more = "") =>
        $$"""{"activityId": "test", "timeoutMs": 60000, {{more}} "sql": {{JsonSerializer.Serialize(sql)}}, "parameters": {{parameters}}{{(types is null ? "" : $", \"parameterTypes\": {types}")}}}""";
}
