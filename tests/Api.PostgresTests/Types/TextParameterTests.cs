using System.Net;
using System.Text.Json;

namespace Gateway.Api.PostgresTests.Types;

/// <summary>
/// Tests that an array or an object for a parameter of type text is refused, because neither its JSON text nor an array
/// literal is what the caller means. All other values are accepted.
/// </summary>
public sealed class TextParameterTests(TypeDatabase database) : IClassFixture<TypeDatabase>
{
    private static int _tables;

    public static TheoryData<string> TextTypes =>
        ["text", "varchar", "varchar(5)", "char(5)", "bpchar", "name", "\"char\"", "citext", "label", "bytea", "xml", "tsvector", "tsquery", "refcursor"];

    [Theory]
    [MemberData(nameof(TextTypes))]
    public async Task ArrayOrObjectForText_IsRefusedAndRunsNothing(string type)
    {
        var table = await CreateAsync(type);
        foreach (var json in new[] { "[\"k1\", \"k2\"]", "[]", "[null]", "{\"a\": 1}", "{}", "[[1]]" })
        {
            foreach (var call in new[] { 1, 2 })
            {
                await AssertRefusedAsync($"INSERT INTO {table} VALUES ($1)", $"[{json}]", "/parameters/0");
                await AssertRefusedAsync($"INSERT INTO {table} VALUES (:keep)", $$"""{"keep": {{json}}}""", "/parameters/keep");
                await AssertRefusedAsync("SELECT $1", $"[{json}]", "/parameters/0", $"[{JsonSerializer.Serialize(type)}]");
            }
        }
        Assert.Equal("0", (await database.ReadAsync($"SELECT count(*) FROM {table}"))[0][0]);
    }

    /// <summary>A previous version deleted every row, with 200.</summary>
    [Theory]
    [InlineData("DELETE FROM keepers WHERE c0 NOT IN (:keep)")]
    [InlineData("DELETE FROM keepers WHERE c0 <> :keep")]
    [InlineData("DELETE FROM keepers WHERE NOT (c0 = :keep)")]
    [InlineData("DELETE FROM keepers WHERE c0 NOT IN ('other', :keep)")]
    [InlineData("DELETE FROM keepers WHERE position(:keep IN c0) = 0")]
    [InlineData("DELETE FROM keepers WHERE c0 !~ :keep")]
    public async Task ListWhereOneTextIsMeant_DeletesNothing(string sql)
    {
        var table = await CreateAsync("text");
        await GatewayFixture.ExecuteAsync(database.Dsn, $"INSERT INTO {table} VALUES ('k1'), ('k2'), ('gone')");

        var problem = await AssertRefusedAsync(sql.Replace("keepers", table), """{"keep": ["k1", "k2"]}""", "/parameters/keep");

        Assert.Contains("= ANY(:keep)", problem.GetProperty("detail").GetString());
        Assert.Contains("parameterTypes", problem.GetProperty("detail").GetString());
        Assert.Equal("3", (await database.ReadAsync($"SELECT count(*) FROM {table}"))[0][0]);
        (await PostAsync($"DELETE FROM {table} WHERE NOT c0 = ANY(:keep)", """{"keep": ["k1", "k2"]}""")).Expect(HttpStatusCode.OK);
        Assert.Equal("2", (await database.ReadAsync($"SELECT count(*) FROM {table}"))[0][0]);
    }

    /// <summary>PostgreSQL treats a parameter of undetermined type as text.</summary>
    [Theory]
    [InlineData("SELECT $1")]
    [InlineData("SELECT coalesce($1)")]
    [InlineData("SELECT upper($1)")]
    [InlineData("SELECT 1 ORDER BY $1")]
    [InlineData("EXPLAIN SELECT $1")]
    [InlineData("WITH given AS (SELECT $1) SELECT * FROM given")]
    public async Task ArrayWhoseTypeNothingSays_IsRefused(string sql)
    {
        await AssertRefusedAsync(sql, "[[1, 2]]", "/parameters/0");
        await AssertRefusedAsync(sql, "[{\"a\": 1}]", "/parameters/0");
    }

    [Theory]
    [InlineData("text[]", "[\"a\", {\"b\": 1}]", "/parameters/0/1")]
    [InlineData("text[]", "[[\"a\"], [{}]]", "/parameters/0/1/0")]
    [InlineData("one_text", "{\"t\": {\"b\": 1}}", "/parameters/0/t")]
    [InlineData("one_text", "{\"t\": [1]}", "/parameters/0/t")]
    [InlineData("one_text[]", "[null, {\"t\": [1]}]", "/parameters/0/1/t")]
    [InlineData("part", "{\"tags\": [\"a\", {\"b\": 1}]}", "/parameters/0/tags/1")]
    [InlineData("hstore", "{\"a\": {\"b\": 1}}", "/parameters/0/a")]
    [InlineData("hstore", "{\"a\": [1]}", "/parameters/0/a")]
    [InlineData("hstore[]", "[{\"a\": [1]}]", "/parameters/0/0/a")]
    public async Task ArrayOrObjectForTextWithin_IsRefused(string type, string json, string pointer)
    {
        var table = await CreateAsync(type);

        await AssertRefusedAsync($"INSERT INTO {table} VALUES ($1)", $"[{json}]", pointer);
        await AssertRefusedAsync("SELECT $1", $"[{json}]", pointer, $"[\"{type}\"]");
    }

    [Theory]
    [InlineData("text", "\"[1, 2]\"", "[1, 2]")]
    [InlineData("text", "1.50", "1.50")]
    [InlineData("text", "true", "true")]
    [InlineData("text[]", "[1.50, \"x\", [1]]", null)]
    [InlineData("text[]", "[[\"a\"], [\"b\"]]", "{{a},{b}}")]
    [InlineData("hstore", "{\"a\": 1.50, \"b\": null, \"c\": \"{}\"}", "\"a\"=>\"1.50\", \"b\"=>NULL, \"c\"=>\"{}\"")]
    [InlineData("jsonb", "[{\"a\": [1]}]", "[{\"a\": [1]}]")]
    [InlineData("mood", "[\"sad\"]", null)]
    [InlineData("uuid", "[1]", null)]
    public async Task AllElse_IsPostgresqlsToTake(string type, string json, string? stored)
    {
        var table = await CreateAsync(type);

        var answer = await PostAsync($"INSERT INTO {table} VALUES ($1)", $"[{json}]");

        if (stored is null)
            Assert.Equal("22P02", answer.ExpectProblem(422, "sql_error").GetProperty("sqlState").GetString());
        else
            Assert.Equal(stored, (await database.ReadAsync($"SELECT c0::text FROM {table}"))[0][0]);
    }

    /// <summary>In a later statement: the earlier ones are rolled back.</summary>
    [Fact]
    public async Task InATransaction_NothingIsKept()
    {
        var table = await CreateAsync("text");

        var answer = await database.Client.PostAsync(
            "transaction",
            $$"""
            {"activityId": "test", "delivery": "at-least-once", "statements": [
              {"sql": "INSERT INTO {{table}} VALUES ('kept') RETURNING ARRAY[c0] AS list"},
              {"sql": "DELETE FROM {{table}} WHERE c0 NOT IN ($1)", "parameters": [{"$ref": "/0/rows/0/list"}]}]}
            """);

        var problem = answer.ExpectProblem(400, "invalid_request");
        Assert.Equal(1, problem.GetProperty("statement").GetInt32());
        Assert.Equal("/statements/1/parameters/0", problem.GetProperty("errors")[0].GetProperty("pointer").GetString());
        Assert.Equal("0", (await database.ReadAsync($"SELECT count(*) FROM {table}"))[0][0]);
    }

    private async Task<JsonElement> AssertRefusedAsync(string sql, string parameters, string pointer, string? types = null)
    {
        var problem = (await PostAsync(sql, parameters, types)).ExpectProblem(400, "invalid_request");
        Assert.Equal(pointer, problem.GetProperty("errors")[0].GetProperty("pointer").GetString());
        return problem;
    }

    private Task<Answer> PostAsync(string sql, string parameters, string? types = null) => database.Client.PostAsync(
        "execute",
        $$"""
        {"activityId": "test", "delivery": "at-least-once", "sql": {{JsonSerializer.Serialize(sql)}}, "parameters": {{parameters}}
         {{(types is null ? "" : $", \"parameterTypes\": {types}")}}}
        """);

    private async Task<string> CreateAsync(string type)
    {
        var table = $"entered.text{Interlocked.Increment(ref _tables)}";
        await GatewayFixture.ExecuteAsync(database.Dsn, $"CREATE TABLE {table} (c0 {type})");
        return table;
    }
}
