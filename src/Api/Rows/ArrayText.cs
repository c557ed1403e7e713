using System.Buffers;
using System.Text.Json;

namespace Gateway.Api.Rows;

/// <summary>
/// PostgreSQL's text of an array → a JSON array. Bounds other than 1, as in <c>[0:1]={1,2}</c>, are left out, as
/// <c>to_json</c> leaves them out.
/// </summary>
internal static class ArrayText
{
    public static void Write(Utf8JsonWriter json, ColumnType type, ReadOnlySpan<byte> text)
    {
        var position = text[0] == (byte)'[' ? text.IndexOf((byte)'=') + 1 : 0;
        WriteElements(json, type, text, ref position);
    }

    /// <summary>From an opening brace to behind the closing one; PostgreSQL wrote it, so it is well-formed.</summary>
    private static void WriteElements(Utf8JsonWriter json, ColumnType type, ReadOnlySpan<byte> text, ref int position)
    {
        json.WriteStartArray();
        position++;
        while (text[position] != (byte)'}')
        {
            switch (text[position])
            {
                case (byte)'{':
                    WriteElements(json, type, text, ref position);
                    break;
                case (byte)'"':
                    WriteQuoted(json, type, text, ref position);
                    break;
                default:
                    WriteBare(json, type, text, ref position);
                    break;
            }
            if (text[position] == type.Delimiter)
                position++;
        }
        position++;
        json.WriteEndArray();
    }

    private static void WriteBare(Utf8JsonWriter json, ColumnType type, ReadOnlySpan<byte> text, ref int position)
    {
        var rest = text[position..];
        var length = rest.IndexOfAny((byte)type.Delimiter, (byte)'}');
        var element = rest[..length];
        // The word NULL in a text array comes quoted.
        if (element.SequenceEqual("NULL"u8))
            json.WriteNullValue();
        else
            JsonValue.Write(json, type.Element!, element);
        position += length;
    }

    private static void WriteQuoted(Utf8JsonWriter json, ColumnType type, ReadOnlySpan<byte> text, ref int position)
    {
        var rest = text[(position + 1)..];
        var unescaped = ArrayPool<byte>.Shared.Rent(rest.Length);
        var length = 0;
        var read = 0;
        while (rest[read] != (byte)'"')
        {
            if (rest[read] == (byte)'\\')
                read++;
            unescaped[length++] = rest[read++];
        }
        JsonValue.Write(json, type.Element!, unescaped.AsSpan(0, length));
        ArrayPool<byte>.Shared.Return(unescaped);
        position += 1 + read + 1;
    }
}
