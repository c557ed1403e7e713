using System.Text.Json;
using Gateway.Api.Json;

namespace Gateway.Api.Sql;

/// <summary>A parameter's value: PostgreSQL's text input of it, or JSON that becomes it once its type is known.</summary>
/// <param name="Text">The text, or null for NULL.</param>
/// <param name="Json">
/// An array or an object: what is text to one type is an array, a composite or JSON to another. Null for all else, whose text
/// is the same for every type.
/// </param>
internal readonly record struct ParameterValue(string? Text, JsonElement? Json = null)
{
    /// <summary>
    /// Whether it is a part of a json value of PostgreSQL's, whose text a parameter of text may have.
    /// </summary>
    public bool IsOfJson { get; init; }

    /// <summary>The value of a string, a number, a boolean or null, which is the same text for each type; of others, the JSON.</summary>
    /// <param name="value">The JSON, which the value outlives.</param>
    /// <param name="fault">What is wrong with it; empty where nothing is.</param>
    public static ParameterValue Read(JsonElement value, out string fault)
    {
        fault = "";
        switch (value.ValueKind)
        {
            case JsonValueKind.Null:
                return default;
            case JsonValueKind.String:
                JsonText.TryRead(value, out var text, out fault);
                return new ParameterValue(text);
            case JsonValueKind.Array or JsonValueKind.Object:
                return new ParameterValue(null, value.Clone());
            default:
                // A number's digits as they were sent, never through a double; true and false.
                return new ParameterValue(value.GetRawText());
        }
    }
}
