using System.Text.RegularExpressions;

namespace Gateway.Api.Postgres;

/// <summary>
/// Selects the lines of an error's context that name the function in which it happened. All other lines may hold
/// values: the SQL that a function composed, a line of JSON or of COPY, the parameters.
/// </summary>
internal static partial class ErrorWhere
{
    private const int MaxLines = 100;

    /// <summary>Returns the lines that name a function; null if there are none.</summary>
    /// <remarks>
    /// A value with line breaks could look like such a line. So only the lines before the first other line are shown,
    /// and those after the last one, if that line ends its value: a line with a value ends with a quotation mark.
    /// </remarks>
    public static string? Compose(string? where)
    {
        if (where is null)
            return null;
        var lines = where.Split('\n', MaxLines + 1);
        var first = 0;
        while (first < lines.Length && FunctionLine().IsMatch(lines[first]))
            first++;
        var last = lines.Length;
        while (last > first && FunctionLine().IsMatch(lines[last - 1]))
            last--;
        if (last > first && !EndsItsValue(lines[last - 1]))
            last = lines.Length;
        var shown = string.Join('\n', [.. lines[..first], .. lines[last..]]);
        return shown.Length > 0 ? shown : null;
    }

    private static bool EndsItsValue(string line) =>
        line is [.., '"' or '\''] || line.StartsWith("JSON data, line ", StringComparison.Ordinal);

    /// <summary>
    /// Matches a line that can hold no value: the function's name comes from the catalog, and the rest from PostgreSQL.
    /// </summary>
    [GeneratedRegex(
        """
        ^(PL/pgSQL[ ]function[ ]inline_code_block|PL/pgSQL[ ]function[ ](([\w$]+|"[^"]*")\.)?([\w$]+|"[^"]*")\([^()']*\))
        ([ ]line[ ]\d{1,9}[ ](at[ ]
        (statement[ ]block|assignment|IF|CASE|LOOP|WHILE|FOR[ ]with[ ]integer[ ]loop[ ]variable|FOR[ ]over[ ]SELECT[ ]rows
        |FOR[ ]over[ ]cursor|FOREACH[ ]over[ ]array|EXIT|CONTINUE|RETURN|RETURN[ ]NEXT|RETURN[ ]QUERY|RAISE|ASSERT|SQL[ ]statement
        |FOR[ ]over[ ]EXECUTE[ ]statement|EXECUTE|GET[ ]DIAGNOSTICS|GET[ ]STACKED[ ]DIAGNOSTICS|OPEN|FETCH|MOVE|CLOSE|PERFORM
        |CALL|DO|COMMIT|ROLLBACK)|during[ ]statement[ ]block[ ](local[ ]variable[ ]initialization|entry|exit)))?
        ([ ](during[ ]function[ ](entry|exit)
        |while[ ](storing[ ]call[ ]arguments[ ]into[ ]local[ ]variables|casting[ ]return[ ]value[ ]to[ ]function's[ ]return[ ]type)))?\z
        |^SQL[ ]function[ ]"[^"]*"([ ](statement[ ]\d{1,9}|during[ ](startup|inlining)))?\z
        |^compilation[ ]of[ ]PL/pgSQL[ ]function[ ]"[^"]*"[ ]near[ ]line[ ]\d{1,9}\z
        |^PL/(Python|Perl|Tcl)[ ](function[ ]"[^"]*"|anonymous[ ]code[ ]block)\z
        """,
        RegexOptions.CultureInvariant | RegexOptions.IgnorePatternWhitespace)]
    private static partial Regex FunctionLine();
}
