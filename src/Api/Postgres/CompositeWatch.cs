using Gateway.Api.Types;
using Npgsql;

namespace Gateway.Api.Postgres;

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
        SELECT t.oid::pg_catalog.text, pg_catalog.concat(t.typnamespace, '.', t.typname),
               a.attname::pg_catalog.text, a.atttypid::pg_catalog.text
          FROM pg_catalog.pg_type t JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) t.typrelid
         WHERE t.oid OPERATOR(pg_catalog.=) ANY (CAST($1 AS pg_catalog.text)::pg_catalog.oid[])
           AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped
         ORDER BY t.oid, a.attnum
        """;

    private readonly CompositeType[] _composites =
    [
        .. DataType.PartsOf(types).Select(type => type.Composite).OfType<CompositeType>()
            .DistinctBy(type => type.Oid).OrderBy(type => type.Oid),
    ];

    /// <summary>Whether there are none.</summary>
    public bool IsEmpty => _composites.Length == 0;

    private IEnumerable<(uint Oid, string Identity, string Attribute, uint AttributeType)> Rows =>
        _composites.SelectMany(type =>
            type.Attributes.Select(attribute => (type.Oid, type.Identity, attribute.Name, attribute.Type.Oid)));

    /// <summary>Whether two types are the same, down to the attributes of what they are made of.</summary>
    public static bool AreSame(DataType one, DataType other) =>
        one.Oid == other.Oid && new CompositeWatch([one]).Rows.SequenceEqual(new CompositeWatch([other]).Rows);

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
        using var rows = Rows.GetEnumerator();
        var areSame = true;
        while (await reader.ReadAsync(cancellation))
        {
            // Sequential access: a value can be read in its turn only.
            var (oid, identity, attribute) = (Oids.Parse(reader.GetString(0)), reader.GetString(1), reader.GetString(2));
            areSame = areSame && rows.MoveNext()
                && rows.Current == (oid, identity, attribute, Oids.Parse(reader.GetString(3)));
        }
        return areSame && !rows.MoveNext();
    }
}
