using System.Text;

namespace Gateway.Api.PostgresTests.Types;

/// <summary>
/// Makes a value of each type in the server's catalog, from the known values of the types that it consists of; except
/// for types that differ on purpose, and the tests' own tables.
/// </summary>
internal sealed class CatalogTypes
{
    private const string Sql = """
        SELECT t.oid, format('%I.%I', nspname, typname), typtype, typbasetype,
               coalesce(e.oid, 0), coalesce(r.rngsubtype, 0), coalesce(m.rngtypid, 0),
               (SELECT string_agg(atttypid::text, ' ' ORDER BY attnum) FROM pg_attribute
                 WHERE attrelid = t.typrelid AND attnum > 0 AND NOT attisdropped)
          FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
          LEFT JOIN (SELECT oid, typarray FROM pg_type WHERE typarray <> 0) e ON e.typarray = t.oid
          LEFT JOIN pg_range r ON r.rngtypid = t.oid
          LEFT JOIN pg_range m ON m.rngmultitypid = t.oid
         WHERE nspname NOT IN ('cast_to_json', 'entered')
           AND (t.typtype IN ('b', 'e', 'd', 'c', 'r', 'm') OR t.typtype = 'p' AND typname IN ('anyarray', 'record', 'cstring'))
         ORDER BY t.oid
        """;

    private readonly Dictionary<string, CatalogType> _types;
    private readonly Dictionary<string, TypeValue> _known;

    private CatalogTypes(Dictionary<string, CatalogType> types, Dictionary<string, TypeValue> known) => (_types, _known) = (types, known);

    public static async Task<CatalogTypes> ReadAsync(TypeDatabase database)
    {
        var types = (await database.ReadAsync(Sql)).Select(CatalogType.Of).ToDictionary(type => type.Oid);
        var values = database.Kinds.Values.SelectMany(kind => kind).Where(value => value.Expression != "NULL").ToArray();
        var names = string.Join(", ", values.Select(value => $"'{value.Type}'"));
        var oids = await database.ReadAsync(
            $"SELECT t::regtype::oid FROM unnest(ARRAY[{names}]) WITH ORDINALITY AS v(t, n) ORDER BY n");
        var known = values.Zip(oids, (value, oid) => (value, oid: oid[0]!)).GroupBy(pair => pair.oid);
        return new CatalogTypes(types, known.ToDictionary(group => group.Key, group => Choose(group.Select(pair => pair.value))));
    }

    /// <summary>Returns a value of each type; types without a known value have no expression.</summary>
    public IEnumerable<(string Type, TypeValue? Value)> Values() =>
        _types.Values.Where(type => type.Kind != 'p').Select(type => (type.Name, ValueOf(type)));

    /// <summary>
    /// Chooses a short value, because it becomes part of every composite. The first values are often empty.
    /// </summary>
    private static TypeValue Choose(IEnumerable<TypeValue> values) =>
        values.OrderBy(value => value.Entry == Entry.Same).ThenBy(value => value.Sql.Length < 500).Last();

    private TypeValue? ValueOf(CatalogType type)
    {
        if (_known.TryGetValue(type.Oid, out var known))
            return known;
        return type switch
        {
            { Element: { } element } => ArrayOf(type, element),
            { Kind: 'd' } => Cast(type, ValueOf(_types[type.BaseType])),
            { Kind: 'e' } => new TypeValue(type.Name, $"enum_last(NULL::{type.Name})"),
            { Kind: 'r' } => Call(type, ValueOf(_types[type.Subtype])),
            { Kind: 'm' } => Call(type, ValueOf(_types[type.Range])),
            { Kind: 'c' } => RowOf(type),
            _ => null,
        };
    }

    private TypeValue ArrayOf(CatalogType type, string element) => ValueOf(_types[element]) is { } value
        ? new TypeValue(type.Name, $"ARRAY[{value.Sql}, NULL]", value.Entry)
        : new TypeValue(type.Name, "'{}'", HasPseudoType(type) ? Entry.None : Entry.Same);

    /// <summary>
    /// Returns a row. Attributes that can't be sent as parameters are NULL, so that the row can be sent.
    /// </summary>
    private TypeValue RowOf(CatalogType type)
    {
        var row = new StringBuilder("ROW(");
        foreach (var (index, attribute) in type.Attributes.Index())
        {
            row.Append(index > 0 ? ", " : "")
                .Append(_types.TryGetValue(attribute, out var of) && ValueOf(of) is { Entry: Entry.Same } value ? value.Sql : "NULL");
        }
        return new TypeValue(type.Name, $"{row})", HasPseudoType(type) ? Entry.None : Entry.Same);
    }

    /// <summary>Returns whether the type has a pseudo-type in it. Then no column can have the type.</summary>
    private bool HasPseudoType(CatalogType type) => type.Kind == 'p' || type.Attributes.Append(type.Element ?? type.Oid)
        .Any(part => part != type.Oid && (!_types.TryGetValue(part, out var of) || HasPseudoType(of)));

    private static TypeValue? Cast(CatalogType type, TypeValue? value) => value is null ? null : new TypeValue(type.Name, value.Sql, value.Entry);

    /// <summary>Calls the type's own function, which has the type's name.</summary>
    private static TypeValue? Call(CatalogType type, TypeValue? value) => value is null
        ? null
        : new TypeValue(type.Name, $"{type.Name}({value.Sql}{(type.Kind == 'r' ? ", NULL" : "")})", value.Entry);

    private sealed record CatalogType(
        string Oid, string Name, char Kind, string BaseType, string? Element, string Subtype, string Range, string[] Attributes)
    {
        public static CatalogType Of(string?[] row) => new(
            row[0]!, row[1]!, row[2]![0], row[3]!, row[4] == "0" ? null : row[4], row[5]!, row[6]!,
            row[7]?.Split(' ') ?? []);
    }
}
