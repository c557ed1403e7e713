using System.Collections.Concurrent;
using Gateway.Api.Errors;
using Gateway.Api.Types;
using Gateway.Contracts;
using Microsoft.Extensions.Caching.Memory;
using Npgsql;

namespace Gateway.Api.Postgres;

/// <summary>
/// The types of one database: PostgreSQL's own are read when the gateway starts, extensions' and users' when a value
/// first has one, also those that were created meanwhile. What DDL can change is read each time. Only what the
/// gateway's own sessions read is remembered: in a caller's there are types that nobody else sees, and settings that
/// change how names are printed.
/// </summary>
/// <param name="source">The gateway's own sessions.</param>
/// <param name="clock">The clock that names are trusted by.</param>
/// <param name="mostRemembered">
/// Bytes of the remembered types that are not PostgreSQL's own: a caller can make as many as it likes.
/// </param>
internal sealed class TypeCatalog(NpgsqlDataSource source, TimeProvider clock, long mostRemembered = 4 << 20)
    : IDisposable
{
    /// <summary>What <c>format_type</c> prints for a type that it does not find; one created in a transaction that is still open, say.</summary>
    public static readonly DataType Unknown = new(0, "???", JsonForm.Text);

    private static readonly DataType Text = new(25, "text", JsonForm.Text);

    /// <summary>A type can be renamed, and its OID stays; the name is only shown.</summary>
    private static readonly TimeSpan NameIsTrusted = TimeSpan.FromSeconds(30);

    /// <summary>The first OID that PostgreSQL gives to an object which initdb did not make.</summary>
    private const int FirstNormalObjectId = 16384;

    /// <summary>Types and attributes of one look: a table has 1600 columns at most.</summary>
    private const int MostRows = 10_000;

    /// <summary>How deep types are within types; each level of a value doubles its quotation marks.</summary>
    private const int MostLevels = 100;

    /// <summary>
    /// What reads any text as well, and is not of the category of strings (text, varchar, char, name, citext): "char",
    /// bytea, xml, unknown, refcursor, cstring, tsvector, tsquery.
    /// </summary>
    private const string AnyTextOids =
        "{18,17,142,705,1790,2275,3614,3615}";

    private const string Type =
        "p.oid, p.typtype, p.typrelid, p.typbasetype, p.typelem, p.typdelim, p.typsubscript, p.typcategory, p.typname, "
        + "p.typnamespace";

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

    private readonly ConcurrentDictionary<uint, DataType> _builtIn = new();
    private readonly MemoryCache _made = new(new MemoryCacheOptions { SizeLimit = mostRemembered });

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
    public DataType? Known(uint oid)
    {
        if (oid < FirstNormalObjectId)
            return _builtIn.GetValueOrDefault(oid);
        return _made.TryGetValue(oid, out RememberedType? known) && clock.GetElapsedTime(known!.ReadAt) < NameIsTrusted
            ? known.Type
            : null;
    }

    /// <summary>
    /// Whether a type was not found, or is one that DDL can change: an earlier statement of the transaction may have.
    /// </summary>
    public static bool MayBeNew(DataType type) => type.IsAlterable || ReferenceEquals(type, Unknown);

    /// <summary>Asks for types, with all that they are made of; its results are text.</summary>
    public static NpgsqlBatchCommand Query(IEnumerable<uint> oids) => new(Query(Given))
    {
        Parameters = { new NpgsqlParameter<string> { TypedValue = Oids.ArrayOf(oids) } },
    };

    /// <summary>Reads what <see cref="Query(IEnumerable{uint})"/> is answered with.</summary>
    /// <exception cref="Failure"><c>sql_rejected</c>: the types are made of too much.</exception>
    public static async Task<IReadOnlyDictionary<uint, DataType>> ReadAsync(
        NpgsqlDataReader reader, CancellationToken cancellation)
    {
        var rows = new List<TypeRow>();
        while (await reader.ReadAsync(cancellation))
        {
            if (rows.Count == MostRows)
                throw TooMuch($"more than {MostRows} types and attributes");
            rows.Add(new TypeRow(
                Oids.Parse(reader.GetString(0)), reader.GetString(1), Oids.Parse(reader.GetString(2)), Oids.Parse(reader.GetString(3)),
                reader.GetString(4)[0], IsComposite: reader.GetString(5) == "true", IsHstore: reader.GetString(6) == "true",
                TakesAnyText: reader.GetString(7) == "true", reader.GetString(8),
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

    private static DataType? Among(IReadOnlyList<DataType> types, uint oid) => types.FirstOrDefault(type => type.Oid == oid);

    private async Task<IReadOnlyDictionary<uint, DataType>> ReadAsync(NpgsqlBatchCommand query, CancellationToken cancellation)
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

    /// <summary>About the bytes that types take, with all that they are made of.</summary>
    public static long SizeOf(IEnumerable<DataType> types) => DataType.PartsOf(types).Sum(type =>
        200L + (2 * type.Name.Length) + (type.Composite is { } composite ? 100 + (2 * composite.Identity.Length) : 0)
        + type.Attributes.Sum(attribute => 120L + (3 * attribute.Name.Length)));

    private static Failure TooDeep() => TooMuch($"more than {MostLevels} types within one another");

    private static Failure TooMuch(string what) => new(
        ProblemCode.SqlRejected,
        $"The types of the statement's values are made of {what}, which the gateway does not look up; cast them to text.");

    /// <summary>
    /// A row for each type, and for a composite one for each attribute, in their order. Every name is qualified, and
    /// operators are: it runs in sessions of callers too. The search_path stays the role's, since names of types are
    /// printed by it. What has the array's subscripts is an array to <c>to_json</c>. The first LIMIT is for the planner
    /// too, who takes the types for so many that it would have them compiled; the second ends the look where there is
    /// more than is taken.
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
               (t.typcategory OPERATOR(pg_catalog.=) 'S' OR t.oid OPERATOR(pg_catalog.=) ANY (
                  '{AnyTextOids}'::pg_catalog.oid[]))::pg_catalog.text,
               pg_catalog.concat(t.typnamespace, '.', t.typname),
               t.attname::pg_catalog.text, t.atttypid::pg_catalog.text
          FROM (
            SELECT t.*, a.attname, a.atttypid, a.attnum
              FROM (SELECT * FROM reached LIMIT {MostRows + 1}) t
              LEFT JOIN LATERAL (
                SELECT a.attname, a.atttypid, a.attnum FROM pg_catalog.pg_attribute a
                 WHERE t.typtype OPERATOR(pg_catalog.=) 'c' AND a.attrelid OPERATOR(pg_catalog.=) t.typrelid
                   AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped
                OFFSET 0
              ) a ON true
             LIMIT {MostRows + 1}
          ) t
         ORDER BY t.oid, t.attnum
        """;

    private static DataType Describe(
        uint oid, ILookup<uint, TypeRow> rows, Dictionary<uint, DataType> described, int level)
    {
        if (described.TryGetValue(oid, out var known))
            return known;
        if (level > MostLevels)
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
            // anyarray, of pg_stats: nothing says of what it is one.
            type = type with { Element = Text };
        }
        else if (row.BaseType != 0)
        {
            // A domain is written as what it is over.
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
        return described[oid] = type.Levels <= MostLevels ? type : throw TooDeep();
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

    private sealed record RememberedType(DataType Type, long ReadAt);

    private sealed record TypeRow(
        uint Oid, string Name, uint BaseType, uint Element, char Delimiter, bool IsComposite, bool IsHstore,
        bool TakesAnyText, string Identity, AttributeRow? Attribute);

    private sealed record AttributeRow(string Name, uint Type);
}
