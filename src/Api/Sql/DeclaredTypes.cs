using System.Text.Json;
using Gateway.Api.Errors;
using Gateway.Api.Json;
using Gateway.Contracts;

namespace Gateway.Api.Sql;

/// <summary>
/// Reads a request's <c>parameterTypes</c>: a type's name for each placeholder, or null to let the server infer the
/// type.
/// </summary>
internal static class DeclaredTypes
{
    /// <param name="types">The field <c>parameterTypes</c>.</param>
    /// <param name="sql">The scanned statement.</param>
    /// <param name="pointer">The JSON Pointer of the field.</param>
    /// <param name="faults">Receives the faults.</param>
    /// <returns>The types in the order of <c>$1…$n</c>; empty if there are none.</returns>
    public static IReadOnlyList<string?> Read(JsonElement? types, SqlText sql, string pointer, RequestFaults faults)
    {
        switch (types)
        {
            case null or { ValueKind: JsonValueKind.Null }:
                return [];
            case { ValueKind: JsonValueKind.Object } fields when sql.Names.Count > 0 || fields.GetPropertyCount() == 0:
                return ReadNamed(fields, sql, pointer, faults);
            case { ValueKind: JsonValueKind.Array } elements when sql.Names.Count == 0:
                return ReadPositional(elements, sql, pointer, faults);
            default:
                faults.Add(new RequestFault(
                    pointer,
                    "parameterTypes must have the form of parameters: an array for $1…$n or an object for :name, "
                    + "of type names or null."));
                return [];
        }
    }

    private static string?[] ReadPositional(JsonElement elements, SqlText sql, string pointer, RequestFaults faults)
    {
        if (elements.GetArrayLength() != sql.PlaceholderCount)
        {
            faults.Add(new RequestFault(
                pointer,
                $"parameterTypes must have an entry for each placeholder: it has {elements.GetArrayLength()}, "
                + $"and the statement has {sql.PlaceholderCount} placeholders. "
                + "An entry is a type name, or null to let PostgreSQL infer the type."));
            return [];
        }
        return
        [
            .. elements.EnumerateArray()
                .Select((type, index) => ReadName(type, new JsonPointer(pointer, index.ToString()), faults)),
        ];
    }

    private static string?[] ReadNamed(JsonElement fields, SqlText sql, string pointer, RequestFaults faults)
    {
        var types = new string?[sql.Names.Count];
        var positions = sql.Names.Index().ToDictionary(name => name.Item, name => name.Index, StringComparer.Ordinal);
        foreach (var field in fields.EnumerateObject())
        {
            if (!JsonText.TryReadName(field, out var name))
            {
                faults.Add(new RequestFault(pointer, JsonText.LoneSurrogate));
                continue;
            }
            var at = new JsonPointer(pointer, name);
            if (positions.TryGetValue(name, out var position))
                types[position] = ReadName(field.Value, at, faults);
            else
                faults.Add(at, "The statement has no placeholder of that name.");
        }
        return types;
    }

    private static string? ReadName(JsonElement type, JsonPointer pointer, RequestFaults faults)
    {
        if (type.ValueKind == JsonValueKind.Null)
            return null;
        if (type.ValueKind == JsonValueKind.String && JsonText.TryRead(type, out var name, out _) && name.Length > 0)
            return name;
        faults.Add(
            pointer, "A type must be the name of a PostgreSQL type, such as \"bigint\" or \"jsonb[]\", or null.");
        return null;
    }
}
