using System.Net;
using System.Text.Json;

namespace Gateway.Api.PostgresTests;

/// <summary>Tests that PostgreSQL sees a caller's parameters exactly where the caller has put them.</summary>
public sealed class PlaceholderTests(GatewayFixture gateway)
{
    private static readonly JsonSerializerOptions Relaxed = new()
    {
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    [Theory]
    [InlineData("SELECT :a::int", """{"a": 1}""", "1")]
    [InlineData("SELECT CAST(:a AS int)+:a::int", """{"a": 1}""", "2")]
    [InlineData("SELECT ':a' || :a", """{"a": "x"}""", "\":ax\"")]
    [InlineData("SELECT 'it''s :a' || :a", """{"a": "x"}""", "\"it's :ax\"")]
    [InlineData(@"SELECT E'\':a' || :a", """{"a": "x"}""", "\"':ax\"")]
    [InlineData("SELECT E'a'\n'\\':a' || :a", """{"a": "x"}""", "\"a':ax\"")]
    [InlineData(@"SELECT '\' || :a", """{"a": "x"}""", "\"\\\\x\"")]
    [InlineData("SELECT $$:a$$ || $t$:a $$ $t$ || :a", """{"a": "x"}""", "\":a:a $$ x\"")]
    [InlineData("SELECT /* :a /* ' */ :a */ :a -- :a '\n", """{"a": "x"}""", "\"x\"")]
    [InlineData("SELECT \":a\" FROM (SELECT :a::text AS \":a\") t", """{"a": "x"}""", "\"x\"")]
    [InlineData("SELECT (ARRAY[1,2,3,4])[2:3] || :a::int", """{"a": 9}""", "[2,3,9]")]
    [InlineData("SELECT (ARRAY[1,2,3,4])[:lo : :hi]", """{"lo": 2, "hi": 3}""", "[2,3]")]
    [InlineData("SELECT a[lo:hi] || :x::int FROM (SELECT ARRAY[1,2,3] AS a, 1 AS lo, 2 AS hi) t", """{"x": 9}""", "[1,2,9]")]
    [InlineData("SELECT '{\"a\": 1}'::jsonb @> :doc", """{"doc": {"a": 1}}""", "true")]
    [InlineData("SELECT '{\"a\": 1}'::jsonb ? :key", """{"key": "a"}""", "true")]
    [InlineData("SELECT jsonb_build_object('k', 1) ->> :key", """{"key": "k"}""", "\"1\"")]
    [InlineData("SELECT make_interval(days := :n)::text", """{"n": 2}""", "\"2 days\"")]
    [InlineData("SELECT :é || :_b1", """{"é": "1", "_b1": "2"}""", "\"12\"")]
    public async Task NamedPlaceholders_AreFoundWherePostgresHasNone(string sql, string parameters, string json)
    {
        var value = await gateway.Client.QueryValueAsync(sql, JsonDocument.Parse(parameters).RootElement);

        Assert.Equal(json, value.GetRawText());
    }

    [Theory]
    [InlineData("SELECT $1::int + $1::int", "[4]", "8")]
    [InlineData("SELECT $2 || '$1' || $1", """["x", "y"]""", "\"y$1x\"")]
    [InlineData("SELECT $tag$$1$tag$ || $1", """["x"]""", "\"$1x\"")]
    [InlineData("SELECT '{\"a\": 1}'::jsonb ?| $1", """[["a", "b"]]""", "true")]
    [InlineData("SELECT ':a' || $1", """["x"]""", "\":ax\"")]
    public async Task PositionalPlaceholders_AreFoundWherePostgresHasNone(string sql, string parameters, string json)
    {
        var value = await gateway.Client.QueryValueAsync(sql, JsonDocument.Parse(parameters).RootElement);

        Assert.Equal(json, value.GetRawText());
    }

    [Fact]
    public async Task PlaceholdersOfAFunction_AreItsOwn()
    {
        var answer = await gateway.Client.TransactionAsync(
            $"own/{Guid.NewGuid():N}",
            "CREATE FUNCTION pg_temp.plus_one(int) RETURNS int RETURN $1 + 1",
            "PREPARE twice (int) AS SELECT pg_temp.plus_one($1) * 2 AS n",
            "EXECUTE twice (20)");

        Assert.Equal(42, answer.Expect(HttpStatusCode.OK).GetProperty("results")[2].GetProperty("rows")[0].GetProperty("n").GetInt32());
    }

    [Theory]
    [InlineData("text", "null", "null")]
    [InlineData("text", "\"it's \\\"x\\\" \\\\ \\n é 😀\"", "\"it's \\\"x\\\" \\\\ \\n é 😀\"")]
    [InlineData("numeric", "0.1000000000000000055511151231257827", "0.1000000000000000055511151231257827")]
    [InlineData("bigint", "9007199254740993", "9007199254740993")]
    [InlineData("boolean", "true", "true")]
    [InlineData("json", "{\"b\":  1, \"a\": [null]}", "{\"b\":  1, \"a\": [null]}")]
    [InlineData("int[]", "[1, null, 3]", "[1,null,3]")]
    [InlineData("text[]", "[\"a,b\", \"\", \"NULL\", null, \"{\\\"\\\\}\"]", "[\"a,b\",\"\",\"NULL\",null,\"{\\\"\\\\}\"]")]
    [InlineData("int[][]", "[[1, 2], [3, 4]]", "[[1,2],[3,4]]")]
    [InlineData("int[]", "[]", "[]")]
    [InlineData("boolean[]", "[true, false]", "[true,false]")]
    [InlineData("jsonb[]", "[{\"a\": \"x,\\\"y\"}]", "[{\"a\": \"x,\\\"y\"}]")]
    [InlineData("timestamptz", "\"2026-01-02T03:04:05Z\"", "\"2026-01-02T03:04:05+00:00\"")]
    [InlineData("uuid", "\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\"", "\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\"")]
    public async Task Parameter_ComesBackAsItWent(string type, string sent, string returned)
    {
        var answer = await gateway.Client.PostAsync(
            "query", $$"""{"activityId": "a", "rowFormat": "array", "sql": "SELECT $1::{{type}}", "parameters": [{{sent}}]}""");

        var value = answer.Expect(HttpStatusCode.OK).GetProperty("rows")[0][0];
        Assert.True(
            JsonElement.DeepEquals(JsonDocument.Parse(returned).RootElement, value), $"{returned} was expected, and {value.GetRawText()} came.");
        if (value.ValueKind == JsonValueKind.Number)
            Assert.Equal(returned, value.GetRawText());
    }

    /// <summary>
    /// Runs statements of random pieces. Each piece is a column with a known value, whatever text around it looks like
    /// a placeholder.
    /// </summary>
    [Fact]
    public async Task StatementsOfRandomPieces_HaveTheValuesOfTheirPieces()
    {
        var seed = Random.Shared.Next();
        var random = new Random(seed);
        for (var round = 0; round < 150; round++)
        {
            var columns = Enumerable.Range(0, random.Next(1, 12)).Select(_ => Piece(random)).ToList();
            var sql = $"SELECT {string.Join($",{Noise(random)}", columns.Select(column => column.Sql))}{Noise(random)}";
            var names = columns.Where(column => column.Name is not null).Select(column => column.Name!).Distinct()
                .ToDictionary(name => name, ValueOf);

            var answer = await gateway.Client.PostAsync(
                "query", new { activityId = "a", rowFormat = "array", sql, parameters = names });

            var row = answer.Status == HttpStatusCode.OK ? answer.Json.GetProperty("rows")[0].GetRawText() : answer.Text;
            var expected = JsonSerializer.Serialize(columns.Select(column => column.Value), Relaxed);
            Assert.True(expected == row, $"Seed {seed}, round {round}: {expected} was expected, and {row} came, of: {sql}");
        }
    }

    private static string ValueOf(string name) => $"value of {name}";

    private static (string Sql, string? Name, string Value) Piece(Random random)
    {
        var name = $"{"abcxyz_"[random.Next(7)]}{random.Next(3)}";
        var other = $"{"abcxyz_"[random.Next(7)]}{random.Next(3)}";
        return random.Next(9) switch
        {
            0 => ($"':{name}'", null, $":{name}"),
            1 => ($"':{name}''{other}:'", null, $":{name}'{other}:"),
            2 => ($@"E'\':{name}\\'", null, $"':{name}\\"),
            3 => ($"$${name}:{other}$$", null, $"{name}:{other}"),
            4 => ($"$q$:{name} $$ :{other}$q$", null, $":{name} $$ :{other}"),
            5 => ($"(SELECT t.\":{name}\" FROM (SELECT '{other}'::text AS \":{name}\") t)", null, other),
            6 => ($"(ARRAY['{other}'])[1:1]::text", null, $"{{{other}}}"),
            7 => ($"''||:{name}::text", name, ValueOf(name)),
            _ => ($":{name}::text", name, ValueOf(name)),
        };
    }

    private static string Noise(Random random) => random.Next(5) switch
    {
        0 => " /* :no /* ' */ :no $$ */ ",
        1 => " -- :no ' \" $$\n",
        2 => "\n\t",
        _ => " ",
    };
}
