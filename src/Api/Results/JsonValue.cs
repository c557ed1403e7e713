using Gateway.Api.Errors;
using Gateway.Api.Json;
using Gateway.Api.Types;
using Gateway.Contracts;

namespace Gateway.Api.Results;

/// <summary>Writes PostgreSQL's text of a value as JSON, as <c>to_json</c> does.</summary>
internal static class JsonValue
{
    public static void Write(PooledBuffer output, DataType type, ReadOnlySpan<byte> text, Numbers numbers)
    {
        switch (type.Form)
        {
            case JsonForm.ExactNumber when numbers == Numbers.String:
                JsonString.Write(output, text);
                break;
            // NaN and the infinities end with a letter, and become strings.
            case JsonForm.Number or JsonForm.ExactNumber when char.IsAsciiDigit((char)text[^1]):
            case JsonForm.Json:
                output.Write(text);
                break;
            case JsonForm.Boolean:
                output.Write(text[0] == (byte)'t' ? "true"u8 : "false"u8);
                break;
            case JsonForm.Date:
                RequireIso(text);
                JsonString.Write(output, text);
                break;
            case JsonForm.Timestamp:
                RequireIso(text);
                WriteTimestamp(output, text);
                break;
            case JsonForm.Array:
                ArrayText.Write(output, type, text, numbers);
                break;
            case JsonForm.Vector:
                WriteVector(output, type, text, numbers);
                break;
            case JsonForm.Composite:
                CompositeText.Write(output, type, text, numbers);
                break;
            case JsonForm.Hstore:
                HstoreText.Write(output, text);
                break;
            default:
                JsonString.Write(output, text);
                break;
        }
    }

    /// <summary>
    /// Throws if a date is not in ISO style, which every session starts with. Only in that style does a year of four or
    /// more digits come first.
    /// </summary>
    private static void RequireIso(ReadOnlySpan<byte> text)
    {
        if (!char.IsAsciiDigit((char)text[2]) && !text.EndsWith("infinity"u8))
        {
            throw new Failure(
                ProblemCode.SqlRejected,
                "The statement changes DateStyle, and an answer's dates would be wrong; "
                + "to_char() prints one in another style.");
        }
    }

    /// <summary>
    /// Writes <c>2026-01-02 03:04:05.6+00</c> as <c>2026-01-02T03:04:05.6+00:00</c>; infinity and BC stay.
    /// </summary>
    private static void WriteTimestamp(PooledBuffer output, ReadOnlySpan<byte> text)
    {
        output.Write((byte)'"');
        var space = text.IndexOf((byte)' ');
        if (space >= 0)
        {
            output.Write(text[..space]);
            output.Write((byte)'T');
            text = text[(space + 1)..];
        }

        // The offset is ±HH, ±HH:MM or ±HH:MM:SS, at the end or before " BC".
        var sign = space < 0 ? -1 : text.LastIndexOfAny((byte)'+', (byte)'-');
        var hours = sign < 0 ? text.Length : sign + 3;
        output.Write(text[..hours]);
        if (sign >= 0 && (hours == text.Length || text[hours] == (byte)' '))
            output.Write(":00"u8);
        output.Write(text[hours..]);
        output.Write((byte)'"');
    }

    private static void WriteVector(PooledBuffer output, DataType type, ReadOnlySpan<byte> text, Numbers numbers)
    {
        output.Write((byte)'[');
        foreach (var element in text.Split((byte)' '))
        {
            if (text[element].IsEmpty)
                continue;
            if (element.Start.Value > 0)
                output.Write((byte)',');
            Write(output, type.Element!, text[element], numbers);
        }
        output.Write((byte)']');
    }
}
