using System.Text.Json;

namespace Gateway.Api.Rows;

/// <summary>PostgreSQL's text of a value → JSON, as <c>to_json</c> prints it.</summary>
internal static class JsonValue
{
    public static void Write(Utf8JsonWriter json, ColumnType type, ReadOnlySpan<byte> text)
    {
        switch (type.Form)
        {
            // NaN and the infinities begin with a letter, after a sign perhaps.
            case JsonForm.Number when char.IsAsciiDigit((char)text[^1]):
            case JsonForm.Json:
                json.WriteRawValue(text, skipInputValidation: true);
                break;
            case JsonForm.Boolean:
                json.WriteBooleanValue(text[0] == (byte)'t');
                break;
            case JsonForm.Timestamp:
                WriteTimestamp(json, text);
                break;
            case JsonForm.Array:
                ArrayText.Write(json, type, text);
                break;
            default:
                json.WriteStringValue(text);
                break;
        }
    }

    /// <summary><c>2026-01-02 03:04:05.6+00</c> → <c>2026-01-02T03:04:05.6+00:00</c>; infinity and BC stay.</summary>
    private static void WriteTimestamp(Utf8JsonWriter json, ReadOnlySpan<byte> text)
    {
        const int RoomForMinutes = 3;
        var space = text.IndexOf((byte)' ');
        if (space < 0 || text.Length > 64)
        {
            json.WriteStringValue(text);
            return;
        }

        Span<byte> iso = stackalloc byte[text.Length + RoomForMinutes];
        text.CopyTo(iso);
        iso[space] = (byte)'T';
        var length = text.Length;

        // The offset is ±HH, ±HH:MM or ±HH:MM:SS, at the end or before " BC".
        var sign = text[space..].LastIndexOfAny((byte)'+', (byte)'-');
        if (sign >= 0)
        {
            var offset = space + sign;
            var end = offset + 3;
            if (end == text.Length || text[end] == (byte)' ')
            {
                text[end..].CopyTo(iso[(end + RoomForMinutes)..]);
                ":00"u8.CopyTo(iso[end..]);
                length += RoomForMinutes;
            }
        }
        json.WriteStringValue(iso[..length]);
    }
}
