using Npgsql;

namespace Gateway.ExactlyOnce;

/// <summary>The table that all contestants update, as pgbench makes it for the scale 10, and the requests to do so.</summary>
internal static class Accounts
{
    /// <summary>What the gateway is asked to run; the other contestants have the same written down.</summary>
    public const string Update = "UPDATE pgbench_accounts SET abalance = abalance + $1 WHERE aid = $2 RETURNING abalance";

    /// <summary>A field, since exactly-once is the default.</summary>
    private const string AtLeastOnce = ",\"delivery\":\"at-least-once\"";

    private const int Rows = 1_000_000;
    private const int RequestCount = 4096;
    private const int Seed = 3;

    /// <summary>Activities that are recorded before the run, for replays.</summary>
    public static IReadOnlyList<string> RecordedBodies { get; } =
        [.. Keys().Select((key, number) => GatewayBody($"recorded/{number}", key))];

    /// <summary>The loads, by their names.</summary>
    public static IReadOnlyDictionary<string, LoadRequests> Loads() => new Dictionary<string, LoadRequests>
    {
        ["parameters"] = new("/", Keys().Select(key =>
            $$"""{"activityId":"bench/{{LoadRequests.FreshId}}","parameters":[1,{{key}}]}"""), "\"abalance\":"),
        ["exactly-once"] = FreshLoad(),
        ["at-least-once"] = FreshLoad(AtLeastOnce),
        ["replay"] = new("/v1/execute", RecordedBodies, "Idempotent-Replayed: true\r\n", "\"rowCount\":1,"),
    };

    public static Task CreateAsync(NpgsqlConnection connection) => Database.RunAsync(
        connection,
        "CREATE TABLE pgbench_accounts (aid int NOT NULL, bid int, abalance int, filler char(84))",
        $"INSERT INTO pgbench_accounts SELECT n, (n - 1) / 100000 + 1, 0, '' FROM generate_series(1, {Rows}) n",
        "ALTER TABLE pgbench_accounts ADD PRIMARY KEY (aid)");

    /// <summary>How many updates there have been, since each adds 1.</summary>
    public static async Task<long> CountUpdatesAsync(NpgsqlConnection connection)
    {
        await using var command = new NpgsqlCommand("SELECT sum(abalance) FROM pgbench_accounts", connection);
        return (long)(await command.ExecuteScalarAsync())!;
    }

    private static LoadRequests FreshLoad(string delivery = "") => new(
        "/v1/execute",
        Keys().Select(key => GatewayBody($"bench/{LoadRequests.FreshId}", key, delivery)),
        "Idempotent-Replayed: false\r\n", "\"rowCount\":1,");

    private static string GatewayBody(string activityId, int key, string delivery = "") =>
        $$"""{"activityId":"{{activityId}}","sql":"{{Update}}","parameters":[1,{{key}}]{{delivery}}}""";

    private static IEnumerable<int> Keys()
    {
        var random = new Random(Seed);
        return Enumerable.Range(0, RequestCount).Select(_ => random.Next(1, Rows + 1));
    }
}
