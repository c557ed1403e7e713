using Npgsql;

namespace Gateway.Api.Rows;

/// <summary>
/// Composite types as they were when they were read, and a look whether they still are: DDL changes their attributes and names,
/// and the look goes along with a statement that has values of them, in its round trip.
/// </summary>
/// <param name="types">The types that hold them.</param>
internal sealed class CompositeWatch(IEnumerable<DataType> types)
{
    /// <summary>Every name is qualified, and operators are: it runs in sessions of callers.</summary>
    private const string Attributes =
        """
        SELECT t.oid::pg_catalog.text, pg_catalog.format_type(t.oid, NULL), a.attname::pg_catalog.text, a.atttypid::pg_catalog.text
          FROM pg_catalog.pg_type t JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) t.typrelid
         WHERE t.oid OPERATOR(pg_catalog.=) ANY (CAST($1 AS pg_catalog.text)::pg_catalog.oid[])
           AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped
         ORDER BY t.oid, a.attnum
        """;

    private readonly CompositeType[] _composites =
        [.. types.SelectMany(type => type.Composites).DistinctBy(type => type.Oid).OrderBy(type => type.Oid)];

    /// <summary>Whether there are none.</summary>
    public bool IsEmpty => _composites.Length == 0;

    public NpgsqlBatchCommand Look() => new(Attributes)
    {
        Parameters =
        {
            new NpgsqlParameter<string> { TypedValue = Oids.ArrayOf(_composites.Select(type => type.Oid)) },
        },
    };

    /// <summary>Reads what the look is answered with, as text; true where nothing has changed.</summary>
    public async Task<bool> AreUnchangedAsync(NpgsqlDataReader reader, CancellationToken cancellation)
    {
        var seen = new List<(uint Oid, string Name, string Attribute, uint AttributeType)>();
        while (await reader.ReadAsync(cancellation))
            seen.Add((Oids.Parse(reader.GetString(0)), reader.GetString(1), reader.GetString(2), Oids.Parse(reader.GetString(3))));
        return seen.SequenceEqual(_composites.SelectMany(type =>
            type.Attributes.Select(attribute => (type.Oid, type.Name, attribute.Name, attribute.Type.Oid))));
    }
}
