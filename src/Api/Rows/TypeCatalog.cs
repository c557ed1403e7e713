using System.Collections.Concurrent;
using Dapper;
using Npgsql;

namespace Gateway.Api.Rows;

/// <summary>
/// The types of one database: PostgreSQL's own are read when the gateway starts, extensions' and users' when a result
/// first has one, also those that were created meanwhile.
/// </summary>
internal sealed class TypeCatalog(NpgsqlDataSource source)
{
    /// <summary>What <c>format_type</c> prints for a type that it does not find; one created in a transaction that is still open, say.</summary>
    private static readonly ColumnType Unknown = new("???", JsonForm.Text);

    /// <summary>The first OID that PostgreSQL gives to an object which initdb did not make.</summary>
    private const int FirstNormalObjectId = 16384;

    private const string Columns =
        """
        SELECT t.oid::int8 AS oid, format_type(t.oid, NULL) AS name, t.typbasetype::int8 AS "baseType",
               coalesce(e.oid, 0)::int8 AS element, coalesce(e.typdelim, ',')::text AS delimiter
          FROM pg_catalog.pg_type t LEFT JOIN pg_catalog.pg_type e ON e.typarray = t.oid
        """;

    private readonly ConcurrentDictionary<uint, ColumnType> _types = new();

    /// <summary>Reads PostgreSQL's own types.</summary>
    /// <exception cref="NpgsqlException">The server can't be reached, or does not let the gateway in.</exception>
    public async Task LoadAsync(CancellationToken cancellation)
    {
        var rows = await ReadAsync($"{Columns} WHERE t.oid < {FirstNormalObjectId} AND t.typtype <> 'c'", null, cancellation);
        foreach (var row in rows.OrderBy(row => row.Element != 0))
            _types[(uint)row.Oid] = Describe(row, element: _types.GetValueOrDefault((uint)row.Element), baseType: null);
    }

    /// <summary>The type with that OID.</summary>
    public ValueTask<ColumnType> FindAsync(uint oid, CancellationToken cancellation) =>
        _types.TryGetValue(oid, out var type) ? new(type) : ReadAsync(oid, cancellation);

    private async ValueTask<ColumnType> ReadAsync(uint oid, CancellationToken cancellation)
    {
        var rows = await ReadAsync($"{Columns} WHERE t.oid = @oid::int8::oid", new { oid = (long)oid }, cancellation);
        if (rows.Count == 0)
            return Unknown;
        var row = rows[0];
        var element = row.Element == 0 ? null : await FindAsync((uint)row.Element, cancellation);
        var baseType = row.BaseType == 0 ? null : await FindAsync((uint)row.BaseType, cancellation);
        return _types[oid] = Describe(row, element, baseType);
    }

    private async Task<IReadOnlyList<TypeRow>> ReadAsync(string sql, object? parameters, CancellationToken cancellation)
    {
        await using var connection = await source.OpenConnectionAsync(cancellation);
        var rows = await connection.QueryAsync<TypeRow>(new CommandDefinition(sql, parameters, cancellationToken: cancellation));
        return rows.AsList();
    }

    private static ColumnType Describe(TypeRow row, ColumnType? element, ColumnType? baseType)
    {
        if (element is not null)
            return new ColumnType(row.Name, JsonForm.Array, element, row.Delimiter[0]);
        // A domain is written as what it is over.
        return baseType is not null
            ? baseType with { Name = row.Name }
            : new ColumnType(row.Name, FormOf(row.Oid));
    }

    /// <summary>The one table PostgreSQL type → JSON. What is not in it is text; the OIDs are in pg_type.dat.</summary>
    private static JsonForm FormOf(long oid) => oid switch
    {
        16 /* boolean */ => JsonForm.Boolean,
        20 or 21 or 23 /* bigint, smallint, integer */ => JsonForm.Number,
        700 or 701 or 1700 /* real, double precision, numeric */ => JsonForm.Number,
        114 or 3802 /* json, jsonb */ => JsonForm.Json,
        1114 or 1184 /* timestamp, timestamptz */ => JsonForm.Timestamp,
        _ => JsonForm.Text,
    };

    private sealed record TypeRow(long Oid, string Name, long BaseType, long Element, string Delimiter);
}
