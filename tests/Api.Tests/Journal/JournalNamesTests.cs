using System.Text.RegularExpressions;
using Gateway.Api.Journal;

namespace Gateway.Api.Tests.Journal;

/// <summary>
/// Tests that each function that runs as the journal's owner has its own search_path, or uses qualified names only: in
/// callers' sessions the caller controls the search_path.
/// </summary>
public sealed partial class JournalNamesTests
{
    /// <summary>Keywords of the grammar, which no function or type can replace.</summary>
    private static readonly string[] Grammar = ["coalesce", "exists", "smallint"];

    [Fact]
    public async Task FunctionWithoutASearchPath_NamesTheSchemaOfAllItUses()
    {
        var script = await JournalScript.ReadAsync("app", JournalGuard.By("control"));
        var functions = Function().Matches(script)
            .Where(function => !function.Value.Contains("SET search_path") && !function.Groups["name"].Value.Contains(".clean"))
            // Functions of an earlier version fail, or return a constant.
            .Where(function => !function.Value.Contains("session_proof"))
            .Select(function => (Name: function.Groups["name"].Value, Body: Unquoted(function.Groups["body"].Value)))
            .ToList();

        Assert.Equal(
            // Those of this version and of version 4.
            ["gateway_journal.claim", "gateway_journal.claim", "gateway_journal.finish", "gateway_journal.finish",
                "gateway_journal_records.field", "gateway_journal_records.is_code", "gateway_journal_records.is_valid",
                "gateway_journal_records.this_session", "gateway_journal_records.unanswered"],
            functions.Select(function => function.Name).Order(StringComparer.Ordinal));
        Assert.All(functions, function => Assert.Equal([], Unqualified(function.Body)));
    }

    [Theory]
    [InlineData("x := a || b", "||")]
    [InlineData("WHERE a.b = c", "=")]
    [InlineData("WHERE b = c", "=")]
    [InlineData("x := now()", "now")]
    [InlineData("x := 'a'::bytea", "bytea")]
    [InlineData("x pg_catalog.text := 'a || now()'::pg_catalog.bytea OPERATOR(pg_catalog.||) pg_catalog.int2send(0::smallint); -- = now()", "")]
    [InlineData("pg_catalog.make_interval(secs => 1)", "")]
    public void Unqualified_IsFound(string sql, string found) => Assert.Equal(found, string.Join(' ', Unqualified(Unquoted(sql))));

    private static string Unquoted(string sql) => CommentOrString().Replace(sql, " ");

    private static IEnumerable<string> Unqualified(string sql) =>
        from Match match in Name().Matches(sql)
        let name = match.Groups["name"].Value
        where name.Length > 0 && !Grammar.Contains(name)
        select name;

    [GeneratedRegex(@"(?:FUNCTION|PROCEDURE) (?<name>gateway_journal\w*\.\w+)\((?>[^$]*)\$function\$(?<body>.*?)\$function\$", RegexOptions.Singleline)]
    private static partial Regex Function();

    [GeneratedRegex("--[^\n]*|'[^']*'")]
    private static partial Regex CommentOrString();

    /// <summary>
    /// Matches the unqualified name of a function, a type or an operator. It skips qualified names, and symbols that
    /// are not operators: assignments, options of RAISE, the sign of a number.
    /// </summary>
    [GeneratedRegex(@"OPERATOR\(pg_catalog\.[^)]+\)|:=|=>|ERRCODE =|(?:SET|,) \w+ =|-\d|\w+\.\w+|::\s*(?<name>\w+)(?!\.)\b|\b(?<name>[a-z_]\w*)\(|(?<name>[-+*/<>=~!@#%^&|`?]+)")]
    private static partial Regex Name();
}
