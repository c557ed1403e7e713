using System.Text;
using Gateway.LocalPostgres;
using Npgsql;

namespace Gateway.ExactlyOnce;

/// <summary>
/// Measures what exactly-once costs: the gateway beside a bare handler that promises nothing and beside DBOS, on one
/// PostgreSQL, in turns, so that what else the machine does hits all of them alike.
/// </summary>
internal static class Program
{
    /// <summary>Long enough for the compilers to have optimized what runs often.</summary>
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(4);

    /// <summary>Before each turn: sessions that have been idle are asked for a sign of life, caches are another's.</summary>
    private static readonly TimeSpan Settling = TimeSpan.FromSeconds(0.2);

    public static async Task<int> Main(string[] args)
    {
        if (args is [LoadProcess.Argument])
        {
            Load.Serve(Accounts.Loads());
            return 0;
        }
        if (args is [BareServer.Argument, .. var rest])
        {
            await BareServer.ServeAsync(rest, BareUpdate.AnswerAsync);
            return 0;
        }

        // The first is the folder of DBOS's program, which the script knows.
        return await BenchRun.RunAsync(ct => RunAsync(args[0], RunOptions.Parse(args[1..], seconds: 2), ct));
    }

    private static async Task RunAsync(string dbosFolder, RunOptions options, CancellationToken ct)
    {
        // The accounts fit into memory. What is vacuumed, or written by a checkpoint, in the midst is measured too.
        await using var postgres = await LocalPostgresServer.StartTemporaryAsync(
            options.ServerSettings(
                ("max_connections", "200"), ("shared_buffers", "1GB"), ("autovacuum", "off"),
                ("checkpoint_timeout", "1h"), ("max_wal_size", "8GB")),
            Console.Error.WriteLine,
            ct);
        await using var connection = new NpgsqlConnection(Database.ConnectionString(postgres));
        await connection.OpenAsync(ct);
        var machine = Machine.Describe(connection.PostgreSqlVersion.ToString());
        await Accounts.CreateAsync(connection);
        await Database.RunAsync(connection, $"CREATE DATABASE {Contestant.DbosDatabase}");
        await GatewayServer.InstallJournalAsync(postgres, ct);

        await using var bare = await BareServer.StartAsync(postgres, ct);
        await using var gateway = await GatewayServer.StartAsync(postgres, ct);
        await using var dbos = await Contestant.StartDbosAsync(dbosFolder, postgres, ct);
        await using var load = new LoadProcess();
        var contestants = Contestant.All(bare, gateway, dbos, load);

        var updates = await RecordAsync(gateway.Port);
        foreach (var contestant in contestants)
            updates += await RunAsync(contestant, WarmUp, ct);
        await SettleAsync(postgres, ct);

        var postmaster = ProcessorTime.ParentOf(connection.ProcessID) ?? 0;
        var samples = new List<(string Contestant, Sample Sample)>();
        for (var round = 1; round <= options.Rounds; round++)
        {
            Console.Error.WriteLine($"round {round} of {options.Rounds}");
            // Each begins in its turn: the first meets what the last has left.
            var first = round % contestants.Count;
            foreach (var contestant in contestants.Skip(first).Concat(contestants.Take(first)))
            {
                updates += await RunAsync(contestant, Settling, ct);
                var (sample, more) = await MeasureAsync(contestant, TimeSpan.FromSeconds(options.Seconds), postmaster, ct);
                samples.Add((contestant.Name, sample));
                updates += more;
            }
        }
        await ProveAsync(connection, updates);

        var report = Report.Write(
            options, machine, [.. contestants.Select(contestant => contestant.Name)],
            samples.ToLookup(sample => sample.Contestant, sample => sample.Sample));
        Console.Out.Write($"\n{report}");
        if (options.Results is { } file)
            await File.WriteAllTextAsync(file, report, ct);
    }

    /// <summary>Takes away what the warm-up has left, and lets plans be made of what is there now.</summary>
    private static async Task SettleAsync(LocalPostgresServer postgres, CancellationToken ct)
    {
        foreach (var database in new[] { postgres.Database, Contestant.DbosDatabase })
        {
            await using var connection = new NpgsqlConnection(Database.ConnectionString(postgres, database));
            await connection.OpenAsync(ct);
            await Database.RunAsync(connection, "VACUUM ANALYZE", "CHECKPOINT");
        }
    }

    private static async Task<(Sample Sample, long Updates)> MeasureAsync(
        Contestant contestant, TimeSpan duration, int postmaster, CancellationToken ct)
    {
        ct.ThrowIfCancellationRequested();
        var own = contestant.Server.ProcessorSeconds;
        var postgres = ProcessorTime.OfTree(postmaster);
        var result = await contestant.RunAsync(duration);
        var sample = Sample.Of(
            result, contestant.Server.ProcessorSeconds - own, ProcessorTime.OfTree(postmaster) - postgres);
        return (sample, contestant.Updates ? result.Requests : 0);
    }

    /// <returns>How many updates that has made.</returns>
    private static async Task<long> RunAsync(Contestant contestant, TimeSpan duration, CancellationToken ct)
    {
        ct.ThrowIfCancellationRequested();
        var result = await contestant.RunAsync(duration);
        return contestant.Updates ? result.Requests : 0;
    }

    /// <summary>Has the gateway run the activities that it is to replay.</summary>
    /// <returns>How many updates that has made.</returns>
    /// <exception cref="HttpRequestException">It has refused one.</exception>
    private static async Task<long> RecordAsync(int port)
    {
        using var client = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{port}") };
        await Parallel.ForEachAsync(
            Accounts.RecordedBodies,
            new ParallelOptions { MaxDegreeOfParallelism = Load.Connections },
            async (text, ct) =>
            {
                using var body = new StringContent(text, Encoding.UTF8, "application/json");
                using var answer = await client.PostAsync(new Uri("/v1/execute", UriKind.Relative), body, ct);
                answer.EnsureSuccessStatusCode();
            });
        return Accounts.RecordedBodies.Count;
    }

    /// <summary>Shows that every right answer but a replay stands for one update: else the figures are of nothing.</summary>
    /// <exception cref="InvalidOperationException">There have been more updates, or fewer.</exception>
    private static async Task ProveAsync(NpgsqlConnection connection, long answered)
    {
        var updates = await Accounts.CountUpdatesAsync(connection);
        if (updates != answered)
            throw new InvalidOperationException($"There are {updates} updates for {answered} answers.");
    }
}
