using System.Collections.Concurrent;
using Gateway.Api.Errors;
using Gateway.Api.Types;
using Gateway.Contracts;
using Microsoft.Extensions.Caching.Memory;
using Npgsql;

namespace Gateway.Api.Postgres;

/// <summary>
/// Reads and caches the types of one database. PostgreSQL's own types are read when the gateway starts. The types of
/// extensions and users are read when a value first has one, so new types are found too. Types that DDL can change are
/// read each time.
/// </summary>
/// <remarks>
/// Only types that the gateway's own sessions read are cached: a caller's session may have types that no other session
/// sees, and settings that change how names are printed.
/// </remarks>
/// <param name="source">The gateway's own sessions.</param>
/// <param name="clock">The clock for the age of names.</param>
/// <param name="maxCacheBytes">
/// The maximum size of the cached types that are not PostgreSQL's own: a caller can create any number of types.
/// </param>
internal sealed class TypeCatalog(SessionSource source, TimeProvider clock, long maxCacheBytes = 4 << 20)
    : IDisposable
{
    /// <summary>
    /// Stands for a type that was not found, for example one from a transaction that is still open. Its name is the one
    /// that <c>format_type</c> prints then.
    /// </summary>
    public static readonly DataType Unknown = new(0, "???", JsonForm.Text);

    private static readonly DataType Text = new(25, "text", JsonForm.Text);

    /// <summary>
    /// How long a cached type is used, if it is not PostgreSQL's own. A type can be renamed and keeps its OID; its name
    /// is only shown.
    /// </summary>
    private static readonly TimeSpan MaxNameAge = TimeSpan.FromSeconds(30);

    /// <summary>The first OID of an object that initdb did not create.</summary>
    private const int FirstNormalObjectId = 16384;

    /// <summary>Maximum number of types and attributes in one query. A table has at most 1600 columns.</summary>
    private const int MaxRows = 10_000;

    /// <summary>Maximum depth of types in types. Each level doubles the quotation marks in a value's text.</summary>
    private const int MaxLevels = 100;

    /// <summary>
    /// The types that read any text too, and are not in the category of strings (text, varchar, char, name, citext):
    /// "char", bytea, xml, unknown, refcursor, cstring, tsvector, tsquery.
    /// </summary>
    private const string AnyTextOids =
        "{18,17,142,705,1790,2275,3614,3615}";

    private const string Type =
        "p.oid, p.typtype, p.typrelid, p.typbasetype, p.typelem, p.typdelim, p.typsubscript, p.typcategory, p.typname, "
        + "p.typnamespace";

    /// <summary>PostgreSQL's own types, except composite types and their arrays.</summary>
    private const string BuiltIn =
        $"""
        reached AS (
            SELECT {Type}
              FROM pg_catalog.pg_type p LEFT JOIN pg_catalog.pg_type e ON e.oid OPERATOR(pg_catalog.=) p.typelem
             WHERE p.oid OPERATOR(pg_catalog.<) 16384 AND p.typtype OPERATOR(pg_catalog.<>) 'c'
               AND coalesce(e.typtype, 'b') OPERATOR(pg_catalog.<>) 'c'
        )
        """;

    /// <summary>
    /// The given types, and all types in them. OFFSET keeps the planner from merging its subquery into the join, so
    /// that each type is found by its key.
    /// </summary>
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

    private readonly ConcurrentDictionary<uint, DataType> _builtIn = new();
    private readonly MemoryCache _made = new(new MemoryCacheOptions { SizeLimit = maxCacheBytes });

    /// <summary>Reads PostgreSQL's own types.</summary>
    /// <exception cref="NpgsqlException">The server can't be reached, or refuses the connection.</exception>
    public async Task LoadAsync(CancellationToken cancellation) =>
        await ReadAsync(new NpgsqlBatchCommand(Query(BuiltIn)), cancellation);

    /// <summary>Returns the types with those OIDs, in the same order.</summary>
    /// <param name="oids">The OIDs, with or without duplicates.</param>
    /// <param name="current">Types that are known to be current in the transaction that asks.</param>
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

    /// <summary>Returns the cached type; null if there is none, or if it is too old.</summary>
    public DataType? Known(uint oid)
    {
        if (oid < FirstNormalObjectId)
            return _builtIn.GetValueOrDefault(oid);
        return _made.TryGetValue(oid, out RememberedType? known) && clock.GetElapsedTime(known!.ReadAt) < MaxNameAge
            ? known.Type
            : null;
    }

    /// <summary>
    /// Returns whether an earlier statement of the transaction may have created or changed the type: it was not found,
    /// or DDL can change it.
    /// </summary>
    public static bool MayBeNew(DataType type) => type.IsAlterable || ReferenceEquals(type, Unknown);

    /// <summary>Returns the query for types and all types in them. Its results are text.</summary>
    public static NpgsqlBatchCommand Query(IEnumerable<uint> oids) => new(Query(Given))
    {
        Parameters = { new NpgsqlParameter<string> { TypedValue = Oids.ArrayOf(oids) } },
    };

    /// <summary>Reads the result of <see cref="Query(IEnumerable{uint})"/>.</summary>
    /// <exception cref="Failure"><c>sql_rejected</c>: the types have too many parts, or too many levels.</exception>
    public static async Task<IReadOnlyDictionary<uint, DataType>> ReadAsync(
        NpgsqlDataReader reader, CancellationToken cancellation)
    {
        var rows = new List<TypeRow>();
        while (await reader.ReadAsync(cancellation))
        {
            if (rows.Count == MaxRows)
                throw TooMuch($"more than {MaxRows} types and attributes");
            rows.Add(new TypeRow(
                Oids.Parse(reader.GetString(0)),
                reader.GetString(1),
                Oids.Parse(reader.GetString(2)),
                Oids.Parse(reader.GetString(3)),
                reader.GetString(4)[0],
                IsComposite: reader.GetString(5) == "true",
                IsHstore: reader.GetString(6) == "true",
                TakesAnyText: reader.GetString(7) == "true",
                reader.GetString(8),
                reader.IsDBNull(9) ? null : new AttributeRow(reader.GetString(9), Oids.Parse(reader.GetString(10)))));
        }

        var read = new Dictionary<uint, DataType>();
        var byOid = rows.ToLookup(row => row.Oid);
        foreach (var row in rows)
            Describe(row.Oid, byOid, read, level: 0);
        return read;
    }

    public void Dispose() => _made.Dispose();

    private async ValueTask<DataType[]> FindUnknownAsync(
        IReadOnlyList<uint> oids, IReadOnlyList<DataType> current, CancellationToken cancellation)
    {
        var types = oids.Select(oid => Known(oid) ?? Among(current, oid)).ToArray();
        var read = await ReadAsync(Query(oids.Where((_, index) => types[index] is null)), cancellation);
        return [.. oids.Select((oid, index) => types[index] ?? read.GetValueOrDefault(oid, Unknown))];
    }

    private static DataType? Among(IReadOnlyList<DataType> types, uint oid) =>
        types.FirstOrDefault(type => type.Oid == oid);

    private async Task<IReadOnlyDictionary<uint, DataType>> ReadAsync(
        NpgsqlBatchCommand query, CancellationToken cancellation)
    {
        await using var connection = await source.OpenConnectionAsync(cancellation);
        await using var batch = new NpgsqlBatch(connection) { BatchCommands = { query } };
        await using var reader = await batch.ExecuteReaderAsync(cancellation);
        var read = await ReadAsync(reader, cancellation);
        foreach (var (oid, type) in read)
            Remember(oid, type);
        return read;
    }

    private void Remember(uint oid, DataType type)
    {
        if (type.IsAlterable)
            return;
        if (oid < FirstNormalObjectId)
        {
            _builtIn[oid] = type;
            return;
        }
        var entry = new MemoryCacheEntryOptions { Size = SizeOf([type]) };
        _made.Set(oid, new RememberedType(type, clock.GetTimestamp()), entry);
    }

    /// <summary>Returns the approximate size in bytes of types and all types in them.</summary>
    public static long SizeOf(IEnumerable<DataType> types) => DataType.PartsOf(types).Sum(type =>
        200L + (2 * type.Name.Length) + (type.Composite is { } composite ? 100 + (2 * composite.Identity.Length) : 0)
        + type.Attributes.Sum(attribute => 120L + (3 * attribute.Name.Length)));

    private static Failure TooDeep() => TooMuch($"more than {MaxLevels} types within one another");

    private static Failure TooMuch(string what) => new(
        ProblemCode.SqlRejected,
        $"The types of the statement's values are made of {what}, which the gateway does not look up; "
        + "cast them to text.");

    /// <summary>
    /// Returns a query with a row for each type, and for a composite type a row for each attribute, in order.
    /// </summary>
    /// <remarks>
    /// All names and operators are qualified, because this runs in callers' sessions too. The search_path is not
    /// changed, because the names of types are printed by it. A type with the subscript function of arrays is an array
    /// for <c>to_json</c>. The first LIMIT also helps the planner: without it, the planner expects so many types that
    /// it compiles the query (JIT). The second LIMIT ends the query if it has more rows than are accepted.
    /// </remarks>
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
               (t.typcategory OPERATOR(pg_catalog.=) 'S' OR t.oid OPERATOR(pg_catalog.=) ANY (
                  '{AnyTextOids}'::pg_catalog.oid[]))::pg_catalog.text,
               pg_catalog.concat(t.typnamespace, '.', t.typname),
               t.attname::pg_catalog.text, t.atttypid::pg_catalog.text
          FROM (
            SELECT t.*, a.attname, a.atttypid, a.attnum
              FROM (SELECT * FROM reached LIMIT {MaxRows + 1}) t
              LEFT JOIN LATERAL (
                SELECT a.attname, a.atttypid, a.attnum FROM pg_catalog.pg_attribute a
                 WHERE t.typtype OPERATOR(pg_catalog.=) 'c' AND a.attrelid OPERATOR(pg_catalog.=) t.typrelid
                   AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped
                OFFSET 0
              ) a ON true
             LIMIT {MaxRows + 1}
          ) t
         ORDER BY t.oid, t.attnum
        """;

    private static DataType Describe(
        uint oid, ILookup<uint, TypeRow> rows, Dictionary<uint, DataType> described, int level)
    {
        if (described.TryGetValue(oid, out var known))
            return known;
        if (level > MaxLevels)
            throw TooDeep();
        if (rows[oid].FirstOrDefault() is not { } row)
            return Unknown;

        var form = row.IsHstore ? JsonForm.Hstore : FormOf(oid);
        var type = new DataType(oid, row.Name, form) { TakesAnyText = row.TakesAnyText };
        if (row.Element != 0)
        {
            var element = Describe(row.Element, rows, described, level + 1);
            type = type with
            {
                Form = type.Form == JsonForm.Vector ? JsonForm.Vector : JsonForm.Array,
                Element = element,
                Levels = element.Levels + 1,
                Delimiter = rows[row.Element].FirstOrDefault()?.Delimiter ?? ',',
            };
        }
        else if (type.Form == JsonForm.Array)
        {
            // anyarray, for example in pg_stats: the type of its elements is unknown.
            type = type with { Element = Text };
        }
        else if (row.BaseType != 0)
        {
            // A domain's value is written as one of its base type.
            var over = Describe(row.BaseType, rows, described, level + 1);
            type = over with { Oid = oid, Name = row.Name, Levels = over.Levels + 1 };
        }
        else if (row.IsComposite)
        {
            TypeAttribute[] attributes = [.. rows[oid].Select(one => one.Attribute).OfType<AttributeRow>()
                .Select(one => new TypeAttribute(one.Name, Describe(one.Type, rows, described, level + 1)))];
            type = type with
            {
                Form = JsonForm.Composite,
                Composite = new CompositeType(oid, row.Identity, attributes),
                Levels = 1 + attributes.Select(attribute => attribute.Type.Levels).DefaultIfEmpty().Max(),
            };
        }
        return described[oid] = type.Levels <= MaxLevels ? type : throw TooDeep();
    }

    /// <summary>
    /// Returns the JSON form of a PostgreSQL type: the only such table. All other types are text. The OIDs are in
    /// pg_type.dat.
    /// </summary>
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

    private sealed record RememberedType(DataType Type, long ReadAt);

    private sealed record TypeRow(
        uint Oid, string Name, uint BaseType, uint Element, char Delimiter, bool IsComposite, bool IsHstore,
        bool TakesAnyText, string Identity, AttributeRow? Attribute);

    private sealed record AttributeRow(string Name, uint Type);
}
