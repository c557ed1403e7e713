using System.Globalization;
using System.Text.Json.Nodes;
using Npgsql;

namespace Gateway.SideBySide;

/// <summary>
/// Defines the tables that all contestants use, as pgbench creates them for scale 10, and the statements on them.
/// </summary>
internal static class Accounts
{
    public const int Rows = 1_000_000;

    /// <summary>The number of rows in a page.</summary>
    public const int Page = 1000;

    public const string StreamSelect = "SELECT aid, bid, abalance, filler FROM pgbench_accounts";
    public const string PointSelect = $"{StreamSelect} WHERE aid = $1";
    public const string PageSelect = $"{StreamSelect} WHERE aid BETWEEN $1 AND $1 + 999 ORDER BY aid";

    // Also the first statement of a transaction.
    public const string Update =
        "UPDATE pgbench_accounts SET abalance = abalance + $1 WHERE aid = $2 RETURNING abalance";

    public const string SelectBalance = "SELECT aid, bid, abalance FROM pgbench_accounts WHERE aid = $1";

    public const string InsertHistory =
        "INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (1, 1, $1, $2, CURRENT_TIMESTAMP)";

    private const int RequestCount = 4096;
    private const int Seed = 3;

    /// <summary>
    /// Gets the accounts of the requests, in order, each once; after the last comes the first again. They are the same
    /// in each run.
    /// </summary>
    public static IReadOnlyList<int> Keys { get; } = MakeKeys();

    public static Task CreateAsync(NpgsqlConnection connection) => Database.RunAsync(
        connection,
        "CREATE TABLE pgbench_accounts (aid int NOT NULL, bid int, abalance int, filler char(84))",
        $"INSERT INTO pgbench_accounts SELECT n, (n - 1) / 100000 + 1, 0, '' FROM generate_series(1, {Rows}) n",
        "ALTER TABLE pgbench_accounts ADD PRIMARY KEY (aid)",
        "CREATE TABLE pgbench_history (tid int, bid int, aid int, delta int, mtime timestamp, filler char(22))");

    /// <summary>Returns the rows that a contestant's last answer must have.</summary>
    public static async Task<JsonArray> ReadAsync(NpgsqlConnection connection, Work work, int account)
    {
        var sql = work.Kind switch
        {
            WorkKind.PointSelect or WorkKind.Callers => PointSelect,
            WorkKind.Page => PageSelect,
            WorkKind.Transaction => SelectBalance,
            _ => "SELECT abalance FROM pgbench_accounts WHERE aid = $1",
        };
        await using var command = new NpgsqlCommand($"SELECT json_agg(t)::text FROM ({sql}) t", connection);
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = account });
        return JsonNode.Parse((string)(await command.ExecuteScalarAsync())!)!.AsArray();
    }

    /// <summary>Counts the updates so far, each of which adds 1, and the rows of history.</summary>
    public static async Task<Effect> CountEffectsAsync(NpgsqlConnection connection)
    {
        await using var command = new NpgsqlCommand(
            "SELECT (SELECT sum(abalance) FROM pgbench_accounts), (SELECT count(*) FROM pgbench_history)", connection);
        await using var reader = await command.ExecuteReaderAsync();
        await reader.ReadAsync();
        return new Effect(reader.GetInt64(0), reader.GetInt64(1));
    }

    /// <summary>Returns a statement for pgbench, with the parameters in its text.</summary>
    public static string ForPgbench(string sql, params string[] parameters)
    {
        for (var number = parameters.Length; number > 0; number--)
        {
            var placeholder = string.Create(CultureInfo.InvariantCulture, $"${number}");
            sql = sql.Replace(placeholder, parameters[number - 1], StringComparison.Ordinal);
        }
        return sql + ";";
    }

    /// <summary>Returns random accounts. Each is the first row of a full page.</summary>
    private static int[] MakeKeys()
    {
        var random = new Random(Seed);
        return [.. Enumerable.Range(0, 2 * RequestCount).Select(_ => random.Next(1, Rows - Page + 2))
            .Distinct().Take(RequestCount)];
    }
}

/// <summary>Represents the effect of answers on the tables.</summary>
/// <param name="Updates">The number of updates of accounts, each by 1.</param>
/// <param name="HistoryRows">The number of inserted rows of history.</param>
internal readonly record struct Effect(long Updates, long HistoryRows)
{
    public static Effect operator +(Effect one, Effect other) =>
        new(one.Updates + other.Updates, one.HistoryRows + other.HistoryRows);

    public static Effect operator *(Effect effect, long times) =>
        new(effect.Updates * times, effect.HistoryRows * times);
}
