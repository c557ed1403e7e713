using System.Net;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Gateway.Api.PostgresTests.Types;

/// <summary>
/// Tests a transaction that creates or alters a type, and returns values of it: it gets the names and types as they are
/// in the transaction, and all other requests as they are outside.
/// </summary>
public sealed class AlteredTypeTests(TypeDatabase database) : IClassFixture<TypeDatabase>
{
    private const string Pair = "CREATE TYPE it AS (a text, b text)";

    private static int _types;

    /// <summary>
    /// The type is called <c>it</c> here, and has another name in each case. Name, the preparation, the statements, the
    /// answer of the last one, and its type.
    /// </summary>
    private static readonly (string Name, string Before, string[] Statements, string Value, string Type)[] Cases =
    [
        ("attribute renamed", Pair, ["ALTER TYPE it RENAME ATTRIBUTE a TO z", "SELECT ROW('1','2')::it"], """{"z":"1","b":"2"}""", "it"),
        ("attributes exchanged", Pair,
            ["ALTER TYPE it RENAME ATTRIBUTE a TO c", "ALTER TYPE it RENAME ATTRIBUTE b TO a", "ALTER TYPE it RENAME ATTRIBUTE c TO b", "SELECT ROW('1','2')::it"],
            """{"b":"1","a":"2"}""", "it"),
        ("attribute added", Pair, ["ALTER TYPE it ADD ATTRIBUTE c int", "SELECT ROW('1','2',3)::it"], """{"a":"1","b":"2","c":3}""", "it"),
        ("attribute dropped", Pair, ["ALTER TYPE it DROP ATTRIBUTE a", "SELECT ROW('2')::it"], """{"b":"2"}""", "it"),
        ("attribute of another type", Pair, ["ALTER TYPE it ALTER ATTRIBUTE a TYPE int", "SELECT ROW(1,'2')::it"], """{"a":1,"b":"2"}""", "it"),
        ("in a block", Pair, ["DO $$ BEGIN ALTER TYPE it RENAME ATTRIBUTE a TO z; END $$", "SELECT ROW('1','2')::it"], """{"z":"1","b":"2"}""", "it"),
        ("array", Pair, ["ALTER TYPE it RENAME ATTRIBUTE a TO z", "SELECT ARRAY[ROW('1','2')::it, NULL]"], """[{"z":"1","b":"2"},null]""", "it[]"),
        ("within another", $"{Pair}; CREATE TYPE outer_it AS (one it)",
            ["ALTER TYPE it RENAME ATTRIBUTE a TO z", "SELECT ROW(ROW('1','2')::it)::outer_it"], """{"one":{"z":"1","b":"2"}}""", "outer_it"),
        ("domain over it", $"{Pair}; CREATE DOMAIN dom_it AS it",
            ["ALTER TYPE it RENAME ATTRIBUTE a TO z", "SELECT ARRAY[ROW('1','2')::dom_it]"], """[{"z":"1","b":"2"}]""", "dom_it[]"),
        ("row of a table", "CREATE TABLE it (a int, b text); INSERT INTO it VALUES (1, 'x')",
            ["ALTER TABLE it ADD COLUMN c int DEFAULT 7", "SELECT it FROM it"], """{"a":1,"b":"x","c":7}""", "it"),
        ("column renamed", "CREATE TABLE it (a int, b text); INSERT INTO it VALUES (1, 'x')",
            ["ALTER TABLE it RENAME COLUMN a TO z", "UPDATE it SET b = 'y' RETURNING it"], """{"z":1,"b":"y"}""", "it"),
        ("renamed", Pair, ["ALTER TYPE it RENAME TO new_it", "SELECT ROW('1','2')::new_it"], """{"a":"1","b":"2"}""", "new_it"),
        ("made", "", [Pair, "SELECT ROW('1','2')::it"], """{"a":"1","b":"2"}""", "it"),
        ("made anew", Pair, ["DROP TYPE it", "CREATE TYPE it AS (x jsonb)", "SELECT ROW('[1]')::it"], """{"x":[1]}""", "it"),
        ("table made", "", ["CREATE TABLE it (n int, at timestamp)", "INSERT INTO it VALUES (1, '2026-01-02') RETURNING it"],
            """{"n":1,"at":"2026-01-02T00:00:00"}""", "it"),
        ("array of an enum made", "", ["CREATE TYPE it AS ENUM ('x')", "SELECT ARRAY['x']::it[]"], """["x"]""", "it[]"),
        ("domain made", "", ["CREATE DOMAIN it AS int[]", "SELECT ARRAY['{1}']::it[]"], """[[1]]""", "it[]"),
        ("altered behind it", Pair, ["SELECT 1", "SELECT ROW('1','2')::it", "ALTER TYPE it RENAME ATTRIBUTE a TO z", "SELECT ROW('1','2')::it"],
            """{"z":"1","b":"2"}""", "it"),
    ];

    public static TheoryData<string, bool> Names
    {
        get
        {
            var names = new TheoryData<string, bool>();
            foreach (var one in Cases)
            {
                names.Add(one.Name, false);
                names.Add(one.Name, true);
            }
            return names;
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public async Task TypeAlteredInTheTransaction_HasItsNamesThere(string name, bool isKept)
    {
        var (_, before, statements, value, type) = Cases.Single(one => one.Name == name);
        var its = $"it{Interlocked.Increment(ref _types)}";
        if (before.Length > 0)
            await GatewayFixture.ExecuteAsync(database.Dsn, Named(before));
        // If possible, the result type of the last statement is cached already.
        for (var call = 0; call < 2; call++)
            await database.Client.PostAsync("query", new { activityId = "test", sql = Named(statements[^1]) });
        if (before.Length > 0)
            Assert.True((await TransactionAsync(Named("SELECT NULL::it"), Named("SELECT NULL::it"))).Status == HttpStatusCode.OK);

        if (!isKept)
        {
            // Rolled back, twice: the change is visible in the transaction only.
            for (var call = 0; call < 2; call++)
                Assert.Equal("22012", (await TransactionAsync([.. statements.Select(Named), "SELECT 1/0"])).ExpectProblem(422, "sql_error").GetProperty("sqlState").GetString());
        }
        var answer = (await TransactionAsync([.. statements.Select(Named)])).Expect(HttpStatusCode.OK).GetProperty("results");

        var last = answer[answer.GetArrayLength() - 1];
        Assert.Equal(Named(type), last.GetProperty("columns")[0].GetProperty("type").GetString());
        Assert.Equal(value, last.GetProperty("rows")[0][0].GetRawText());
        if (name == "altered behind it")
            Assert.Equal("""{"a":"1","b":"2"}""", answer[1].GetProperty("rows")[0][0].GetRawText());

        string Named(string text) => Regex.Replace(text, @"(?<=\b|_)it\b", its);
    }

    /// <summary>The transaction is rolled back, and no other request has seen its changes.</summary>
    [Theory]
    [InlineData("ALTER TYPE it RENAME ATTRIBUTE a TO z")]
    [InlineData("ALTER TYPE it ADD ATTRIBUTE c int")]
    [InlineData("ALTER TYPE it RENAME TO other_it")]
    public async Task TypeAlteredAndRolledBack_IsToOthersWhatItWas(string change)
    {
        var its = $"it{Interlocked.Increment(ref _types)}";
        await GatewayFixture.ExecuteAsync(database.Dsn, Pair.Replace("it", its));
        var select = $"SELECT NULLIF($1, 'x')::{its} AS p";

        for (var call = 0; call < 3; call++)
        {
            (await TransactionAsync(
                change.Replace("it", its),
                new { sql = $"SELECT to_json($1::{(change.EndsWith("other_it") ? "other_" : "")}{its}), NULL::{(change.EndsWith("other_it") ? "other_" : "")}{its}", parameters = new[] { new { b = "2" } } },
                "SELECT 1/0")).ExpectProblem(422, "sql_error");
            var outside = (await database.Client.PostAsync("query", new { activityId = "test", sql = select, parameters = new[] { "(1,2)" } })).Expect(HttpStatusCode.OK);
            Assert.Equal("""{"a":"1","b":"2"}""", outside.GetProperty("rows")[0].GetProperty("p").GetRawText());
            Assert.Equal(its, outside.GetProperty("columns")[0].GetProperty("type").GetString());
        }
    }

    /// <summary>A setting of the transaction that changes how the session prints type names.</summary>
    [Theory]
    [InlineData("SET LOCAL quote_all_identifiers = on")]
    [InlineData("SET LOCAL search_path = nowhere")]
    [InlineData("SELECT set_config('quote_all_identifiers', 'on', true)")]
    public async Task SettingThatChangesHowNamesArePrinted_ChangesThemForNobodyElse(string setting)
    {
        var its = $"it{Interlocked.Increment(ref _types)}";
        await GatewayFixture.ExecuteAsync(
            database.Dsn, $"CREATE TYPE {its}_mood AS ENUM ('sad'); CREATE DOMAIN {its}_n AS int[]; CREATE TYPE {its} AS (a {its}_mood)");

        foreach (var (type, json, name) in new[]
        {
            ($"{its}_mood[]", "[\"sad\"]", $"{its}_mood[]"), ($"{its}_n[]", "[[1]]", $"{its}_n[]"), (its, "{\"a\":\"sad\"}", its), ($"{its}[]", "[{\"a\":\"sad\"}]", $"{its}[]"),
        })
        {
            for (var call = 0; call < 2; call++)
            {
                (await TransactionAsync(
                    setting,
                    new { sql = $"SELECT $1::public.{type}", parameters = new[] { JsonDocument.Parse(json).RootElement } })).Expect(HttpStatusCode.OK);
                foreach (var sql in new[] { $"SELECT NULL::{type} AS it", $"SELECT $1::{type} AS it" })
                {
                    var parameters = sql.Contains('$') ? new[] { JsonDocument.Parse(json).RootElement } : null;
                    var answer = await database.Client.PostAsync("query", new { activityId = "test", sql, parameters });
                    Assert.Equal(name, answer.Expect(HttpStatusCode.OK).GetProperty("columns")[0].GetProperty("type").GetString());
                }
            }
        }
    }

    private Task<Answer> TransactionAsync(params object[] statements) => database.Client.PostAsync(
        "transaction",
        new
        {
            activityId = "test",
            delivery = "at-least-once",
            statements = statements.Select(statement => statement is string sql
                ? JsonSerializer.SerializeToNode(new { sql, rowFormat = "array" })
                : JsonSerializer.SerializeToNode(statement)),
        });
}
