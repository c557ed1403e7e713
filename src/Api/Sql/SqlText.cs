using System.Globalization;
using System.Text;

namespace Gateway.Api.Sql;

/// <summary>
/// The style of a statement's placeholders, which the form of the request's <c>parameters</c> decides.
/// </summary>
internal enum PlaceholderStyle
{
    /// <summary><c>$1…$n</c>, for an array of parameters or none. The text is sent unchanged.</summary>
    Positional,

    /// <summary><c>:name</c>, for an object of parameters. Each name becomes one <c>$n</c>.</summary>
    Named,
}

/// <summary>
/// Represents one statement of a caller, scanned before anything is sent: a wrong number of parameters breaks the
/// connection, and so do some commands. The scan refuses nothing; the properties report what is wrong.
/// </summary>
internal sealed class SqlText
{
    /// <summary>The maximum number of parameters in the protocol: their count is an unsigned 16-bit number.</summary>
    public const int MaxPlaceholders = ushort.MaxValue;

    private readonly string _sql;

    /// <summary>
    /// A bit for each used number, if some are unused. A list of the unused numbers could be thousands of times longer
    /// than the SQL.
    /// </summary>
    private ulong[]? _usedPositions;

    private SqlText(string sql, StatementKind kind, string? keyword)
    {
        _sql = sql;
        Text = sql;
        Kind = kind;
        Keyword = keyword;
    }

    /// <summary>Gets the text that is sent: the caller's own string, unless it contained a <c>:name</c>.</summary>
    public string Text { get; private set; }

    /// <summary>
    /// Gets the number of parameters that the statement takes. Positional: the highest n of its <c>$n</c>, at most
    /// <see cref="int.MaxValue"/>. Named: the number of different names.
    /// </summary>
    public int PlaceholderCount { get; private set; }

    /// <summary>Gets the names in the order of their <c>$n</c>, case-sensitive; empty if positional.</summary>
    public IReadOnlyList<string> Names { get; private set; } = [];

    /// <summary>
    /// Gets the numbers below the highest one that are not used, for which PostgreSQL reports 42P18. Empty if named, or
    /// if there are more than <see cref="MaxPlaceholders"/>, which is the more serious fault.
    /// </summary>
    public IEnumerable<int> UnusedPositions
    {
        get
        {
            for (var number = 1; _usedPositions is not null && number < PlaceholderCount; number++)
            {
                if ((_usedPositions[number / 64] & (1UL << (number % 64))) == 0)
                    yield return number;
            }
        }
    }

    /// <summary>
    /// Gets whether a statement in the named style also contains a <c>$n</c>, which could clash with the number of a
    /// name.
    /// </summary>
    public bool MixesStyles { get; private set; }

    /// <summary>Gets the kind that the first keywords decide.</summary>
    public StatementKind Kind { get; }

    /// <summary>Gets the keywords of transaction control or COPY, in upper case; null for other kinds.</summary>
    public string? Keyword { get; }

    /// <summary>Scans a statement, which may be any string. The time is linear in its length.</summary>
    public static SqlText Scan(string sql, PlaceholderStyle style)
    {
        var lexer = new SqlLexer(sql, style);
        var (kind, keyword) = LeadingKeyword.Read(lexer);
        var text = new SqlText(sql, kind, keyword);

        if (style == PlaceholderStyle.Named)
            text.ReplaceNames(lexer);
        else if (sql.Contains('$', StringComparison.Ordinal) && !LeadingKeyword.MakesWhatHasParameters(lexer))
            text.CountPositions(lexer);
        return text;
    }

    /// <summary>
    /// Returns the position in the caller's SQL for a position in <see cref="Text"/>. Both count code points from 1, as
    /// PostgreSQL's error positions do. A position inside a <c>$n</c> becomes that of its <c>:name</c>.
    /// </summary>
    public int OriginalPosition(int position)
    {
        if (ReferenceEquals(Text, _sql))
            return position;

        int sent = 0, written = 0, result = 1, left = position - 1;
        while (left > 0 && sent < Text.Length)
        {
            if (Text[sent] == _sql[written])
            {
                var units = CodePointUnits(_sql, written);
                (sent, written, result, left) = (sent + units, written + units, result + 1, left - 1);
                continue;
            }

            // The texts differ only where $n replaces :name.
            var sentEnd = sent + 1;
            while (sentEnd < Text.Length && char.IsAsciiDigit(Text[sentEnd]))
                sentEnd++;
            if (left < sentEnd - sent)
                return result;

            left -= sentEnd - sent;
            sent = sentEnd;
            for (var end = SqlLexer.NameEnd(_sql, written + 1); written < end; result++)
                written += CodePointUnits(_sql, written);
        }

        return result + left;
    }

    /// <summary>Returns the statement's first word in upper case; empty if it begins with another token.</summary>
    public string FirstWord()
    {
        var lexer = new SqlLexer(_sql, PlaceholderStyle.Positional);
        LeadingKeyword.SkipEmptyStatements(ref lexer);
        return lexer.Kind == SqlTokenKind.Word ? lexer.Token.ToString().ToUpperInvariant() : "";
    }

    private void CountPositions(SqlLexer lexer)
    {
        ulong[] seen = [];
        int highest = 0, distinct = 0;
        while (lexer.Next())
        {
            // $0 takes no parameter; PostgreSQL refuses it (42P02).
            if (lexer.Kind != SqlTokenKind.Positional || lexer.Number == 0)
                continue;

            highest = Math.Max(highest, lexer.Number);
            if (lexer.Number <= MaxPlaceholders && Mark(ref seen, lexer.Number))
                distinct++;
        }

        PlaceholderCount = highest;
        if (distinct == highest || highest > MaxPlaceholders)
            return;

        _usedPositions = seen;
    }

    private void ReplaceNames(SqlLexer lexer)
    {
        List<string> names = [];
        Dictionary<string, int>? numbers = null;
        StringBuilder? text = null;
        var copied = 0;
        while (lexer.Next())
        {
            MixesStyles |= lexer.Kind == SqlTokenKind.Positional;
            if (lexer.Kind != SqlTokenKind.Named)
                continue;

            numbers ??= new Dictionary<string, int>(StringComparer.Ordinal);
            var byName = numbers.GetAlternateLookup<ReadOnlySpan<char>>();
            if (!byName.TryGetValue(lexer.Token[1..], out var number))
            {
                names.Add(lexer.Token[1..].ToString());
                number = names.Count;
                numbers.Add(names[^1], number);
            }

            text ??= new StringBuilder(_sql.Length);
            text.Append(_sql, copied, lexer.Start - copied)
                .Append(CultureInfo.InvariantCulture, $"${number}");
            copied = lexer.End;
        }

        if (text is null)
            return;

        Text = text.Append(_sql, copied, _sql.Length - copied).ToString();
        Names = names;
        PlaceholderCount = names.Count;
    }

    private static bool Mark(ref ulong[] seen, int number)
    {
        var (word, bit) = (number / 64, 1UL << (number % 64));
        if (word >= seen.Length)
            Array.Resize(ref seen, Math.Max(word + 1, seen.Length * 2));

        var isNew = (seen[word] & bit) == 0;
        seen[word] |= bit;
        return isNew;
    }

    private static int CodePointUnits(string text, int index) =>
        char.IsHighSurrogate(text[index]) && index + 1 < text.Length && char.IsLowSurrogate(text[index + 1]) ? 2 : 1;
}
