using Gateway.LocalPostgres;
using Npgsql;

namespace Gateway.Streams;

/// <summary>
/// Measures the cost of large results: the gateway's streams in comparison with psql and Fastify, the memory that they
/// leave in use, and a page in comparison with one that is written by hand. All use one PostgreSQL and take turns, so
/// that other load on the machine affects all of them equally.
/// </summary>
internal static class Program
{
    /// <summary>
    /// The number of rows of a warm-up: enough for the compilers to optimize the hot code. It is not a time, because a
    /// busy machine would write too few rows in it.
    /// </summary>
    private const long WarmUp = 3_000_000;

    /// <summary>
    /// The load before each turn. Idle sessions need a ping first, and caches are full of others' data.
    /// </summary>
    private static readonly TimeSpan Settling = TimeSpan.FromSeconds(0.2);

    public static async Task<int> Main(string[] args)
    {
        if (args is [LoadProcess.Argument])
        {
            Load.Serve(StreamRows.Loads());
            return 0;
        }
        if (args is [BareServer.Argument, .. var rest])
        {
            await BareServer.ServeAsync(rest, ("/", BarePage.AnswerAsync));
            return 0;
        }

        // The script passes the folder of Fastify's program first.
        return await BenchRun.RunAsync(ct => RunAsync(args[0], StreamOptions.Parse(args[1..]), ct));
    }

    private static async Task RunAsync(string fastifyFolder, StreamOptions options, CancellationToken ct)
    {
        // The table fits into memory. All get the same plan, and there is no vacuum or checkpoint during the run.
        await using var postgres = await LocalPostgresServer.StartTemporaryAsync(
            options.Run.ServerSettings(
                ("shared_buffers", "1GB"), ("autovacuum", "off"), ("max_parallel_workers_per_gather", "0"),
                ("checkpoint_timeout", "1h"), ("max_wal_size", "8GB")),
            Console.Error.WriteLine,
            ct);
        await using var connection = new NpgsqlConnection(Database.ConnectionString(postgres));
        await connection.OpenAsync(ct);
        var machine = Machine.Describe(connection.PostgreSqlVersion.ToString());
        var postmaster = ProcessorTime.ParentOf(connection.ProcessID) ?? 0;
        await using var psql = new PsqlProcess(postgres, StreamRows.Copy);
        await StreamRows.CreateAsync(connection, options.Rows);

        ILookup<string, StreamSample> streams;
        ILookup<string, Sample> pages;
        await using (var gateway = await new GatewayServer().StartAsync(postgres, ct))
        {
            await using var bare = await BareServer.StartAsync(postgres, ct);
            await using var fastify = await FastifyServer.StartAsync(fastifyFolder, FastifyServer.Pg, postgres, ct);
            await Proof.RequireRowsAsync(await StreamRows.ReadFirstPageAsync(connection, ct), gateway, bare, ct);

            streams = await MeasureStreamsAsync(
                options, StreamContestant.All(options.Rows, psql, gateway, fastify), postmaster, ct);
            pages = await MeasurePagesAsync(options.Run, PageContestant.All(bare, gateway), postmaster, ct);
        }
        var memory = await MeasureMemoryAsync(options, postgres, ct);

        var report = Report.Write(options, machine, streams, pages, memory);
        Console.Out.Write($"\n{report}");
        if (options.Run.Results is { } file)
            await File.WriteAllTextAsync(file, report, ct);
    }

    private static async Task<ILookup<string, StreamSample>> MeasureStreamsAsync(
        StreamOptions options, IReadOnlyList<StreamContestant> contestants, int postmaster, CancellationToken ct)
    {
        for (var written = 0L; written < WarmUp; written += options.Rows)
        {
            foreach (var contestant in contestants)
                await contestant.RunAsync(ct);
        }

        var samples = new List<(string Contestant, StreamSample Sample)>();
        for (var round = 1; round <= options.Run.Rounds; round++)
        {
            Console.Error.WriteLine($"streams, round {round} of {options.Run.Rounds}");
            foreach (var contestant in Turns(contestants, round))
                samples.Add((contestant.Name, await contestant.MeasureAsync(options.Rows, postmaster, ct)));
        }
        return Ordered(contestants.Select(contestant => contestant.Name), samples);
    }

    private static async Task<ILookup<string, Sample>> MeasurePagesAsync(
        RunOptions options, IReadOnlyList<PageContestant> contestants, int postmaster, CancellationToken ct)
    {
        await using var load = new LoadProcess();
        foreach (var contestant in contestants)
        {
            for (var written = 0L; written < WarmUp;)
            {
                var result = await load.RunAsync(contestant.Server.Port, contestant.Name, TimeSpan.FromSeconds(1));
                written += StreamRows.Page * result.Requests;
            }
        }

        var samples = new List<(string Contestant, Sample Sample)>();
        for (var round = 1; round <= options.Rounds; round++)
        {
            Console.Error.WriteLine($"pages, round {round} of {options.Rounds}");
            foreach (var contestant in Turns(contestants, round))
            {
                ct.ThrowIfCancellationRequested();
                await load.RunAsync(contestant.Server.Port, contestant.Name, Settling);
                var sample = await contestant.MeasureAsync(load, TimeSpan.FromSeconds(options.Seconds), postmaster);
                samples.Add((contestant.Name, sample));
            }
        }
        return Ordered(contestants.Select(contestant => contestant.Name), samples);
    }

    /// <summary>
    /// Measures memory, in a new gateway each round: memory that an earlier request has left in use would hide the
    /// growth by a later one.
    /// </summary>
    private static async Task<ILookup<MemoryTrial, MemorySample>> MeasureMemoryAsync(
        StreamOptions options, LocalPostgresServer postgres, CancellationToken ct)
    {
        MemoryTrial[] trials = [.. MemoryTrial.Streams(options.Megabytes), .. MemoryTrial.LargeValues()];
        var samples = new List<(MemoryTrial Trial, MemorySample Sample)>();
        for (var round = 1; round <= options.Run.Rounds; round++)
        {
            Console.Error.WriteLine($"memory, round {round} of {options.Run.Rounds}");
            await using var gateway = await new GatewayServer().StartAsync(postgres, ct);
            foreach (var stream in MemoryTrial.WarmUps(options.Megabytes))
                await stream.RunAsync(gateway, ct);
            foreach (var trial in Turns(trials, round))
                samples.Add((trial, await trial.MeasureAsync(gateway, ct)));
        }
        return Ordered(trials, samples);
    }

    /// <summary>
    /// Returns the order of a round. Another contestant begins each round, because the last one's work affects the
    /// first one.
    /// </summary>
    private static IEnumerable<T> Turns<T>(IReadOnlyList<T> contestants, int round) =>
        contestants.Skip(round % contestants.Count).Concat(contestants.Take(round % contestants.Count));

    /// <summary>Returns the samples of all rounds by contestant, in the contestants' order.</summary>
    private static ILookup<TKey, TSample> Ordered<TKey, TSample>(
        IEnumerable<TKey> contestants, List<(TKey Contestant, TSample Sample)> samples) =>
        contestants.SelectMany(contestant => samples.Where(sample => Equals(sample.Contestant, contestant)))
            .ToLookup(sample => sample.Contestant, sample => sample.Sample);
}
