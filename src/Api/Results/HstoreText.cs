using Gateway.Api.Json;

namespace Gateway.Api.Results;

/// <summary>
/// Writes PostgreSQL's text of an <c>hstore</c>, for example <c>"a"=>"1", "b"=>NULL</c>, as a JSON object, as
/// <c>to_json</c> does by the extension's cast to json.
/// </summary>
internal static class HstoreText
{
    public static void Write(PooledBuffer output, ReadOnlySpan<byte> text)
    {
        var arrow = "=>"u8;
        var separator = ", "u8;
        output.Write((byte)'{');
        for (var rest = text; !rest.IsEmpty;)
        {
            rest = rest[WriteString(output, rest)..];
            output.Write((byte)':');
            rest = rest[arrow.Length..];
            rest = rest[(rest[0] == (byte)'"' ? WriteString(output, rest) : WriteNull(output))..];
            if (rest.IsEmpty)
                break;
            output.Write((byte)',');
            rest = rest[separator.Length..];
        }
        output.Write((byte)'}');
    }

    private static int WriteString(PooledBuffer output, ReadOnlySpan<byte> text)
    {
        using var quoted = QuotedText.Read(text);
        JsonString.Write(output, quoted.Value);
        return quoted.Length;
    }

    private static int WriteNull(PooledBuffer output)
    {
        output.Write("null"u8);
        return "NULL".Length;
    }
}
