using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Gateway.Api.Tests.Endpoints;

/// <summary>Represents a schema of the document, with the part of JSON Schema that the document uses.</summary>
internal sealed class ContractSchema(JsonNode schema)
{
    private static readonly HashSet<string> Known =
    [
        "$ref", "type", "format", "description", "enum", "oneOf", "minimum", "maximum", "minLength",
        "maxLength", "pattern", "minItems", "maxItems", "items", "properties", "required", "additionalProperties",
    ];

    public static ContractSchema Of(string name) =>
        new(Generated.Document["components"]!["schemas"]![name] ?? throw new KeyNotFoundException(name));

    public JsonNode Property(string name) => schema["properties"]![name]!;

    /// <summary>Returns the default of a member, which is at the end of its description.</summary>
    public string DefaultOf(string name) => Regex.Match((string)Property(name)["description"]!, " By default `([^`]+)`\\.$").Groups[1].Value;

    public IEnumerable<string> Properties => schema["properties"]!.AsObject().Select(property => property.Key);

    /// <summary>Returns the JSON Pointers of the values that violate the schema.</summary>
    public IReadOnlyList<string> Faults(JsonNode? value) => [.. Faults(schema, value, "")];

    private static IEnumerable<string> Faults(JsonNode schema, JsonNode? value, string at)
    {
        Assert.All(schema.AsObject(), keyword => Assert.Contains(keyword.Key, Known));
        if ((string?)schema["$ref"] is { } reference)
            return Faults(Generated.Document["components"]!["schemas"]![reference.Split('/')[^1]]!, value, at);
        if (schema["oneOf"] is JsonArray choices)
            return choices.Count(choice => !Faults(choice!, value, at).Any()) == 1 ? [] : [at];
        if (!HasType(schema["type"], value))
            return [at];
        return value switch
        {
            JsonObject members => MemberFaults(schema, members, at),
            JsonArray elements when elements.Count < ((int?)schema["minItems"] ?? 0)
                || elements.Count > ((int?)schema["maxItems"] ?? int.MaxValue) => [at],
            JsonArray elements when schema["items"] is { } items =>
                elements.SelectMany((element, i) => Faults(items, element, $"{at}/{i}")),
            JsonArray => [],
            JsonValue scalar => IsAllowed(schema, scalar) ? [] : [at],
            null => [],
            _ => throw new NotSupportedException(),
        };
    }

    private static IEnumerable<string> MemberFaults(JsonNode schema, JsonObject members, string at)
    {
        var others = schema["additionalProperties"];
        foreach (var (name, value) in members)
        {
            if (schema["properties"]?[name] is { } property)
            {
                foreach (var fault in Faults(property, value, $"{at}/{name}"))
                    yield return fault;
            }
            else if (others?.GetValueKind() == JsonValueKind.False)
                yield return $"{at}/{name}";
            else if (others is JsonObject any)
            {
                foreach (var fault in Faults(any, value, $"{at}/{name}"))
                    yield return fault;
            }
        }
        foreach (var required in schema["required"]?.AsArray() ?? [])
        {
            if (!members.ContainsKey((string)required!))
                yield return $"{at}/{required}";
        }
    }

    private static bool HasType(JsonNode? types, JsonNode? value)
    {
        if (types is null)
            return true;
        var names = types is JsonArray several ? several.Select(type => (string)type!).ToArray() : [(string)types!];
        return value?.GetValueKind() switch
        {
            null or JsonValueKind.Null => names.Contains("null"),
            JsonValueKind.Object => names.Contains("object"),
            JsonValueKind.Array => names.Contains("array"),
            JsonValueKind.String => names.Contains("string"),
            JsonValueKind.Number => names.Contains("number")
                || (names.Contains("integer") && long.TryParse(value.ToJsonString(), CultureInfo.InvariantCulture, out _)),
            _ => names.Contains("boolean"),
        };
    }

    private static bool IsAllowed(JsonNode schema, JsonValue value)
    {
        if (schema["enum"] is JsonArray words)
            return words.Any(word => JsonNode.DeepEquals(word, value));
        if (value.GetValueKind() == JsonValueKind.String)
        {
            var text = (string)value!;
            return text.Length >= ((int?)schema["minLength"] ?? 0)
                && text.Length <= ((int?)schema["maxLength"] ?? int.MaxValue)
                && Regex.IsMatch(text, (string?)schema["pattern"] ?? "")
                && ((string?)schema["format"] != "date-time" || DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, out _));
        }
        return value.GetValueKind() != JsonValueKind.Number
            // A number in a row may be larger than any decimal.
            || (schema["minimum"] is null && schema["maximum"] is null)
            || (decimal.Parse(value.ToJsonString(), CultureInfo.InvariantCulture) is var number
                && number >= ((decimal?)schema["minimum"] ?? decimal.MinValue)
                && number <= ((decimal?)schema["maximum"] ?? decimal.MaxValue));
    }
}
