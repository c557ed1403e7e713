using Gateway.Api.Types;
using Npgsql;

namespace Gateway.Api.Postgres;

/// <summary>
/// Checks whether composite types are as they were when they were read: DDL can change their attributes and names. The
/// check goes in the same round trip as a statement that has values of these types.
/// </summary>
/// <param name="types">The types that contain the composite types.</param>
internal sealed class CompositeWatch(IEnumerable<DataType> types)
{
    /// <summary>All names and operators are qualified, because this runs in callers' sessions.</summary>
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

    /// <summary>Gets whether there are no composite types.</summary>
    public bool IsEmpty => _composites.Length == 0;

    private IEnumerable<(uint Oid, string Identity, string Attribute, uint AttributeType)> Rows =>
        _composites.SelectMany(type =>
            type.Attributes.Select(attribute => (type.Oid, type.Identity, attribute.Name, attribute.Type.Oid)));

    /// <summary>Returns whether two types are the same, with the attributes of all composite types in them.</summary>
    public static bool AreSame(DataType one, DataType other) =>
        one.Oid == other.Oid && new CompositeWatch([one]).Rows.SequenceEqual(new CompositeWatch([other]).Rows);

    /// <summary>Returns the query for the check.</summary>
    public NpgsqlBatchCommand Look() => new(Attributes)
    {
        Parameters =
        {
            new NpgsqlParameter<string> { TypedValue = Oids.ArrayOf(_composites.Select(type => type.Oid)) },
        },
    };

    /// <summary>Reads the check's result as text. Returns true if nothing has changed.</summary>
    public async Task<bool> AreUnchangedAsync(NpgsqlDataReader reader, CancellationToken cancellation)
    {
        using var rows = Rows.GetEnumerator();
        var areSame = true;
        while (await reader.ReadAsync(cancellation))
        {
            // Sequential access: the columns can be read in their order only.
            var oid = Oids.Parse(reader.GetString(0));
            var (identity, attribute) = (reader.GetString(1), reader.GetString(2));
            areSame = areSame && rows.MoveNext()
                && rows.Current == (oid, identity, attribute, Oids.Parse(reader.GetString(3)));
        }
        return areSame && !rows.MoveNext();
    }
}
