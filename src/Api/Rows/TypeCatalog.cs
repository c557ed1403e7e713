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

    /// <summary>
    /// Every name is qualified, and operators are: format_type(oid, text) would be one of public's, and so a caller's SQL in a
    /// session that the journal may trust. The search_path stays the role's, since names of types are printed by it.
    /// </summary>
    private const string Columns =
        """
        SELECT t.oid::bigint AS oid, pg_catalog.format_type(t.oid, NULL) AS name, t.typbasetype::bigint AS "baseType",
               coalesce(e.oid, 0)::bigint AS element, coalesce(e.typdelim, ',')::pg_catalog.text AS delimiter
          FROM pg_catalog.pg_type t LEFT JOIN pg_catalog.pg_type e ON e.typarray OPERATOR(pg_catalog.=) t.oid
        """;

    private readonly ConcurrentDictionary<uint, ColumnType> _types = new();

    /// <summary>Reads PostgreSQL's own types.</summary>
    /// <exception cref="NpgsqlException">The server can't be reached, or does not let the gateway in.</exception>
    public async Task LoadAsync(CancellationToken cancellation)
    {
        var rows = await ReadAsync(
            $"{Columns} WHERE t.oid OPERATOR(pg_catalog.<) {FirstNormalObjectId} AND t.typtype OPERATOR(pg_catalog.<>) 'c'", null, cancellation);
        foreach (var row in rows.OrderBy(row => row.Element != 0))
            _types[(uint)row.Oid] = Describe(row, element: _types.GetValueOrDefault((uint)row.Element), baseType: null);
    }

    /// <summary>The type with that OID.</summary>
    public ValueTask<ColumnType> FindAsync(uint oid, CancellationToken cancellation) =>
        _types.TryGetValue(oid, out var type) ? new(type) : ReadAsync(oid, cancellation);

    private async ValueTask<ColumnType> ReadAsync(uint oid, CancellationToken cancellation)
    {
        var rows = await ReadAsync($"{Columns} WHERE t.oid OPERATOR(pg_catalog.=) @oid::bigint::pg_catalog.oid", new { oid = (long)oid }, cancellation);
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
