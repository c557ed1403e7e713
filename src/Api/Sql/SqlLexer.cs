using System.Text;

namespace Gateway.Api.Sql;

/// <summary>The kind of a token, as far as the gateway needs it.</summary>
internal enum SqlTokenKind
{
    /// <summary>No token: before the first, or after the last.</summary>
    None,

    /// <summary>An unquoted identifier or keyword.</summary>
    Word,

    /// <summary>A quoted identifier, including its quotes.</summary>
    QuotedName,

    /// <summary>A string constant in any of its spellings.</summary>
    Literal,

    /// <summary><c>$n</c>; <see cref="SqlLexer.Number"/> is n.</summary>
    Positional,

    /// <summary><c>:name</c>, including the colon; in the named style only.</summary>
    Named,

    /// <summary>Any other token. An operator or a number may be split into several.</summary>
    Symbol,
}

/// <summary>
/// Splits a statement into tokens by PostgreSQL's lexical rules (chapter "Lexical Structure", and scan.l of versions 13
/// to 18), with <c>standard_conforming_strings</c> on. It never fails: an unterminated token extends to the end, and
/// PostgreSQL reports it. The time is linear in the length of the text, and nothing is allocated.
/// </summary>
/// <remarks>
/// The named style adds one rule to PostgreSQL's. <c>:name</c> is a placeholder if a name follows the colon directly,
/// and the character before the colon neither ends an operand nor forms <c>::</c> with it. An operand ends in a letter,
/// a digit, <c>_</c>, <c>$</c>, a quote, <c>)</c> or <c>]</c>. So <c>a[lo:hi]</c>, <c>a[1:n]</c> and
/// <c>JSON_OBJECT('k':v)</c> keep PostgreSQL's meaning, <c>a[:lo : :hi]</c> and <c>JSON_OBJECT('k': :v)</c> contain
/// placeholders, and <c>LIMIT:n</c> needs a space. A name begins with a letter, <c>_</c> or a character beyond ASCII,
/// and goes on with these or digits; it contains no <c>$</c>.
/// </remarks>
internal ref struct SqlLexer(ReadOnlySpan<char> sql, PlaceholderStyle style)
{
    private readonly ReadOnlySpan<char> _sql = sql;
    private readonly bool _named = style == PlaceholderStyle.Named;
    private int _next;

    /// <summary>Gets the kind of the current token.</summary>
    public SqlTokenKind Kind { get; private set; }

    /// <summary>Gets the start of the current token, in UTF-16 units from 0.</summary>
    public int Start { get; private set; }

    /// <summary>Gets the end of the current token, exclusive.</summary>
    public readonly int End => _next;

    /// <summary>Gets the n of a <c>$n</c>; <see cref="int.MaxValue"/> if it is larger.</summary>
    public int Number { get; private set; }

    /// <summary>Gets the current token as written.</summary>
    public readonly ReadOnlySpan<char> Token => _sql[Start.._next];

    /// <summary>Moves to the next token. Returns false if there is none.</summary>
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

    /// <summary>Returns whether the current token is a keyword, given in upper case.</summary>
    public readonly bool IsWord(string keyword) =>
        Kind == SqlTokenKind.Word && Ascii.EqualsIgnoreCase(Token, keyword);

    /// <summary>
    /// Returns whether the current token names a setting, quoted or not. The names of settings ignore case.
    /// </summary>
    public readonly bool IsSetting(string name) =>
        Kind switch
        {
            SqlTokenKind.Word => Ascii.EqualsIgnoreCase(Token, name),
            SqlTokenKind.QuotedName => Ascii.EqualsIgnoreCase(Token.Trim('"'), name),
            _ => false,
        };

    /// <summary>Returns whether the current token is a given character.</summary>
    public readonly bool IsSymbol(char symbol) => Kind == SqlTokenKind.Symbol && _sql[Start] == symbol;

    /// <summary>Returns the end, exclusive, of a placeholder's name that begins at <paramref name="start"/>.</summary>
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
                // Unlike an identifier, a number ends before $: 1$1 is a number and a placeholder.
                while (char.IsAsciiDigit(Peek(0)))
                    _next++;
                return SqlTokenKind.Symbol;
        }

        if (!IsNameStart(first))
        {
            _next++;
            return SqlTokenKind.Symbol;
        }

        // An identifier may contain $ after its first character: foo$1 and foo$$bar$$ are names.
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

        // This distinguishes a slice from a placeholder. It also keeps the $n from joining an identifier or a number
        // directly before it.
        var placeholder = _named && IsNameStart(Peek(1)) && (_next == 0 || !EndsOperand(_sql[_next - 1]));
        _next = placeholder ? NameEnd(_sql, _next + 1) : _next + 1;
        return placeholder ? SqlTokenKind.Named : SqlTokenKind.Symbol;
    }

    private void SkipQuoted(char quote)
    {
        // A doubled quote is read as the end of one string and the start of the next. That covers the same characters.
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
    /// Moves into the continuation of a string: another quote after white space with a line break. This is only needed
    /// for E'…', where a backslash in the continuation is an escape too; the parts of other strings can be read as
    /// separate strings.
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

        // Without a continuation the white space stays skipped, as it would be before the next token.
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

    /// <summary>Returns a character ahead; beyond the end NUL, which begins no token.</summary>
    private readonly char Peek(int ahead) => _next + ahead < _sql.Length ? _sql[_next + ahead] : '\0';

    // PostgreSQL 16 and later treat \v as white space; in earlier versions it is a syntax error everywhere.
    private static bool IsSpace(char c) => c is ' ' or (>= '\t' and <= '\r');

    private static bool IsNameStart(char c) => char.IsAsciiLetter(c) || c == '_' || c >= '\u0080';

    private static bool IsNamePart(char c) => IsNameStart(c) || char.IsAsciiDigit(c);

    private static bool EndsOperand(char c) => IsNamePart(c) || c is '$' or '\'' or '"' or ')' or ']';
}
