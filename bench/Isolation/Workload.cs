using Npgsql;

namespace Gateway.Isolation;

/// <summary>One kind of request, to rows that are picked at random.</summary>
/// <param name="Name">One word, for commands.</param>
/// <param name="Title">For people.</param>
/// <param name="Path">The endpoint's.</param>
/// <param name="Body">The body for a row's key.</param>
internal sealed record Workload(string Name, string Title, string Path, Func<int, string> Body)
{
    private const int TableRows = 20_000;
    private const int RequestCount = 4096;
    private const int Seed = 3;

    public static IReadOnlyList<Workload> All { get; } =
    [
        new("select", "A point SELECT by primary key (`query`)", "/v1/query", key =>
            $$"""{"activityId":"bench/{{key}}","sql":"SELECT aid, bid, abalance, filler FROM accounts WHERE aid = $1","parameters":[{{key}}]}"""),
        new("update", "An UPDATE … RETURNING of one row (`execute`, at-least-once)", "/v1/execute", key =>
            $$"""{"activityId":"bench/{{key}}","sql":"UPDATE accounts SET abalance = abalance + $2 WHERE aid = $1 RETURNING aid, abalance","parameters":[{{key}},1],"delivery":"at-least-once"}"""),
    ];

    /// <summary>The table that the requests are for, with room to update a row in its own page.</summary>
    public static async Task CreateTableAsync(NpgsqlConnection connection)
    {
        foreach (var sql in new[]
        {
            "CREATE TABLE accounts (aid int PRIMARY KEY, bid int, abalance int, filler char(84)) WITH (fillfactor = 50)",
            $"INSERT INTO accounts SELECT n, n % 10, 0, '' FROM generate_series(1, {TableRows}) n",
            "VACUUM ANALYZE accounts",
        })
        {
            await using var command = new NpgsqlCommand(sql, connection);
            await command.ExecuteNonQueryAsync();
        }
    }

    /// <summary>The same in each run.</summary>
    public LoadRequests RenderRequests()
    {
        var random = new Random(Seed);
        return new(
            Path, Enumerable.Range(0, RequestCount).Select(_ => Body(random.Next(1, TableRows + 1))), "\"rowCount\":1,");
    }
}
