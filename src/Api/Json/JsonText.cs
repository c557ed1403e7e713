using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace Gateway.Api.Json;

/// <summary>JSON strings that PostgreSQL's text can hold.</summary>
internal static class JsonText
{
    public const string LoneSurrogate = "A lone surrogate stands there, which is no Unicode character.";

    /// <summary>A member's name; false for one that has a lone surrogate.</summary>
    public static bool TryReadName(JsonProperty member, out string name)
    {
        var isText = !HasLoneSurrogate(JsonMarshal.GetRawUtf8PropertyName(member));
        name = isText ? member.Name : "";
        return isText;
    }

    /// <summary>A member by its name, the last of several; where there is one whose name has a lone surrogate, too.</summary>
    public static bool TryGetMember(JsonElement fields, string name, out JsonElement value)
    {
        try
        {
            return fields.TryGetProperty(name, out value);
        }
        catch (InvalidOperationException)
        {
            value = fields.EnumerateObject().LastOrDefault(member => TryReadName(member, out var read) && read == name).Value;
            return value.ValueKind != JsonValueKind.Undefined;
        }
    }

    /// <summary>Whether it is that string; of any value, where <see cref="JsonElement.ValueEquals(string)"/> throws.</summary>
    public static bool Is(JsonElement value, string word) =>
        value.ValueKind == JsonValueKind.String && TryRead(value, out var text, out _) && text == word;

    /// <summary>The string's text; false and what is wrong, for what has no place in PostgreSQL's text.</summary>
    public static bool TryRead(JsonElement value, out string text, out string fault)
    {
        if (HasLoneSurrogate(JsonMarshal.GetRawUtf8Value(value)))
        {
            // The JSON is well-formed all the same: an escape such as \ud800 with no second half.
            text = "";
            fault = LoneSurrogate;
            return false;
        }
        text = value.GetString() ?? "";
        fault = text.Contains('\0') ? "The string has a NUL character, which PostgreSQL's text can't hold." : "";
        return fault.Length == 0;
    }

    /// <summary>
    /// Whether an escape in it is half a character. <see cref="JsonElement.GetString"/> tells by an exception, each of which takes as long
    /// as hundreds of strings.
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
            var unit = isUnit ? (char)ushort.Parse(escaped[1..5], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture) : default;
            escaped = escaped[(isUnit ? 5 : 1)..];
            if (char.IsLowSurrogate(unit) != hasHigh)
                return true;
            hasHigh = char.IsHighSurrogate(unit);
        }
    }
}
