namespace Gateway.Api.Rows;

/// <summary>A type of the server, as far as its JSON needs it.</summary>
/// <param name="Name">What <c>format_type(oid, NULL)</c> prints.</param>
/// <param name="Form">How a value of it becomes JSON.</param>
/// <param name="Element">The elements' type, for an array.</param>
/// <param name="Delimiter">What stands between two elements of an array: a comma, save for <c>box</c>.</param>
internal sealed record ColumnType(string Name, JsonForm Form, ColumnType? Element = null, char Delimiter = ',');

/// <summary>How PostgreSQL's text of a value becomes JSON: as its <c>to_json</c> does it.</summary>
internal enum JsonForm
{
    /// <summary>A string of the type's text.</summary>
    Text,

    /// <summary>The digits as they are; NaN and the infinities as strings.</summary>
    Number,
    Boolean,

    /// <summary>Inlined, byte for byte.</summary>
    Json,

    /// <summary>ISO 8601: a T between date and time, and minutes in the zone's offset.</summary>
    Timestamp,
    Array,
}
