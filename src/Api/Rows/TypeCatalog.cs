using System.Collections.Concurrent;
using Npgsql;

namespace Gateway.Api.Rows;

/// <summary>
/// The types of one database: PostgreSQL's own are read when the gateway starts, extensions' and users' when a value first
/// has one, also those that were created meanwhile. What DDL can change is read each time.
/// </summary>
internal sealed class TypeCatalog(NpgsqlDataSource source, TimeProvider clock)
{
    /// <summary>What <c>format_type</c> prints for a type that it does not find; one created in a transaction that is still open, say.</summary>
    private static readonly DataType Unknown = new(0, "???", JsonForm.Text);

    private static readonly DataType Text = new(25, "text", JsonForm.Text);

    /// <summary>A type can be renamed, and its OID stays; the name is only shown.</summary>
    private static readonly TimeSpan NameIsTrusted = TimeSpan.FromSeconds(30);

    /// <summary>The first OID that PostgreSQL gives to an object which initdb did not make.</summary>
    private const int FirstNormalObjectId = 16384;

    /// <summary>More than any value is made of.</summary>
    private const int MostTypes = 10_000;

    private const string Type = "p.oid, p.typtype, p.typrelid, p.typbasetype, p.typelem, p.typdelim, p.typsubscript";

    /// <summary>PostgreSQL's own, composites and their arrays apart.</summary>
    private const string BuiltIn =
        $"""
        reached AS (
            SELECT {Type}
              FROM pg_catalog.pg_type p LEFT JOIN pg_catalog.pg_type e ON e.oid OPERATOR(pg_catalog.=) p.typelem
             WHERE p.oid OPERATOR(pg_catalog.<) 16384 AND p.typtype OPERATOR(pg_catalog.<>) 'c'
               AND coalesce(e.typtype, 'b') OPERATOR(pg_catalog.<>) 'c'
        )
        """;

    /// <summary>The given ones, and all that they are made of; what OFFSET keeps apart is looked up by its key.</summary>
    private const string Given =
        $"""
        RECURSIVE reached AS (
            SELECT {Type} FROM pg_catalog.pg_type p WHERE p.oid OPERATOR(pg_catalog.=) ANY (CAST($1 AS pg_catalog.text)::pg_catalog.oid[])
            UNION
            SELECT p.*
              FROM reached
             CROSS JOIN LATERAL (
                SELECT reached.typbasetype
                UNION ALL SELECT reached.typelem
                UNION ALL SELECT a.atttypid FROM pg_catalog.pg_attribute a
                           WHERE a.attrelid OPERATOR(pg_catalog.=) reached.typrelid AND a.attnum OPERATOR(pg_catalog.>) 0
                             AND NOT a.attisdropped
             ) part(oid)
             CROSS JOIN LATERAL (SELECT {Type} FROM pg_catalog.pg_type p WHERE p.oid OPERATOR(pg_catalog.=) part.oid OFFSET 0) p
        )
        """;

    private readonly ConcurrentDictionary<uint, (DataType Type, long ReadAt)> _types = new();

    /// <summary>Reads PostgreSQL's own types.</summary>
    /// <exception cref="NpgsqlException">The server can't be reached, or does not let the gateway in.</exception>
    public async Task LoadAsync(CancellationToken cancellation) => await ReadAsync(new NpgsqlBatchCommand(Query(BuiltIn)), cancellation);

    /// <summary>The types with those OIDs, in their order.</summary>
    /// <param name="oids">The OIDs; one may be there several times.</param>
    /// <param name="current">What is known to be true of others in the transaction that asks.</param>
    /// <param name="cancellation">Ends the wait for the server.</param>
    public ValueTask<DataType[]> FindAsync(
        IReadOnlyList<uint> oids, IReadOnlyList<DataType> current, CancellationToken cancellation)
    {
        var types = new DataType[oids.Count];
        for (var i = 0; i < types.Length; i++)
        {
            if ((Known(oids[i]) ?? Among(current, oids[i])) is not { } type)
                return FindUnknownAsync(oids, current, cancellation);
            types[i] = type;
        }
        return new ValueTask<DataType[]>(types);
    }

    /// <summary>A type that is known for good, or long enough.</summary>
    public DataType? Known(uint oid) => _types.TryGetValue(oid, out var known)
        && (oid < FirstNormalObjectId || clock.GetElapsedTime(known.ReadAt) < NameIsTrusted)
        ? known.Type
        : null;

    /// <summary>Asks for types, with all that they are made of; its results are text.</summary>
    public static NpgsqlBatchCommand Query(IEnumerable<uint> oids) => new(Query(Given))
    {
        Parameters = { new NpgsqlParameter<string> { TypedValue = Oids.ArrayOf(oids) } },
    };

    /// <summary>Reads what <see cref="Query(IEnumerable{uint})"/> is answered with, and remembers what may be.</summary>
    public async Task<IReadOnlyDictionary<uint, DataType>> ReadAsync(NpgsqlDataReader reader, CancellationToken cancellation)
    {
        var rows = new List<TypeRow>();
        while (await reader.ReadAsync(cancellation))
        {
            rows.Add(new TypeRow(
                Oids.Parse(reader.GetString(0)), reader.GetString(1), Oids.Parse(reader.GetString(2)), Oids.Parse(reader.GetString(3)),
                reader.GetString(4)[0], IsComposite: reader.GetString(5) == "true", IsHstore: reader.GetString(6) == "true",
                reader.IsDBNull(7) ? null : new AttributeRow(reader.GetString(7), Oids.Parse(reader.GetString(8)))));
        }

        var read = new Dictionary<uint, DataType>();
        var byOid = rows.ToLookup(row => row.Oid);
        foreach (var row in rows)
            Describe(row.Oid, byOid, read);
        foreach (var (oid, type) in read)
        {
            if (!type.IsAlterable)
                _types[oid] = (type, clock.GetTimestamp());
        }
        return read;
    }

    private async ValueTask<DataType[]> FindUnknownAsync(
        IReadOnlyList<uint> oids, IReadOnlyList<DataType> current, CancellationToken cancellation)
    {
        var types = oids.Select(oid => Known(oid) ?? Among(current, oid)).ToArray();
        var read = await ReadAsync(Query(oids.Where((_, index) => types[index] is null)), cancellation);
        return [.. oids.Select((oid, index) => types[index] ?? read.GetValueOrDefault(oid, Unknown))];
    }

    private static DataType? Among(IReadOnlyList<DataType> types, uint oid) => types.FirstOrDefault(type => type.Oid == oid);

    private async Task<IReadOnlyDictionary<uint, DataType>> ReadAsync(NpgsqlBatchCommand query, CancellationToken cancellation)
    {
        await using var connection = await source.OpenConnectionAsync(cancellation);
        await using var batch = new NpgsqlBatch(connection) { BatchCommands = { query } };
        await using var reader = await batch.ExecuteReaderAsync(cancellation);
        return await ReadAsync(reader, cancellation);
    }

    /// <summary>
    /// A row for each type, and for a composite one for each attribute, in their order. Every name is qualified, and operators are:
    /// it runs in sessions of callers too. The search_path stays the role's, since names of types are printed by it. What has the
    /// array's subscripts is an array to <c>to_json</c>. The LIMIT is for the planner, who takes the types for so many that it would
    /// have them compiled.
    /// </summary>
    private static string Query(string reached) =>
        $"""
        WITH {reached}
        SELECT t.oid::pg_catalog.text, pg_catalog.format_type(t.oid, NULL), t.typbasetype::pg_catalog.text,
               CASE WHEN t.typsubscript OPERATOR(pg_catalog.=) 'pg_catalog.array_subscript_handler'::pg_catalog.regproc
                    THEN t.typelem ELSE 0::pg_catalog.oid END::pg_catalog.text,
               t.typdelim::pg_catalog.text, (t.typtype OPERATOR(pg_catalog.=) 'c')::pg_catalog.text,
               (t.oid OPERATOR(pg_catalog.=) ANY (ARRAY(
                  SELECT h.oid
                    FROM pg_catalog.pg_type h
                    JOIN pg_catalog.pg_depend d ON d.objid OPERATOR(pg_catalog.=) h.oid
                    JOIN pg_catalog.pg_extension x ON x.oid OPERATOR(pg_catalog.=) d.refobjid
                   WHERE h.typname OPERATOR(pg_catalog.=) 'hstore' AND x.extname OPERATOR(pg_catalog.=) 'hstore'
                     AND d.deptype OPERATOR(pg_catalog.=) 'e'
                     AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_type'::pg_catalog.regclass
                     AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_extension'::pg_catalog.regclass)))::pg_catalog.text,
               a.attname::pg_catalog.text, a.atttypid::pg_catalog.text
          FROM (SELECT * FROM reached LIMIT {MostTypes}) t
          LEFT JOIN LATERAL (
            SELECT a.attname, a.atttypid, a.attnum FROM pg_catalog.pg_attribute a
             WHERE t.typtype OPERATOR(pg_catalog.=) 'c' AND a.attrelid OPERATOR(pg_catalog.=) t.typrelid
               AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped
            OFFSET 0
          ) a ON true
         ORDER BY t.oid, a.attnum
        """;

    private static DataType Describe(uint oid, ILookup<uint, TypeRow> rows, Dictionary<uint, DataType> described)
    {
        if (described.TryGetValue(oid, out var known))
            return known;
        if (rows[oid].FirstOrDefault() is not { } row)
            return Unknown;

        var type = new DataType(oid, row.Name, row.IsHstore ? JsonForm.Hstore : FormOf(oid));
        if (row.Element != 0)
        {
            type = type with
            {
                Form = type.Form == JsonForm.Vector ? JsonForm.Vector : JsonForm.Array,
                Element = Describe(row.Element, rows, described),
                Delimiter = rows[row.Element].FirstOrDefault()?.Delimiter ?? ',',
            };
        }
        else if (type.Form == JsonForm.Array)
        {
            // anyarray, of pg_stats: nothing says of what it is one.
            type = type with { Element = Text };
        }
        else if (row.BaseType != 0)
        {
            // A domain is written as what it is over.
            type = Describe(row.BaseType, rows, described) with { Oid = oid, Name = row.Name };
        }
        else if (row.IsComposite)
        {
            var attributes = rows[oid].Where(one => one.Attribute is not null)
                .Select(one => new TypeAttribute(one.Attribute!.Name, Describe(one.Attribute.Type, rows, described)));
            type = type with { Form = JsonForm.Composite, Composite = new CompositeType(oid, row.Name, [.. attributes]) };
        }
        return described[oid] = type;
    }

    /// <summary>The one table PostgreSQL type → JSON. What is not in it is text; the OIDs are in pg_type.dat.</summary>
    private static JsonForm FormOf(uint oid) => oid switch
    {
        16 /* boolean */ => JsonForm.Boolean,
        21 or 23 or 700 or 701 /* smallint, integer, real, double precision */ => JsonForm.Number,
        20 or 1700 /* bigint, numeric */ => JsonForm.ExactNumber,
        22 or 30 /* int2vector, oidvector */ => JsonForm.Vector,
        114 or 3802 /* json, jsonb */ => JsonForm.Json,
        1082 /* date */ => JsonForm.Date,
        1114 or 1184 /* timestamp, timestamptz */ => JsonForm.Timestamp,
        2277 /* anyarray */ => JsonForm.Array,
        _ => JsonForm.Text,
    };

    private sealed record TypeRow(
        uint Oid, string Name, uint BaseType, uint Element, char Delimiter, bool IsComposite, bool IsHstore, AttributeRow? Attribute);

    private sealed record AttributeRow(string Name, uint Type);
}
