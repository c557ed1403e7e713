using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Gateway.Api.Json;

/// <summary>Writes JSON strings. They have the same escapes as in PostgreSQL's own JSON, and no others.</summary>
internal static class JsonString
{
    /// <summary>Options for JSON that programs read: only characters that need an escape are escaped.</summary>
    public static readonly JsonWriterOptions WriterOptions = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        SkipValidation = true,
        MaxDepth = 10_000,
    };

    private static readonly SearchValues<byte> Special =
        SearchValues.Create([.. Enumerable.Range(0, ' ').Select(control => (byte)control), (byte)'"', (byte)'\\']);

    public static void Write(PooledBuffer output, ReadOnlySpan<byte> text)
    {
        output.Write((byte)'"');
        WriteEscaped(output, text);
        output.Write((byte)'"');
    }

    /// <summary>Writes the content of a string, without quotes. A text may be written in several parts.</summary>
    public static void WriteEscaped(PooledBuffer output, ReadOnlySpan<byte> text)
    {
        while (true)
        {
            var plain = text.IndexOfAny(Special);
            if (plain < 0)
            {
                output.Write(text);
                return;
            }
            output.Write(text[..plain]);
            WriteEscape(output, text[plain]);
            text = text[(plain + 1)..];
        }
    }

    /// <summary>Returns a member name, with its colon.</summary>
    public static byte[] MemberName(string name)
    {
        var member = new byte[Encoding.UTF8.GetByteCount(name) + 3];
        (member[0], member[^2], member[^1]) = ((byte)'"', (byte)'"', (byte)':');
        var text = member.AsSpan(1, member.Length - 3);
        Encoding.UTF8.GetBytes(name, text);
        // Nearly all names need no escape.
        if (!text.ContainsAny(Special))
            return member;
        using var output = new PooledBuffer(int.MaxValue);
        Write(output, text);
        output.Write((byte)':');
        return output.Written.ToArray();
    }

    private static void WriteEscape(PooledBuffer output, byte character)
    {
        switch (character)
        {
            case (byte)'"':
                output.Write("\\\""u8);
                break;
            case (byte)'\\':
                output.Write("\\\\"u8);
                break;
            case (byte)'\b':
                output.Write("\\b"u8);
                break;
            case (byte)'\f':
                output.Write("\\f"u8);
                break;
            case (byte)'\n':
                output.Write("\\n"u8);
                break;
            case (byte)'\r':
                output.Write("\\r"u8);
                break;
            case (byte)'\t':
                output.Write("\\t"u8);
                break;
            default:
                output.Write("\\u00"u8);
                output.Write((byte)(character < 16 ? '0' : '1'));
                output.Write("0123456789abcdef"u8[character & 15]);
                break;
        }
    }
}
