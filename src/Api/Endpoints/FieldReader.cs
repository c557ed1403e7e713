using System.Text.Json;
using Gateway.Api.Execution;
using Gateway.Contracts;

namespace Gateway.Api.Endpoints;

/// <summary>
/// Fields of a request, by hand rather than by a serializer, which stops at the first fault and turns a number's digits
/// into a double's.
/// </summary>
/// <param name="faults">Gets what is wrong, all of it.</param>
internal sealed class FieldReader(List<RequestFault> faults)
{
    public void Fault(string pointer, string detail) => faults.Add(new RequestFault(pointer, detail));

    /// <summary>Each member of an object once, with its name and its pointer; what has no such name is a fault.</summary>
    public IEnumerable<(string Name, string Pointer, JsonElement Value)> Fields(JsonElement fields, string pointer)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var field in fields.EnumerateObject())
        {
            if (!JsonText.TryReadName(field, out var name))
            {
                Fault(pointer, JsonText.LoneSurrogate);
                continue;
            }
            var at = $"{pointer}/{JsonPointer.Escape(name)}";
            if (seen.Add(name))
                yield return (name, at, field.Value);
            else
                Fault(at, "The field is given twice.");
        }
    }

    public string? ReadString(JsonElement value, string pointer)
    {
        if (value.ValueKind != JsonValueKind.String)
        {
            Fault(pointer, $"A string is wanted, not {Kind(value)}.");
            return null;
        }
        if (JsonText.TryRead(value, out var text, out var fault))
            return text;
        Fault(pointer, fault);
        return null;
    }

    public int? ReadInteger(JsonElement value, string pointer, int least, int most)
    {
        if (value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var number) && number >= least && number <= most)
            return number;
        Fault(pointer, $"An integer from {least} to {most} is wanted.");
        return null;
    }

    public bool ReadBoolean(JsonElement value, string pointer)
    {
        if (value.ValueKind is not (JsonValueKind.True or JsonValueKind.False))
            Fault(pointer, $"true or false is wanted, not {Kind(value)}.");
        return value.ValueKind == JsonValueKind.True;
    }

    public T ReadChoice<T>(JsonElement value, string pointer, params ReadOnlySpan<(string Word, T Meaning)> choices)
        where T : struct
    {
        var words = new List<string>();
        foreach (var (word, meaning) in choices)
        {
            if (value.ValueKind == JsonValueKind.String && value.ValueEquals(word))
                return meaning;
            words.Add($"\"{word}\"");
        }
        Fault(pointer, $"{string.Join(" or ", words)} is wanted.");
        return default;
    }

    private static string Kind(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "an array",
        JsonValueKind.String => "a string",
        JsonValueKind.Number => "a number",
        JsonValueKind.Null => "null",
        _ => "a boolean",
    };
}
