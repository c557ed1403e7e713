using System.Buffers;
using System.Text;

namespace Gateway.Api.Postgres;

/// <summary>
/// Represents a message of PostgreSQL's, split into parts. Some parts can hold no value. The others are shown only if
/// the same text is in the SQL that was sent, or in the error's own fields.
/// </summary>
/// <remarks>A comparison with the values would not find them: the server prints them in its own forms.</remarks>
internal sealed class MessageText
{
    /// <summary>The text in the place of a part that is left out.</summary>
    public const string Mark = "…";

    /// <summary>
    /// Maximum number of parts; the text after the last one is left out. PostgreSQL's own messages have about twenty.
    /// </summary>
    private const int MaxParts = 500;

    private const int LongestSymbol = 8;
    private const int LongestShown = 1000;

    /// <summary>
    /// The characters that may be before an opening quotation mark, and after a closing one. Next to any other
    /// character, the quotation mark is inside of a value.
    /// </summary>
    private const string BeforeQuoted = " (.[/,";
    private const string BehindQuoted = " ).]/,:;?!\r\n";

    /// <summary>The end of the only known message that begins with a value without quotes.</summary>
    private const string BeginsWithValue = " is not a valid encoding name";

    private static readonly SearchValues<char> Separators = SearchValues.Create(" \t\r\n\f\v()[]{},;:");

    /// <summary>The words before a type's name. PostgreSQL prints only the name of an existing type there.</summary>
    private static readonly string[] BeforeType =
        ["for enum", "of type", "for type", "cast type", "has type", "requires type"];

    private readonly string _text;
    private readonly bool _tailIsProse;
    private readonly List<Part> _parts = [];
    private readonly int _lastQuote;
    private bool _isTail;
    private int _headPieces;
    private bool _isCut;

    /// <param name="text">The message or the hint.</param>
    /// <param name="tailIsProse">
    /// Whether the text after a colon may have PostgreSQL's own words. It has them if an operator or a regular
    /// expression is at fault; in other messages it is a value.
    /// </param>
    public MessageText(string text, bool tailIsProse)
    {
        _text = text.EndsWith(BeginsWithValue, StringComparison.Ordinal) ? Mark + BeginsWithValue : text;
        text = _text;
        _tailIsProse = tailIsProse;
        _lastQuote = text.LastIndexOf('"');
        var start = 0;
        while (start <= _lastQuote && !_isCut)
        {
            var opening = text.IndexOf('"', start);
            ReadProse(start, opening);
            // If the last quotation mark has no partner, one of the others is inside of a value.
            var closing = opening == _lastQuote ? opening : text.IndexOf('"', opening + 1);
            Add(PartKind.Quoted, opening, closing + 1);
            start = closing + 1;
        }
        ReadProse(Math.Max(start, _lastQuote + 1), text.Length);
    }

    private enum PartKind
    {
        /// <summary>Spaces and punctuation.</summary>
        Plain,

        /// <summary>One of PostgreSQL's own words.</summary>
        Word,

        /// <summary>Any other text outside of quotes.</summary>
        Doubtful,

        /// <summary>Text in quotes, with the quotes.</summary>
        Quoted,

        /// <summary>The last part of a message that has too many.</summary>
        Rest,
    }

    /// <summary>Adds the texts that are shown only if they are in the SQL.</summary>
    public void AddDoubtful(HashSet<string> texts)
    {
        foreach (var part in _parts)
        {
            if (part.Kind is PartKind.Doubtful or PartKind.Quoted
                && ContentOf(part) is { Length: <= LongestShown } text)
            {
                texts.Add(text.ToString());
            }
        }
    }

    /// <summary>
    /// Returns the message without any text that may be a value; null if too little of the message is left.
    /// </summary>
    /// <param name="standing">The doubtful texts that are in the SQL or in the error's fields.</param>
    /// <param name="quotedMark">The text in the place of quoted text that is left out.</param>
    public string? Show(HashSet<string> standing, string quotedMark)
    {
        var shown = new StringBuilder();
        var stands = standing.GetAlternateLookup<ReadOnlySpan<char>>();
        var quotedStand = _parts.TrueForAll(part =>
            part.Kind != PartKind.Quoted || (IsWholeQuoted(part) && stands.Contains(ContentOf(part))));
        // The end of the last mark, while only punctuation has come after it: two marks become one.
        var markEnd = -1;
        int words = 0, strange = 0, skipped = -1;
        foreach (var part in _parts)
        {
            if (part.Start <= skipped)
                continue;
            if (part.Kind is PartKind.Plain or PartKind.Word || (part.Kind == PartKind.Quoted && quotedStand)
                || (part.Kind == PartKind.Doubtful && stands.Contains(ContentOf(part))))
            {
                if (part.Kind != PartKind.Plain || _text[part.Start] == '(')
                    markEnd = -1;
                words += part.Kind == PartKind.Plain ? 0 : 1;
                shown.Append(_text, part.Start, part.End - part.Start);
                continue;
            }
            // A value may have quotation marks in it, so it may end as late as at the last one of the message.
            if (part.Kind == PartKind.Quoted)
                skipped = _lastQuote;
            else if (part.Kind == PartKind.Doubtful && ContentOf(part).ContainsAnyExceptInRange('0', '9'))
                strange++;
            if (markEnd >= 0)
                shown.Length = markEnd;
            else
                shown.Append(part.Kind == PartKind.Quoted ? quotedMark : Mark);
            markEnd = shown.Length;
        }
        return words > strange ? shown.ToString() : null;
    }

    private bool IsWholeQuoted(Part part) => part.End - part.Start > 2
        && (part.Start == 0 || BeforeQuoted.Contains(_text[part.Start - 1]))
        && (part.End == _text.Length || BehindQuoted.Contains(_text[part.End]));

    private ReadOnlySpan<char> ContentOf(Part part) => part.Kind == PartKind.Quoted
        ? _text.AsSpan(part.Start + 1, Math.Max(part.End - part.Start - 2, 0))
        : _text.AsSpan(part.Start, part.End - part.Start);

    private void ReadProse(int start, int end)
    {
        while (start < end && !_isCut)
        {
            var length = _text.AsSpan(start, end - start).IndexOfAny(Separators);
            if (length == 0)
            {
                if (_text[start] == ':' && start + 1 < _text.Length && _text[start + 1] == ' ' && _headPieces > 1)
                    _isTail = !_tailIsProse;
                Add(PartKind.Plain, start, ++start);
                continue;
            }
            var stop = length < 0 ? end : start + length;
            ReadPiece(start, stop);
            start = stop;
        }
    }

    private void ReadPiece(int start, int end)
    {
        _headPieces++;
        var wordEnd = end;
        while (wordEnd > start + 1 && _text[wordEnd - 1] is '.' or '?' or '!' or '\'')
            wordEnd--;
        var piece = _text.AsSpan(start, wordEnd - start);
        var kind = KindOf(piece, start, wordEnd);
        Add(kind, start, wordEnd);
        if (wordEnd < end)
            Add(PartKind.Plain, wordEnd, end);
    }

    private PartKind KindOf(ReadOnlySpan<char> piece, int start, int end)
    {
        if (!piece.ContainsAnyInRange('0', '9') && !piece.ContainsAnyExceptInRange('!', '~')
            && !piece.ContainsAnyInRange('A', 'Z') && !piece.ContainsAnyInRange('a', 'z'))
        {
            return piece.Length <= LongestSymbol ? PartKind.Plain : PartKind.Doubtful;
        }
        return !_isTail
            && (MessageWords.Contains(piece) || IsTypeName(piece, start) || IsTypeModifier(piece, start, end))
            ? PartKind.Word
            : PartKind.Doubtful;
    }

    private bool IsTypeName(ReadOnlySpan<char> piece, int start)
    {
        foreach (var character in piece)
        {
            if (!char.IsAsciiLetterLower(character) && !char.IsAsciiDigit(character) && character is not ('_' or '.'))
                return false;
        }
        var before = _text.AsSpan(0, start);
        if (!before.EndsWith(" ") || char.IsAsciiDigit(piece[0]))
            return false;
        foreach (var words in BeforeType)
        {
            if (before[..^1].EndsWith(words, StringComparison.Ordinal))
                return true;
        }
        return false;
    }

    /// <summary>Returns whether the text is a type's length, for example in <c>character varying(10)</c>.</summary>
    private bool IsTypeModifier(ReadOnlySpan<char> piece, int start, int end) =>
        !piece.ContainsAnyExceptInRange('0', '9') && end < _text.Length && _text[end] == ')'
        && (_text.AsSpan(0, start).EndsWith("varying(") || _text.AsSpan(0, start).EndsWith("type character(")
            || _text.AsSpan(0, start).EndsWith("type bit("));

    private void Add(PartKind kind, int start, int end)
    {
        _isCut |= _parts.Count == MaxParts - 1;
        if (_parts.Count < MaxParts)
            _parts.Add(new Part(_isCut ? PartKind.Rest : kind, start, end));
    }

    private readonly record struct Part(PartKind Kind, int Start, int End);
}
