using System.Buffers;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Gateway.Contracts;

namespace Gateway.Client;

public static class StatementRows
{
    /// <summary>
    /// Returns the rows as <typeparamref name="T"/>: a type with a member for each needed column or, if there is one
    /// column, the type of its values.
    /// </summary>
    /// <param name="outcome">The result of a statement.</param>
    /// <param name="json">
    /// The options for reading rows: the client's <see cref="GatewayClientOptions.Json"/>, or their default.
    /// </param>
    /// <exception cref="JsonException">A row does not fit the type.</exception>
    public static IReadOnlyList<T> RowsAs<T>(this StatementOutcome outcome, JsonSerializerOptions? json = null)
    {
        ArgumentNullException.ThrowIfNull(outcome);
        var reader = new RowReader<T>(json ?? RowJson.Shared);
        return [.. outcome.Rows.Select(reader.Read)];
    }
}

/// <summary>Reads rows as a type.</summary>
internal sealed class RowReader<T>(JsonSerializerOptions json)
{
    private readonly JsonTypeInfo<T>? _type =
        typeof(T) == typeof(JsonElement) ? null : (JsonTypeInfo<T>)json.GetTypeInfo(typeof(T));
    private readonly bool _isValue = IsValue(Nullable.GetUnderlyingType(typeof(T)) ?? typeof(T));

    public T Read(JsonElement row)
    {
        if (_type is null)
            return (T)(object)row;
        return (_isValue ? OnlyValue(row) : row).Deserialize(_type)!;
    }

    public T Read(ReadOnlySequence<byte> line)
    {
        var reader = new Utf8JsonReader(line, new JsonReaderOptions { MaxDepth = AnswerJson.MaxDepth });
        return _type is null || _isValue
            ? Read(JsonElement.ParseValue(ref reader))
            : JsonSerializer.Deserialize(ref reader, _type)!;
    }

    private static bool IsValue(Type type) =>
        type.IsPrimitive || type.IsEnum || type == typeof(string) || type == typeof(decimal) || type == typeof(Guid)
        || type == typeof(DateTime) || type == typeof(DateTimeOffset) || type == typeof(DateOnly)
        || type == typeof(TimeOnly) || type == typeof(TimeSpan) || type == typeof(byte[]);

    private static JsonElement OnlyValue(JsonElement row)
    {
        var columns = row.ValueKind == JsonValueKind.Array ? row.GetArrayLength() : row.GetPropertyCount();
        if (columns != 1)
            throw new JsonException($"A row of {columns} columns is no {typeof(T).Name}.");
        return row.ValueKind == JsonValueKind.Array ? row[0] : row.EnumerateObject().First().Value;
    }
}
