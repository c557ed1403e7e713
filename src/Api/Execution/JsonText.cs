using System.Text.Json;

namespace Gateway.Api.Execution;

/// <summary>JSON strings that PostgreSQL's text can hold.</summary>
internal static class JsonText
{
    public const string LoneSurrogate = "A lone surrogate stands there, which is no Unicode character.";

    /// <summary>A member's name; false for one that has a lone surrogate.</summary>
    public static bool TryReadName(JsonProperty member, out string name)
    {
        try
        {
            name = member.Name;
            return true;
        }
        catch (InvalidOperationException)
        {
            name = "";
            return false;
        }
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
        try
        {
            text = value.GetString() ?? "";
        }
        catch (InvalidOperationException)
        {
            // The JSON is well-formed all the same: an escape such as \ud800 with no second half.
            text = "";
            fault = LoneSurrogate;
            return false;
        }
        fault = text.Contains('\0') ? "The string has a NUL character, which PostgreSQL's text can't hold." : "";
        return fault.Length == 0;
    }
}

/// <summary>Where a member or an element is in the request (RFC 6901): text only where there is a fault to tell of.</summary>
/// <param name="Parent">The pointer to what it is in.</param>
/// <param name="Name">The member's name, or the element's index.</param>
internal readonly record struct JsonPointer(string Parent, string Name)
{
    public override string ToString() => $"{Parent}/{Escape(Name)}";

    /// <summary>A member's name as a reference token.</summary>
    public static string Escape(string name) => name.Replace("~", "~0").Replace("/", "~1");
}
