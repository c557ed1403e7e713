using Gateway.Api.Json;

namespace Gateway.Api.Types;

/// <summary>Represents a PostgreSQL type, with the properties that its JSON needs.</summary>
/// <param name="Oid">Its OID; 0 if unknown.</param>
/// <param name="Name">The name that <c>format_type(oid, NULL)</c> prints.</param>
/// <param name="Form">The form of its values in JSON.</param>
internal sealed record DataType(uint Oid, string Name, JsonForm Form)
{
    /// <summary>Gets the type of the elements; null if the type is not an array.</summary>
    public DataType? Element { get; init; }

    /// <summary>Gets the delimiter between the elements of an array: a comma for all types except <c>box</c>.</summary>
    public char Delimiter { get; init; } = ',';

    /// <summary>
    /// Gets whether PostgreSQL accepts any text as a value, even the text of an array or an object. A mistake would be
    /// stored or compared without an error.
    /// </summary>
    public bool TakesAnyText { get; init; }

    /// <summary>Gets the composite type, also of a domain over one; null if the type is neither.</summary>
    public CompositeType? Composite { get; init; }

    /// <summary>Gets the nesting depth of the type, itself included.</summary>
    public int Levels { get; init; } = 1;

    /// <summary>Gets the attributes of a composite type, in their order; empty for other types.</summary>
    public IReadOnlyList<TypeAttribute> Attributes => Composite?.Attributes ?? [];

    /// <summary>
    /// Gets whether the type is or contains a composite type. DDL changes those without changing their OID, so a cached
    /// description must be checked before each use (<c>CompositeWatch</c>).
    /// </summary>
    public bool IsAlterable => Composite is not null || Element is { IsAlterable: true };

    /// <summary>
    /// Returns all types that the given ones consist of, themselves included. Each is visited once: nested types can be
    /// reached on exponentially many paths.
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

/// <summary>Represents a composite type, or the row type of a table.</summary>
/// <param name="Oid">Its OID; for a domain, that of the type under it.</param>
/// <param name="Identity">
/// The OID of its schema, and its own name. The name that <c>format_type</c> prints also depends on the session's
/// settings.
/// </param>
/// <param name="Attributes">Its attributes, in their order.</param>
internal sealed record CompositeType(uint Oid, string Identity, IReadOnlyList<TypeAttribute> Attributes);

/// <summary>Represents an attribute of a composite type.</summary>
internal sealed record TypeAttribute(string Name, DataType Type)
{
    /// <summary>Gets the name as a JSON member name, with its colon.</summary>
    public byte[] JsonName { get; } = JsonString.MemberName(Name);
}

/// <summary>
/// How PostgreSQL's text of a value becomes JSON. The result is the same as that of <c>to_json</c>. Postgres's TypeCatalog
/// knows which type has which form.
/// </summary>
internal enum JsonForm
{
    /// <summary>A string with the type's text.</summary>
    Text,

    /// <summary>The digits unchanged; NaN and the infinities as strings.</summary>
    Number,

    /// <summary>Same as <see cref="Number"/>, for a type with more precision than a double.</summary>
    ExactNumber,
    Boolean,

    /// <summary>Inserted unchanged, byte for byte.</summary>
    Json,

    /// <summary>ISO 8601, independent of the session's DateStyle.</summary>
    Date,

    /// <summary>Same as <see cref="Date"/>, with a T between date and time, and minutes in the zone's offset.</summary>
    Timestamp,
    Array,

    /// <summary><c>int2vector</c>, <c>oidvector</c>: an array whose text has spaces and no braces.</summary>
    Vector,
    Composite,
    Hstore,
}
