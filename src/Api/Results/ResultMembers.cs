using System.Text.Json;
using Gateway.Contracts;

namespace Gateway.Api.Results;

/// <summary>Writes the members that a result has in every JSON format.</summary>
internal static class ResultMembers
{
    public static void WriteRowCount(this Utf8JsonWriter json, long? rowCount)
    {
        if (rowCount is { } count)
            json.WriteNumber("rowCount"u8, count);
        else
            json.WriteNull("rowCount"u8);
    }

    public static void WriteColumns(this Utf8JsonWriter json, IReadOnlyList<Column> columns)
    {
        json.WriteStartArray("columns"u8);
        foreach (var column in columns)
        {
            json.WriteStartObject();
            json.WriteString("name"u8, column.Name);
            json.WriteString("type"u8, column.Type);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }
}
