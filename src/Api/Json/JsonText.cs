using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace Gateway.Api.Json;

/// <summary>Reads JSON strings that PostgreSQL's text can hold.</summary>
internal static class JsonText
{
    /// <summary>
    /// Bytes of memory for each byte of JSON text that goes to PostgreSQL. It is held three times (as JSON, as the
    /// text of its type, and as it is sent), in two bytes a character.
    /// </summary>
    public const int MemoryPerByte = 6;

    public const string LoneSurrogate = "A lone surrogate stands there, which is no Unicode character.";

    /// <summary>Reads a member's name. Returns false if it contains a lone surrogate.</summary>
    public static bool TryReadName(JsonProperty member, out string name)
    {
        var isText = !HasLoneSurrogate(JsonMarshal.GetRawUtf8PropertyName(member));
        name = isText ? member.Name : "";
        return isText;
    }

    /// <summary>
    /// Finds a member by its name; the last of several wins. Works even if another member's name contains a lone
    /// surrogate.
    /// </summary>
    public static bool TryGetMember(JsonElement fields, string name, out JsonElement value)
    {
        try
        {
            return fields.TryGetProperty(name, out value);
        }
        catch (InvalidOperationException)
        {
            value = fields.EnumerateObject()
                .LastOrDefault(member => TryReadName(member, out var read) && read == name)
                .Value;
            return value.ValueKind != JsonValueKind.Undefined;
        }
    }

    /// <summary>
    /// Returns whether a value is the given string. Unlike <see cref="JsonElement.ValueEquals(string)"/>, it accepts
    /// any value.
    /// </summary>
    public static bool Is(JsonElement value, string word) =>
        value.ValueKind == JsonValueKind.String && TryRead(value, out var text, out _) && text == word;

    /// <summary>Reads a string. Returns false, and the fault, if PostgreSQL's text can't hold it.</summary>
    public static bool TryRead(JsonElement value, out string text, out string fault)
    {
        if (HasLoneSurrogate(JsonMarshal.GetRawUtf8Value(value)))
        {
            // The JSON is still well-formed: an escape such as \ud800 has no second half.
            text = "";
            fault = LoneSurrogate;
            return false;
        }
        text = value.GetString() ?? "";
        fault = text.Contains('\0') ? "The string has a NUL character, which PostgreSQL's text can't hold." : "";
        return fault.Length == 0;
    }

    /// <summary>
    /// Returns whether an escape is half a surrogate pair. <see cref="JsonElement.GetString"/> would throw, and one
    /// exception takes as long as reading hundreds of strings.
    /// </summary>
    private static bool HasLoneSurrogate(ReadOnlySpan<byte> escaped)
    {
        var hasHigh = false;
        while (true)
        {
            var escape = escaped.IndexOf((byte)'\\');
            if (hasHigh && escape != 0)
                return true;
            if (escape < 0)
                return false;
            escaped = escaped[(escape + 1)..];
            var isUnit = escaped[0] == 'u';
            var unit = isUnit
                ? (char)ushort.Parse(escaped[1..5], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture)
                : default;
            escaped = escaped[(isUnit ? 5 : 1)..];
            if (char.IsLowSurrogate(unit) != hasHigh)
                return true;
            hasHigh = char.IsHighSurrogate(unit);
        }
    }
}
