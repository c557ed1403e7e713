using Gateway.Api.Json;
using Gateway.Api.Types;
using Gateway.Contracts;

namespace Gateway.Api.Results;

/// <summary>
/// Writes PostgreSQL's text of an array as a JSON array. Lower bounds other than 1, for example in <c>[0:1]={1,2}</c>,
/// are left out, as in <c>to_json</c>.
/// </summary>
internal static class ArrayText
{
    public static void Write(PooledBuffer output, DataType type, ReadOnlySpan<byte> text, Numbers numbers)
    {
        var position = text[0] == (byte)'[' ? text.IndexOf((byte)'=') + 1 : 0;
        WriteElements(output, type, text, ref position, numbers);
    }

    /// <summary>
    /// Writes the elements from an opening brace to its closing one, and moves the position behind it. PostgreSQL wrote
    /// the text, so it is well-formed.
    /// </summary>
    private static void WriteElements(
        PooledBuffer output, DataType type, ReadOnlySpan<byte> text, ref int position, Numbers numbers)
    {
        output.Write((byte)'[');
        position++;
        while (text[position] != (byte)'}')
        {
            switch (text[position])
            {
                case (byte)'{':
                    WriteElements(output, type, text, ref position, numbers);
                    break;
                case (byte)'"':
                    using (var quoted = QuotedText.Read(text[position..]))
                    {
                        JsonValue.Write(output, type.Element!, quoted.Value, numbers);
                        position += quoted.Length;
                    }
                    break;
                default:
                    WriteBare(output, type, text, ref position, numbers);
                    break;
            }
            if (text[position] == type.Delimiter)
            {
                output.Write((byte)',');
                position++;
            }
        }
        position++;
        output.Write((byte)']');
    }

    private static void WriteBare(
        PooledBuffer output, DataType type, ReadOnlySpan<byte> text, ref int position, Numbers numbers)
    {
        var rest = text[position..];
        var length = rest.IndexOfAny((byte)type.Delimiter, (byte)'}');
        var element = rest[..length];
        // The string "NULL" would be quoted.
        if (element.SequenceEqual("NULL"u8))
            output.Write("null"u8);
        else
            JsonValue.Write(output, type.Element!, element, numbers);
        position += length;
    }
}
