using System.Text;
using System.Text.Json;
using Gateway.Api.Errors;
using Gateway.Api.Json;
using Gateway.Api.Types;
using Gateway.Contracts;

namespace Gateway.Api.Sql;

/// <summary>
/// Encodes a parameter's JSON as the text input of its PostgreSQL type. This is the inverse of how values become JSON
/// in answers.
/// </summary>
/// <param name="faults">Receives each fault, with its JSON Pointer.</param>
internal sealed class ParameterEncoder(RequestFaults faults)
{
    /// <summary>PostgreSQL's MAXDIM.</summary>
    private const int MostDimensions = 6;

    /// <summary>The maximum number of attributes that a fault lists.</summary>
    private const int MostNamed = 50;

    private long _written;

    /// <summary>
    /// Gets the maximum length of the text, in characters. The text can be much longer than the JSON: a composite's
    /// text has a comma for each attribute that the JSON leaves out, and each nesting level doubles the quotation marks
    /// of the level below.
    /// </summary>
    public long MostText { get; init; } = long.MaxValue;

    /// <summary>
    /// The type of a value of unknown type, and of the elements of an array that is sent for a type without elements.
    /// </summary>
    public static readonly DataType Untyped = new(0, "unknown", JsonForm.Text);

    private static readonly DataType HstoreValue = new(0, "hstore", JsonForm.Text) { TakesAnyText = true };

    /// <summary>Returns the value as text; null for NULL.</summary>
    /// <param name="value">The JSON.</param>
    /// <param name="type">The type of the parameter.</param>
    /// <param name="pointer">The JSON Pointer of the value.</param>
    /// <param name="placeholder">The placeholder in the statement.</param>
    public string? Encode(JsonElement value, DataType type, string pointer, string placeholder)
    {
        if (!type.TakesAnyText || !IsNested(value))
            return Encode(value, type, pointer);
        faults.Add(new RequestFault(
            pointer,
            $"{placeholder} is of type {type.Name}, which takes no {KindOf(value)}: "
            + $"write = ANY({placeholder}) in place of IN ({placeholder}), name another type in parameterTypes, "
            + "such as \"text[]\" or \"jsonb\", or send the JSON as a string."));
        return "";
    }

    private string? Encode(JsonElement value, DataType type, string pointer)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Null:
                return null;
            case var _ when type.Form == JsonForm.Json:
                return value.GetRawText();
            case JsonValueKind.String:
                return ReadString(value, pointer);
            case JsonValueKind.Array or JsonValueKind.Object when type.TakesAnyText:
                faults.Add(new RequestFault(
                    pointer,
                    $"A value of type {type.Name} is a string here, and no {KindOf(value)}: "
                    + "send the JSON as a string."));
                return "";
            case JsonValueKind.Array when type.Form == JsonForm.Vector:
                return string.Join(
                    ' ',
                    value.EnumerateArray()
                        .Select((element, index) => Encode(element, type.Element!, $"{pointer}/{index}")));
            case JsonValueKind.Array:
                var literal = new StringBuilder();
                AppendArray(literal, value, type, 1, pointer);
                return literal.ToString();
            case JsonValueKind.Object when type.Form == JsonForm.Composite:
                return EncodeComposite(value, type, pointer);
            case JsonValueKind.Object when type.Form == JsonForm.Hstore:
                return EncodeHstore(value, pointer);
            default:
                return value.GetRawText();
        }
    }

    private static bool IsNested(JsonElement value) => value.ValueKind is JsonValueKind.Array or JsonValueKind.Object;

    private static string KindOf(JsonElement value) => value.ValueKind == JsonValueKind.Array ? "array" : "object";

    private string ReadString(JsonElement value, string pointer, int? index = null)
    {
        if (!JsonText.TryRead(value, out var text, out var fault))
            faults.Add(new RequestFault(index is null ? pointer : $"{pointer}/{index}", fault));
        return text;
    }

    /// <summary>Counts characters of the text. Returns whether there are too many.</summary>
    private bool IsTooLong(int characters, string pointer)
    {
        _written += characters;
        if (_written > MostText && _written - characters <= MostText)
        {
            faults.Add(new RequestFault(
                pointer, "As the text of its type the value is many times as long as its JSON."));
        }
        return _written > MostText;
    }

    private void AppendArray(StringBuilder literal, JsonElement array, DataType type, int dimension, string pointer)
    {
        if (dimension > MostDimensions)
        {
            faults.Add(new RequestFault(pointer, $"A PostgreSQL array has at most {MostDimensions} dimensions."));
            return;
        }

        literal.Append('{');
        var index = 0;
        foreach (var element in array.EnumerateArray())
        {
            if (index > 0)
                literal.Append(type.Delimiter);
            AppendElement(literal, element, type, index, dimension, pointer);
            index++;
            if (IsTooLong(0, pointer))
                break;
        }
        literal.Append('}');
    }

    /// <summary>
    /// Appends an element. A pointer is only made for strings, arrays and objects: an array may have many elements.
    /// </summary>
    private void AppendElement(
        StringBuilder literal, JsonElement element, DataType type, int index, int dimension, string pointer)
    {
        var elementType = type.Form == JsonForm.Array ? type.Element! : Untyped;
        switch (element.ValueKind)
        {
            case JsonValueKind.Null:
                literal.Append("NULL");
                break;
            case JsonValueKind.Array when elementType.Form is not (JsonForm.Json or JsonForm.Array or JsonForm.Vector):
                AppendArray(literal, element, type, dimension + 1, $"{pointer}/{index}");
                break;
            case JsonValueKind.String or JsonValueKind.Array or JsonValueKind.Object:
                // Always quoted: otherwise an empty string, the word NULL, commas and braces would have another
                // meaning.
                var text = element.ValueKind == JsonValueKind.String && elementType.Form != JsonForm.Json
                    ? ReadString(element, pointer, index)
                    : Encode(element, elementType, $"{pointer}/{index}");
                if (!IsTooLong(text!.Length, pointer))
                    AppendQuoted(literal, text, quote: "\\\"");
                break;
            default:
                literal.Append(element.GetRawText());
                break;
        }
    }

    private string EncodeComposite(JsonElement value, DataType type, string pointer)
    {
        var members = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
        var attributes = type.Attributes.Select(attribute => attribute.Name).ToHashSet(StringComparer.Ordinal);
        foreach (var member in value.EnumerateObject())
        {
            if (JsonText.TryReadName(member, out var name) && attributes.Contains(name))
                members[name] = member.Value;
            else
            {
                // Listed once only: a value may have as many wrong members as fit in the request.
                var known = faults.Count == 0 ? $"; it has {string.Join(", ", attributes.Take(MostNamed))}" : "";
                faults.Add(new RequestFault(
                    $"{pointer}/{JsonPointer.Escape(name)}", $"The type {type.Name} has no such attribute{known}."));
            }
        }

        var literal = new StringBuilder("(");
        foreach (var (index, attribute) in type.Attributes.Index())
        {
            if (IsTooLong(1, pointer))
                break;
            if (index > 0)
                literal.Append(',');
            if (members.TryGetValue(attribute.Name, out var member)
                && Encode(member, attribute.Type, $"{pointer}/{JsonPointer.Escape(attribute.Name)}") is { } text)
            {
                if (IsTooLong(text.Length, pointer))
                    break;
                AppendQuoted(literal, text, quote: "\"\"");
            }
        }
        return literal.Append(')').ToString();
    }

    private string EncodeHstore(JsonElement value, string pointer)
    {
        var literal = new StringBuilder();
        foreach (var member in value.EnumerateObject())
        {
            if (literal.Length > 0)
                literal.Append(',');
            if (!JsonText.TryReadName(member, out var name) || name.Contains('\0'))
                faults.Add(new RequestFault(pointer, "The name of a member is no text of PostgreSQL's."));
            AppendQuoted(literal, name, quote: "\\\"");
            literal.Append("=>");
            if (Encode(member.Value, HstoreValue, $"{pointer}/{JsonPointer.Escape(name)}") is { } text)
                AppendQuoted(literal, text, quote: "\\\"");
            else
                literal.Append("NULL");
        }
        return literal.ToString();
    }

    /// <param name="literal">Receives the text.</param>
    /// <param name="text">The text to quote.</param>
    /// <param name="quote">The escape of a quotation mark in it.</param>
    private static void AppendQuoted(StringBuilder literal, string text, string quote)
    {
        literal.Append('"');
        foreach (var character in text)
        {
            switch (character)
            {
                case '"':
                    literal.Append(quote);
                    break;
                case '\\':
                    literal.Append(@"\\");
                    break;
                default:
                    literal.Append(character);
                    break;
            }
        }
        literal.Append('"');
    }
}
