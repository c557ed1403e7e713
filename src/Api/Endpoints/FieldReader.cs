using System.Text.Json;
using Gateway.Api.Errors;
using Gateway.Api.Json;
using Gateway.Contracts;

namespace Gateway.Api.Endpoints;

/// <summary>
/// Reads the values of a request's fields. <see cref="RequestReader"/> and <see cref="StatementReader"/> know the names
/// of the fields, and refuse others. A serializer would stop at the first fault, and would turn a number's digits into
/// a double.
/// </summary>
/// <param name="faults">Receives all faults.</param>
internal sealed class FieldReader(RequestFaults faults)
{
    public void Fault(string pointer, string detail) => faults.Add(new RequestFault(pointer, detail));

    public void Fault(JsonPointer pointer, string detail) => faults.Add(pointer, detail);

    /// <summary>
    /// Returns each member of an object once, with its name and its pointer. A name that is not valid text is reported
    /// as a fault.
    /// </summary>
    public FieldEnumerator Fields(JsonElement fields, string pointer) => new(this, fields, pointer);

    public string? ReadString(JsonElement value, JsonPointer pointer)
    {
        if (value.ValueKind != JsonValueKind.String)
        {
            Fault(pointer, $"{pointer.Name} must be a string, not {Kind(value)}.");
            return null;
        }
        if (JsonText.TryRead(value, out var text, out var fault))
            return text;
        Fault(pointer, fault);
        return null;
    }

    public int? ReadInteger(JsonElement value, JsonPointer pointer, int least, int most)
    {
        if (value.ValueKind == JsonValueKind.Number
            && value.TryGetInt32(out var number) && number >= least && number <= most)
            return number;
        Fault(pointer, $"{pointer.Name} must be an integer from {least} to {most}.");
        return null;
    }

    public bool ReadBoolean(JsonElement value, JsonPointer pointer)
    {
        if (value.ValueKind is not (JsonValueKind.True or JsonValueKind.False))
            Fault(pointer, $"{pointer.Name} must be true or false, not {Kind(value)}.");
        return value.ValueKind == JsonValueKind.True;
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

    /// <summary>Enumerates the members of an object.</summary>
    public ref struct FieldEnumerator(FieldReader reader, JsonElement fields, string pointer)
    {
        private JsonElement.ObjectEnumerator _fields = fields.EnumerateObject();
        private DistinctNames _seen;

        public (string Name, JsonPointer Pointer, JsonElement Value) Current { get; private set; }

        public readonly FieldEnumerator GetEnumerator() => this;

        public bool MoveNext()
        {
            while (_fields.MoveNext())
            {
                if (!JsonText.TryReadName(_fields.Current, out var name))
                {
                    reader.Fault(pointer, JsonText.LoneSurrogate);
                    continue;
                }
                var at = new JsonPointer(pointer, name);
                if (_seen.Add(name))
                {
                    Current = (name, at, _fields.Current.Value);
                    return true;
                }
                reader.Fault(at, "The field is given twice.");
            }
            return false;
        }
    }
}
