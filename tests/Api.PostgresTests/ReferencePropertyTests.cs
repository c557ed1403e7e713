using System.Net;
using System.Text.Json;

namespace Gateway.Api.PostgresTests;

/// <summary>
/// Tests random pointers into results of every shape: each is answered by the value that it refers to, and none causes
/// an internal error.
/// </summary>
public sealed class ReferencePropertyTests(GatewayFixture gateway, ITestOutputHelper output)
{
    private const int Pointers = 200;

    private static readonly JsonDocumentOptions Deep = new() { MaxDepth = int.MaxValue };

    private const string Odd = """{"nul": "\u0000", "half": "\ud800", "\ud800": 1, "in": ["\ud800", {"x": "\udc00"}], "in": [2, "last"]}""";

    private const string Row =
        $$$"""
        SELECT n AS id, 'text ' || n AS "a/b~c~1", NULL::text AS "é😀", 1.50::numeric AS num, true AS flag, ARRAY[[n, 2], [3, 4]] AS matrix,
               ARRAY['x', NULL, '{}'] AS texts, ARRAY['{"a": 1}', 'null']::jsonb[] AS docs, '{"lines": [{"sku": "a", "": 0}, [], {}]}'::jsonb AS doc,
               'null'::jsonb AS nothing, '"{}"'::json AS quoted, '{{{Odd}}}'::json AS odd, ROW(1, 'x')::referred_pair AS pair,
               '[1,5)'::int4range AS range, '\x00ff'::bytea AS bytes, timestamptz '2026-01-02 03:04:05+00' AS at
          FROM generate_series(1, 3) n
        """;

    private static readonly string[] Types = ["jsonb", "json", "int", "text[]", "jsonb[]", "referred_pair", "timestamptz", "bytea"];

    private static readonly string[] Tokens =
    [
        "", "0", "1", "2", "3", "00", "01", "-", "-1", "+1", " 1", "1e0", "99999999999", "2147483647", "rows", "rowCount", "Rows", "columns", "~", "~0",
        "~1", "~2", "a~1b~0c~01", "é😀", "id", "doc", "docs", "lines", "sku", "odd", "in", "half", "nul", "pair", "f1", "\u0001", "x\u0000", "$ref",
    ];

    [Fact]
    public async Task AnyPointer_IsAnsweredByWhatItPointsTo()
    {
        var seed = int.TryParse(Environment.GetEnvironmentVariable("REFERENCE_SEED"), out var given) ? given : 18;
        output.WriteLine($"REFERENCE_SEED={seed}");
        var random = new Random(seed);
        await gateway.ExecuteAsync("DO $$ BEGIN CREATE TYPE referred_pair AS (a int, b text); EXCEPTION WHEN duplicate_object THEN NULL; END $$");
        object[] before =
        [
            new { sql = Row }, new { sql = Row, rowFormat = "array" }, new { sql = "SELECT 1 AS id WHERE false" }, new { sql = "SET LOCAL app.a = '1'" },
            new { sql = "SELECT (repeat('[', 3000) || repeat(']', 3000))::jsonb AS deep" },
        ];
        var answered = (await gateway.Client.TransactionAsync("referring/all", before)).Text;
        using var document = JsonDocument.Parse(answered, Deep);
        var results = document.RootElement.GetProperty("results");
        var seen = new Dictionary<string, int>();
        var faults = new List<string>();

        for (var number = 0; number < Pointers; number++)
        {
            var pointer = number < 10 ? $"/{number % 5}/{(number < 5 ? "rows" : "rowCount")}" : MakePointer(random, results);
            var type = Types[random.Next(Types.Length)];
            var answer = await gateway.Client.TransactionAsync(
                $"referring/random/{number}",
                [.. before, new { sql = $"SELECT $1::{type} IS NULL AS \"isNull\"", parameters = new[] { new Dictionary<string, string> { ["$ref"] = pointer } } }]);

            var code = answer.Status == HttpStatusCode.OK ? "found" : answer.Json.GetProperty("code").GetString()!;
            seen[code] = seen.GetValueOrDefault(code) + 1;
            var expected = Expected(pointer, results, out var isNull);
            // The value may still not be valid for the type, or not be text.
            var isRight = expected == "found"
                ? code is "found" or "sql_error" or "invalid_request" || (code == "expectation_failed" && answer.Text.Contains("can't be a parameter"))
                : code == expected;
            if (code == "found" && isNull is { } wanted)
                isRight &= IsNull(answer) == wanted;
            if (!isRight)
                faults.Add($"\"{Shown(pointer)}\" as {type}: {expected} was expected, and {Shown(answer.Text)} came");
        }

        output.WriteLine(string.Join(", ", seen.Select(code => $"{code.Value} {code.Key}")));
        Assert.True(faults.Count == 0, $"REFERENCE_SEED={seed}: {faults.Count} faults\n{string.Join('\n', faults)}");
        Assert.All(new[] { "found", "expectation_failed", "invalid_request", "sql_error" }, code => Assert.InRange(seen.GetValueOrDefault(code), 10, Pointers));
    }

    /// <summary>
    /// A JSON string with half a surrogate pair, which would otherwise become an empty text without an error.
    /// </summary>
    [Theory]
    [InlineData("half", "lone surrogate")]
    [InlineData("nul", "NUL character")]
    public async Task StringThatPostgreSqlHasNoTextFor_IsNotReplacedByAnother(string member, string reason)
    {
        var answer = await gateway.Client.TransactionAsync(
            $"referring/{member}",
            $"SELECT '{Odd}'::json AS odd",
            new { sql = "SELECT $1::text AS found", parameters = new[] { new Dictionary<string, string> { ["$ref"] = $"/0/rows/0/odd/{member}" } } });

        Assert.Contains(reason, answer.ExpectProblem(422, "expectation_failed").GetProperty("detail").GetString());
    }

    /// <summary>All referenced values are sent, so their total size is limited, however small the request is.</summary>
    [Fact]
    public async Task ReferencesToMoreThanCanBeSent_AreRefused()
    {
        const int Count = 20_000;
        var reference = new Dictionary<string, string> { ["$ref"] = "/0/rows" };
        var answer = await gateway.Client.TransactionAsync(
            "referring/much",
            "SELECT repeat('x', 1000000) AS large",
            new
            {
                sql = $"SELECT num_nonnulls({string.Join(',', Enumerable.Range(1, Count).Select(number => $"${number}::jsonb"))})",
                parameters = Enumerable.Repeat(reference, Count),
            });

        answer.ExpectProblem(422, "result_too_large");
    }

    /// <summary>Returns a random path through the results, which is sometimes wrong, and sometimes cut short.</summary>
    private static string MakePointer(Random random, JsonElement results)
    {
        var statement = random.Next(results.GetArrayLength());
        var tokens = new List<string> { random.Next(20) == 0 ? Any() : $"{statement}", random.Next(20) == 0 ? Any() : "rows" };
        var value = results[statement].GetProperty("rows");
        for (var length = random.Next(0, random.Next(6) == 0 ? 3500 : 7); length > 0; length--)
        {
            if (random.Next(8) == 0)
                tokens.Add(Any());
            else if (value.ValueKind == JsonValueKind.Array && value.GetArrayLength() > 0)
            {
                var index = random.Next(value.GetArrayLength());
                tokens.Add($"{index}");
                value = value[index];
            }
            else if (value.ValueKind == JsonValueKind.Object && value.EnumerateObject().Any())
            {
                // A name with half a surrogate pair can't be written in a pointer, and PostgreSQL's names have none.
                var members = value.EnumerateObject().Where(member => !member.ToString().StartsWith("\"\\ud800", StringComparison.Ordinal)).ToArray();
                var member = members[random.Next(members.Length)];
                tokens.Add(member.Name.Replace("~", "~0").Replace("/", "~1"));
                value = member.Value;
            }
            else if (random.Next(3) > 0)
                break;
            else
                tokens.Add(Any());
        }
        return "/" + string.Join('/', tokens);

        string Any() => Tokens[random.Next(Tokens.Length)];
    }

    /// <summary>Returns the expected result of a pointer, by RFC 6901 and the contract, step by step.</summary>
    private static string Expected(string pointer, JsonElement results, out bool? isNull)
    {
        isNull = null;
        var tokens = pointer.Split('/').Skip(1).Select(token => token.Replace("~1", "/").Replace("~0", "~")).ToArray();
        if (tokens.Any(token => token.Contains('\0')) || tokens.Length < 2 || !IsIndex(tokens[0], out var statement) || statement >= results.GetArrayLength()
            || tokens[1] is not ("rows" or "rowCount") || (tokens[1] == "rowCount" && tokens.Length > 2)
            || (tokens.Length > 2 && !IsIndex(tokens[2], out _)))
            return "invalid_request";
        var value = results[statement].GetProperty(tokens[1]);
        foreach (var token in tokens.Skip(2))
        {
            if (value.ValueKind == JsonValueKind.Array && IsIndex(token, out var index) && index < value.GetArrayLength())
                value = value[index];
            else if (value.ValueKind == JsonValueKind.Object
                && value.EnumerateObject().LastOrDefault(member => NameOf(member) == token).Value is { ValueKind: not JsonValueKind.Undefined } member)
                value = member;
            else
                return "expectation_failed";
        }
        isNull = value.ValueKind == JsonValueKind.Null;
        return "found";
    }

    private static string? NameOf(JsonProperty member)
    {
        try
        {
            return member.Name;
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }

    private static bool IsIndex(string token, out int index) =>
        int.TryParse(token, out index) && index >= 0 && token == $"{index}";

    private static bool IsNull(Answer answer)
    {
        using var document = JsonDocument.Parse(answer.Text, Deep);
        return document.RootElement.GetProperty("results").EnumerateArray().Last().GetProperty("rows")[0].GetProperty("isNull").GetBoolean();
    }

    private static string Shown(string text) => text.Length > 300 ? $"{text[..200]}… ({text.Length})" : text;
}
