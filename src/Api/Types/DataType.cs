using Gateway.Api.Json;

namespace Gateway.Api.Types;

/// <summary>A type of the server, as far as its JSON needs it.</summary>
/// <param name="Oid">Its OID; 0 for one that is not known.</param>
/// <param name="Name">What <c>format_type(oid, NULL)</c> prints.</param>
/// <param name="Form">How a value of it becomes JSON, and JSON a value of it.</param>
internal sealed record DataType(uint Oid, string Name, JsonForm Form)
{
    /// <summary>The elements' type, for an array.</summary>
    public DataType? Element { get; init; }

    /// <summary>What stands between two elements of an array: a comma, save for <c>box</c>.</summary>
    public char Delimiter { get; init; } = ',';

    /// <summary>
    /// Whether PostgreSQL reads any text as a value of it, that of an array or an object too: a mistake would be
    /// stored, or compared with, and no error would show it.
    /// </summary>
    public bool TakesAnyText { get; init; }

    /// <summary>What it is, or is over, where it is a composite or a domain over one.</summary>
    public CompositeType? Composite { get; init; }

    /// <summary>How many types are within one another, itself included.</summary>
    public int Levels { get; init; } = 1;

    /// <summary>A composite's attributes, in their order.</summary>
    public IReadOnlyList<TypeAttribute> Attributes => Composite?.Attributes ?? [];

    /// <summary>
    /// Whether it is a composite or has one inside: DDL changes those and leaves their OID, so that nothing
    /// remembered of them may be used without a look (<c>CompositeWatch</c>).
    /// </summary>
    public bool IsAlterable => Composite is not null || Element is { IsAlterable: true };

    /// <summary>
    /// All that types are made of, themselves included, each once: one that has many of another, which has many of a
    /// third, has more ways through it than could be walked.
    /// </summary>
    public static IReadOnlySet<DataType> PartsOf(IEnumerable<DataType> types)
    {
        var parts = new HashSet<DataType>(ReferenceEqualityComparer.Instance);
        var open = new Stack<DataType>(types);
        while (open.TryPop(out var type))
        {
            if (!parts.Add(type))
                continue;
            if (type.Element is { } element)
                open.Push(element);
            foreach (var attribute in type.Attributes)
                open.Push(attribute.Type);
        }
        return parts;
    }
}

/// <summary>A composite type, or the row type of a table.</summary>
/// <param name="Oid">Its OID; that of what a domain is over.</param>
/// <param name="Identity">
/// The OID of its schema, and its own name. What <c>format_type</c> prints depends on the session's settings too.
/// </param>
/// <param name="Attributes">In their order.</param>
internal sealed record CompositeType(uint Oid, string Identity, IReadOnlyList<TypeAttribute> Attributes);

/// <summary>An attribute of a composite type.</summary>
internal sealed record TypeAttribute(string Name, DataType Type)
{
    /// <summary>The name as a member's in JSON, with its colon.</summary>
    public byte[] JsonName { get; } = JsonString.MemberName(Name);
}

/// <summary>How PostgreSQL's text of a value becomes JSON: as its <c>to_json</c> does it.</summary>
internal enum JsonForm
{
    /// <summary>A string of the type's text.</summary>
    Text,

    /// <summary>The digits as they are; NaN and the infinities as strings.</summary>
    Number,

    /// <summary>The same, of a type that holds more than a double does.</summary>
    ExactNumber,
    Boolean,

    /// <summary>Inlined, byte for byte.</summary>
    Json,

    /// <summary>ISO 8601, whatever the session's DateStyle is.</summary>
    Date,

    /// <summary>The same, with a T between date and time, and minutes in the zone's offset.</summary>
    Timestamp,
    Array,

    /// <summary><c>int2vector</c>, <c>oidvector</c>: an array whose text has spaces and no braces.</summary>
    Vector,
    Composite,
    Hstore,
}
