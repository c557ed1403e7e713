using Gateway.Api.Json;

namespace Gateway.Api.Results;

/// <summary>
/// Represents a quoted part of PostgreSQL's text of an array, a composite value or an <c>hstore</c>, without its quotes
/// and escapes. A character is escaped by a backslash or, in composite values, by doubling.
/// </summary>
internal readonly ref struct QuotedText
{
    private readonly byte[]? _rented;

    private QuotedText(ReadOnlySpan<byte> value, int length, byte[]? rented)
    {
        Value = value;
        Length = length;
        _rented = rented;
    }

    /// <summary>Gets the text without quotes and escapes. It is valid until this is disposed.</summary>
    public ReadOnlySpan<byte> Value { get; }

    /// <summary>Gets the length of the part in PostgreSQL's text, with both quotes.</summary>
    public int Length { get; }

    /// <summary>
    /// Reads from an opening quote to the closing one. PostgreSQL wrote the text, so it is well-formed.
    /// </summary>
    public static QuotedText Read(ReadOnlySpan<byte> text)
    {
        var end = 1 + text[1..].IndexOfAny((byte)'"', (byte)'\\');
        if (text[end] == (byte)'"' && !IsDoubled(text, end))
            return new QuotedText(text[1..end], end + 1, null);

        var length = LengthOf(text, end);
        var value = BufferPool.Rent(length);
        var written = 0;
        for (var read = 1; read < length - 1; read++)
        {
            if (text[read] is (byte)'\\' or (byte)'"')
                read++;
            value[written++] = text[read];
        }
        return new QuotedText(value.AsSpan(0, written), length, value);
    }

    public void Dispose()
    {
        if (_rented is not null)
            BufferPool.Return(_rented);
    }

    private static int LengthOf(ReadOnlySpan<byte> text, int from)
    {
        while (text[from] != (byte)'"' || IsDoubled(text, from))
            from += text[from] is (byte)'\\' or (byte)'"' ? 2 : 1;
        return from + 1;
    }

    private static bool IsDoubled(ReadOnlySpan<byte> text, int quote) =>
        quote + 1 < text.Length && text[quote + 1] == (byte)'"';
}
