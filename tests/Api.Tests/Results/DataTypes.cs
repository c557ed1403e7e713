using Gateway.Api.Types;

namespace Gateway.Api.Tests.Results;

/// <summary>Types of PostgreSQL, as far as their JSON needs them.</summary>
internal static class DataTypes
{
    public static readonly DataType Text = new(25, "text", JsonForm.Text);
    public static readonly DataType Integer = new(23, "integer", JsonForm.Number);
    public static readonly DataType Numeric = new(1700, "numeric", JsonForm.ExactNumber);
    public static readonly DataType Boolean = new(16, "boolean", JsonForm.Boolean);
    public static readonly DataType Json = new(114, "json", JsonForm.Json);
    public static readonly DataType Date = new(1082, "date", JsonForm.Date);
    public static readonly DataType TimestampTz = new(1184, "timestamp with time zone", JsonForm.Timestamp);
    public static readonly DataType OidVector = new(30, "oidvector", JsonForm.Vector) { Element = Integer };
    public static readonly DataType Hstore = new(16400, "hstore", JsonForm.Hstore);
    public static readonly DataType Box = ArrayOf(new DataType(603, "box", JsonForm.Text)) with { Delimiter = ';' };

    public static readonly DataType Pair = new(16500, "pair", JsonForm.Composite)
    {
        Composite = new CompositeType(16500, "public.pair", [new("a", Integer), new("b \"q\"", Text)]),
    };

    public static DataType ArrayOf(DataType element) => new(0, $"{element.Name}[]", JsonForm.Array) { Element = element };

    public static DataType Find(string name) => name switch
    {
        "text" => Text,
        "integer" => Integer,
        "numeric" => Numeric,
        "boolean" => Boolean,
        "json" => Json,
        "date" => Date,
        "timestamptz" => TimestampTz,
        "oidvector" => OidVector,
        "hstore" => Hstore,
        "box[]" => Box,
        "pair" => Pair,
        _ when name.EndsWith("[]", StringComparison.Ordinal) => ArrayOf(Find(name[..^2])),
        _ => throw new ArgumentOutOfRangeException(nameof(name), name, null),
    };
}
