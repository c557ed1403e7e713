using Gateway.Api.Errors;
using Gateway.Api.Json;
using Gateway.Api.Types;
using Gateway.Contracts;

namespace Gateway.Api.Results;

/// <summary>
/// Writes PostgreSQL's text of a composite value, for example <c>(1,"a b",)</c>, as a JSON object of its attributes.
/// </summary>
internal static class CompositeText
{
    /// <exception cref="Failure"><c>conflict</c>: the type is being altered.</exception>
    public static void Write(PooledBuffer output, DataType type, ReadOnlySpan<byte> text, Numbers numbers)
    {
        output.Write((byte)'{');
        var position = 1;
        foreach (var (index, attribute) in type.Attributes.Index())
        {
            if (index > 0)
            {
                output.Write((byte)',');
                Pass(text, ref position, (byte)',', type);
            }
            output.Write(attribute.JsonName);
            WriteAttribute(output, attribute.Type, text, ref position, numbers);
        }
        Pass(text, ref position, (byte)')', type);
        output.Write((byte)'}');
    }

    private static void WriteAttribute(
        PooledBuffer output, DataType type, ReadOnlySpan<byte> text, ref int position, Numbers numbers)
    {
        if (text[position] == (byte)'"')
        {
            using var quoted = QuotedText.Read(text[position..]);
            JsonValue.Write(output, type, quoted.Value, numbers);
            position += quoted.Length;
            return;
        }
        var length = text[position..].IndexOfAny((byte)',', (byte)')');
        // NULL: an empty string would be quoted.
        if (length == 0)
            output.Write("null"u8);
        else
            JsonValue.Write(output, type, text.Slice(position, length), numbers);
        position += length;
    }

    private static void Pass(ReadOnlySpan<byte> text, ref int position, byte expected, DataType type)
    {
        if (text[position++] != expected)
        {
            throw new Failure(
                ProblemCode.Conflict, $"The type {type.Name} was altered while a value of it was read; try again.");
        }
    }
}
