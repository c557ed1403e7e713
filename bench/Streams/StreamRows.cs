using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Npgsql;

namespace Gateway.Streams;

/// <summary>Defines the table that all contestants read, and the requests for it.</summary>
internal static class StreamRows
{
    /// <summary>The number of rows in a page.</summary>
    public const int Page = 1000;

    /// <summary>The minimum number of rows, so that there are enough pages.</summary>
    public const int MinRows = Page * Pages;

    /// <summary>The statement for a page: the rows after the row with the ID $1.</summary>
    public const string PageSql = $"{All} WHERE id > $1 ORDER BY id LIMIT 1000";

    /// <summary>The statement with which PostgreSQL itself writes the rows as JSON.</summary>
    public const string Copy = "COPY (SELECT row_to_json(t) FROM stream_rows t) TO STDOUT";

    private const string All = "SELECT id, name, at, amount, active, detail FROM stream_rows";

    private const int Pages = 10;

    /// <summary>The maximum that a request may name.</summary>
    private const int TimeoutMs = 300_000;

    /// <summary>Gets the IDs before the first rows of the requested pages.</summary>
    public static IEnumerable<long> PageStarts => Enumerable.Range(0, Pages).Select(page => (long)page * Page);

    /// <summary>Gets the gateway's request for the whole table.</summary>
    public static string StreamBody { get; } = GatewayBody(All);

    /// <summary>Gets the gateway's request for the first page.</summary>
    public static string FirstPageBody { get; } = GatewayBody(PageSql, 0);

    /// <summary>Returns the bare server's request for a page.</summary>
    public static string BareBody(long after) => $$"""{"after":{{after}}}""";

    /// <summary>Returns a request for the gateway.</summary>
    /// <param name="sql">A statement.</param>
    /// <param name="parameters">The statement's parameters.</param>
    public static string GatewayBody(string sql, params long[] parameters) => JsonSerializer.Serialize(
        new { activityId = "bench/streams", sql, parameters, timeoutMs = TimeoutMs });

    public static Task CreateAsync(NpgsqlConnection connection, long rows) => Database.RunAsync(
        connection,
        """
        CREATE TABLE stream_rows (
            id bigint PRIMARY KEY, name text NOT NULL, at timestamptz NOT NULL, amount numeric NOT NULL,
            active boolean NOT NULL, detail jsonb NOT NULL)
        """,
        string.Create(CultureInfo.InvariantCulture, $$"""
        INSERT INTO stream_rows
        SELECT n, substr(md5(n::text), 1, 30), timestamptz '2026-01-01 00:00:00Z' + n * interval '1.234567 s',
            round(n * 7919 % 10000000 / 100.0, 2), n % 3 = 0,
            format('{"score": %s, "source": "web", "labels": ["new", "paid"]}', lpad((n % 1000)::text, 3, '1'))::jsonb
        FROM generate_series(1, {{rows}}::bigint) n
        """),
        "VACUUM (ANALYZE) stream_rows",
        "CHECKPOINT");

    /// <summary>Reads the first page's rows, as PostgreSQL prints them in JSON.</summary>
    public static async Task<JsonArray> ReadFirstPageAsync(NpgsqlConnection connection, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(
            $"SELECT json_agg(t ORDER BY id)::text FROM stream_rows t WHERE id <= {Page}", connection);
        return JsonNode.Parse((string)(await command.ExecuteScalarAsync(ct))!)!.AsArray();
    }
}
