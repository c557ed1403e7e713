using System.Text.Json;
using Gateway.Api.Errors;
using Gateway.Api.Journal;
using Gateway.Api.Json;

namespace Gateway.Api.Endpoints;

/// <summary>Reads a field's value into a reader, and reports its faults.</summary>
internal delegate void ReadField<in TReader>(TReader reader, JsonElement value, JsonPointer pointer);

/// <summary>Declares a field of a request: its name, its operations, its reader and its part in the hash.</summary>
/// <param name="Name">The name of the field in the body.</param>
/// <param name="Hash">How the field counts in the request's hash.</param>
/// <param name="Read">Reads the value.</param>
internal sealed record RequestField<TReader>(string Name, FieldHash Hash, ReadField<TReader> Read)
{
    /// <summary>Gets the operations that take the field; the default is all of them.</summary>
    public IReadOnlyList<Operation> Operations { get; init; } = Enum.GetValues<Operation>();

    /// <summary>Returns the same field for a reader that contains this field's reader.</summary>
    public RequestField<TOther> Within<TOther>(Func<TOther, TReader> inner) =>
        new(Name, Hash, (reader, value, pointer) => Read(inner(reader), value, pointer)) { Operations = Operations };
}

/// <summary>The fields that an operation takes, by name.</summary>
internal sealed class RequestFields<TReader>
{
    private readonly Dictionary<string, RequestField<TReader>> _fields;

    public RequestFields(Operation operation, params IEnumerable<RequestField<TReader>> fields)
    {
        _fields = fields.Where(field => field.Operations.Contains(operation))
            .ToDictionary(field => field.Name, StringComparer.Ordinal);
        Hashes = _fields.ToDictionary(field => field.Key, field => field.Value.Hash, StringComparer.Ordinal);
        Names = string.Join(", ", _fields.Keys);
    }

    /// <summary>Gets how each field counts in the request's hash.</summary>
    public IReadOnlyDictionary<string, FieldHash> Hashes { get; }

    /// <summary>Gets the names of the fields, for a message.</summary>
    public string Names { get; }

    /// <summary>Reads a field; returns false when the operation takes none of that name.</summary>
    public bool TryRead(TReader reader, string name, JsonElement value, JsonPointer pointer)
    {
        if (!_fields.TryGetValue(name, out var field))
            return false;
        field.Read(reader, value, pointer);
        return true;
    }
}

/// <summary>The words that a field may have, each with its meaning; the first is the default.</summary>
internal sealed class FieldChoice<T>(params (string Word, T Meaning)[] choices)
    where T : struct
{
    /// <summary>Gets the meaning of an absent field.</summary>
    public T Default => choices[0].Meaning;

    /// <summary>Gets the field's part in the request's hash: the default counts like an absent field.</summary>
    public FieldHash Hash { get; } = FieldHash.IncludedUnless(value => JsonText.Is(value, choices[0].Word));

    /// <summary>Reads the field. Another value is a fault, and returns the default.</summary>
    public T Read(FieldReader fields, JsonElement value, JsonPointer pointer)
    {
        foreach (var (word, meaning) in choices)
        {
            if (JsonText.Is(value, word))
                return meaning;
        }
        var words = string.Join(" or ", choices.Select(choice => $"\"{choice.Word}\""));
        fields.Fault(pointer, $"{pointer.Name} must be {words}.");
        return Default;
    }
}
