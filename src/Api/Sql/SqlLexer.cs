using System.Text;

namespace Gateway.Api.Sql;

/// <summary>What a token is, as far as the gateway cares.</summary>
internal enum SqlTokenKind
{
    /// <summary>There is no token: before the first, or after the last.</summary>
    None,

    /// <summary>An unquoted identifier or keyword.</summary>
    Word,

    /// <summary>A quoted identifier, its quotes included.</summary>
    QuotedName,

    /// <summary>A string constant in any of its spellings.</summary>
    Literal,

    /// <summary><c>$n</c>; <see cref="SqlLexer.Number"/> is n.</summary>
    Positional,

    /// <summary><c>:name</c>, the colon included; only in the named style.</summary>
    Named,

    /// <summary>Anything else; operators and numbers may come in pieces.</summary>
    Symbol,
}

/// <summary>
/// Reads one statement by PostgreSQL's lexical rules (the chapter "Lexical Structure"; its scanner, scan.l, of 13 to 18),
/// with <c>standard_conforming_strings</c> on. It never fails: what is unterminated reaches to the end, and PostgreSQL
/// reports it. The time is linear in the length of the text, and nothing is allocated.
/// </summary>
/// <remarks>
/// The named style adds one rule to PostgreSQL's. <c>:name</c> is a placeholder where the colon touches a name behind it
/// and touches neither an operand nor another colon's pair before it. An operand ends in a letter, a digit, <c>_</c>,
/// <c>$</c>, a quote, <c>)</c> or <c>]</c>. So <c>a[lo:hi]</c>, <c>a[1:n]</c> and <c>JSON_OBJECT('k':v)</c> keep
/// PostgreSQL's meaning, <c>a[:lo : :hi]</c> and <c>JSON_OBJECT('k': :v)</c> have placeholders, and <c>LIMIT:n</c> wants
/// a space. A name is a letter, <c>_</c> or any character beyond ASCII, and then these and digits; no <c>$</c>.
/// </remarks>
internal ref struct SqlLexer(ReadOnlySpan<char> sql, PlaceholderStyle style)
{
    private readonly ReadOnlySpan<char> _sql = sql;
    private readonly bool _named = style == PlaceholderStyle.Named;
    private int _next;

    /// <summary>The kind of the current token.</summary>
    public SqlTokenKind Kind { get; private set; }

    /// <summary>Where the current token starts, in UTF-16 units from 0.</summary>
    public int Start { get; private set; }

    /// <summary>Where the current token ends, exclusive.</summary>
    public readonly int End => _next;

    /// <summary>n of a <c>$n</c>; <see cref="int.MaxValue"/> for any that is larger.</summary>
    public int Number { get; private set; }

    /// <summary>The current token as written.</summary>
    public readonly ReadOnlySpan<char> Token => _sql[Start.._next];

    /// <summary>Moves to the next token; false when there is none.</summary>
    public bool Next()
    {
        SkipBlank();
        Start = _next;
        if (_next == _sql.Length)
        {
            Kind = SqlTokenKind.None;
            return false;
        }

        Kind = ReadToken(_sql[_next]);
        return true;
    }

    /// <summary>Whether the current token is this keyword, which is given in upper case.</summary>
    public readonly bool IsWord(string keyword) =>
        Kind == SqlTokenKind.Word && Ascii.EqualsIgnoreCase(Token, keyword);

    /// <summary>Whether the current token names this setting, quoted or not: settings' names ignore case.</summary>
    public readonly bool IsSetting(string name) =>
        Kind switch
        {
            SqlTokenKind.Word => Ascii.EqualsIgnoreCase(Token, name),
            SqlTokenKind.QuotedName => Ascii.EqualsIgnoreCase(Token.Trim('"'), name),
            _ => false,
        };

    /// <summary>Whether the current token is this one character.</summary>
    public readonly bool IsSymbol(char symbol) => Kind == SqlTokenKind.Symbol && _sql[Start] == symbol;

    /// <summary>The end, exclusive, of the placeholder's name that begins at <paramref name="start"/>.</summary>
    public static int NameEnd(ReadOnlySpan<char> sql, int start)
    {
        var end = start;
        while (end < sql.Length && IsNamePart(sql[end]))
            end++;
        return end;
    }

    private SqlTokenKind ReadToken(char first)
    {
        switch (first)
        {
            case '\'':
                SkipQuoted('\'');
                return SqlTokenKind.Literal;
            case '"':
                SkipQuoted('"');
                return SqlTokenKind.QuotedName;
            case '$':
                return ReadDollar();
            case ':':
                return ReadColon();
            case 'e' or 'E' when Peek(1) == '\'':
                SkipEscapeString();
                return SqlTokenKind.Literal;
            case >= '0' and <= '9':
                // A number ends before $ (1$1 is a number and a placeholder), unlike an identifier.
                while (char.IsAsciiDigit(Peek(0)))
                    _next++;
                return SqlTokenKind.Symbol;
        }

        if (!IsNameStart(first))
        {
            _next++;
            return SqlTokenKind.Symbol;
        }

        // $ belongs to an identifier that has begun: foo$1 and foo$$bar$$ are names.
        while (_next < _sql.Length && (IsNamePart(_sql[_next]) || _sql[_next] == '$'))
            _next++;
        return SqlTokenKind.Word;
    }

    private SqlTokenKind ReadDollar()
    {
        if (char.IsAsciiDigit(Peek(1)))
        {
            long number = 0;
            for (_next++; char.IsAsciiDigit(Peek(0)); _next++)
                number = Math.Min((number * 10) + (_sql[_next] - '0'), int.MaxValue);
            Number = (int)number;
            return SqlTokenKind.Positional;
        }

        var tagEnd = IsNameStart(Peek(1)) ? NameEnd(_sql, _next + 1) : _next + 1;
        if (tagEnd == _sql.Length || _sql[tagEnd] != '$')
        {
            _next++;
            return SqlTokenKind.Symbol;
        }

        var delimiter = _sql[_next..(tagEnd + 1)];
        var body = tagEnd + 1;
        var length = _sql[body..].IndexOf(delimiter);
        _next = length < 0 ? _sql.Length : body + length + delimiter.Length;
        return SqlTokenKind.Literal;
    }

    private SqlTokenKind ReadColon()
    {
        if (Peek(1) is ':' or '=')
        {
            _next += 2;
            return SqlTokenKind.Symbol;
        }

        // Besides telling a slice from a placeholder, this keeps the $n from growing onto what stands before it.
        var placeholder = _named && IsNameStart(Peek(1)) && (_next == 0 || !EndsOperand(_sql[_next - 1]));
        _next = placeholder ? NameEnd(_sql, _next + 1) : _next + 1;
        return placeholder ? SqlTokenKind.Named : SqlTokenKind.Symbol;
    }

    private void SkipQuoted(char quote)
    {
        // A doubled quote reads as the end of one string and the start of the next: the same characters are inside.
        _next++;
        var length = _sql[_next..].IndexOf(quote);
        _next = length < 0 ? _sql.Length : _next + length + 1;
    }

    private void SkipEscapeString()
    {
        _next += 2;
        while (true)
        {
            var length = _sql[_next..].IndexOfAny('\'', '\\');
            if (length < 0)
            {
                _next = _sql.Length;
                return;
            }

            _next += length + 1;
            if (_sql[_next - 1] == '\\')
                _next = Math.Min(_next + 1, _sql.Length);
            else if (Peek(0) == '\'')
                _next++;
            else if (!SkipToContinuation())
                return;
        }
    }

    /// <summary>
    /// A string goes on in the next quote after white space that has a line break. That matters to E'…' alone, whose
    /// backslashes stay escapes there; the parts of any other string read the same as strings of their own.
    /// </summary>
    private bool SkipToContinuation()
    {
        var lineBreak = false;
        while (_next < _sql.Length)
        {
            if (_sql[_next] is '\n' or '\r')
                lineBreak = true;
            if (IsSpace(_sql[_next]))
                _next++;
            else if (_sql[_next] == '-' && Peek(1) == '-')
                SkipLine();
            else
                break;
        }

        // Where nothing follows, blank has been skipped, as it would have been before the next token.
        if (!lineBreak || Peek(0) != '\'')
            return false;

        _next++;
        return true;
    }

    private void SkipBlank()
    {
        while (_next < _sql.Length)
        {
            var c = _sql[_next];
            if (IsSpace(c))
                _next++;
            else if (c == '-' && Peek(1) == '-')
                SkipLine();
            else if (c == '/' && Peek(1) == '*')
                SkipBlockComment();
            else
                return;
        }
    }

    private void SkipLine()
    {
        var length = _sql[_next..].IndexOfAny('\n', '\r');
        _next = length < 0 ? _sql.Length : _next + length;
    }

    private void SkipBlockComment()
    {
        _next += 2;
        for (var depth = 1; depth > 0;)
        {
            var length = _sql[_next..].IndexOfAny('*', '/');
            if (length < 0)
            {
                _next = _sql.Length;
                return;
            }

            _next += length;
            var step = (_sql[_next], Peek(1)) switch { ('*', '/') => -1, ('/', '*') => 1, _ => 0 };
            depth += step;
            _next += step == 0 ? 1 : 2;
        }
    }

    /// <summary>The character so far ahead; NUL, which begins no token, beyond the end.</summary>
    private readonly char Peek(int ahead) => _next + ahead < _sql.Length ? _sql[_next + ahead] : '\0';

    // \v is white space from 16 on; before, it is a syntax error wherever it stands.
    private static bool IsSpace(char c) => c is ' ' or (>= '\t' and <= '\r');

    private static bool IsNameStart(char c) => char.IsAsciiLetter(c) || c == '_' || c >= '\u0080';

    private static bool IsNamePart(char c) => IsNameStart(c) || char.IsAsciiDigit(c);

    private static bool EndsOperand(char c) => IsNamePart(c) || c is '$' or '\'' or '"' or ')' or ']';
}
