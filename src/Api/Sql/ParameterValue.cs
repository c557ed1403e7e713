using System.Text.Json;
using Gateway.Api.Json;

namespace Gateway.Api.Sql;

/// <summary>
/// Represents a parameter's value: PostgreSQL's text input, or JSON that is encoded once the type is known.
/// </summary>
/// <param name="Text">The text, or null for NULL.</param>
/// <param name="Json">
/// An array or an object, whose text depends on the type: an array, a composite, JSON or plain text. Null for other
/// values, whose text is the same for every type.
/// </param>
internal readonly record struct ParameterValue(string? Text, JsonElement? Json = null)
{
    /// <summary>
    /// Gets whether the value is a part of a PostgreSQL json value. Then a parameter of a text type may have its JSON
    /// text.
    /// </summary>
    public bool IsOfJson { get; init; }

    /// <summary>
    /// Reads a value. A string, a number, a boolean or null becomes text, which is the same for every type; an array or
    /// an object stays JSON.
    /// </summary>
    /// <param name="value">The JSON. The result does not depend on its document.</param>
    /// <param name="fault">Receives the fault; empty if there is none.</param>
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
                // true, false, or a number's digits as they were sent, never through a double.
                return new ParameterValue(value.GetRawText());
        }
    }
}
