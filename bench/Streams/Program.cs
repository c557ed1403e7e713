using System.Diagnostics;
using System.Globalization;
using Gateway.LocalPostgres;

namespace Gateway.Streams;

/// <summary>
/// Measures the cost of large results: the gateway's streams in comparison with psql and Fastify, the memory that they
/// leave in use, and a page in comparison with one that is written by hand. All use one PostgreSQL and take turns, so
/// that other load on the machine affects all of them equally.
/// </summary>
internal static class Program
{
    public const string Psql = "psql", Bare = "bare", Fastify = "Fastify";
    public const string Gateway = "gateway", Ndjson = "gateway, NDJSON", Csv = "gateway, CSV";

    private const string Query = "/v1/query";

    /// <summary>
    /// The number of rows of a warm-up: enough for the compilers to optimize the hot code. It is not a time, because a
    /// busy machine would write too few rows in it.
    /// </summary>
    private const long WarmUp = 3_000_000;

    private static readonly TimeSpan PsqlLimit = TimeSpan.FromMinutes(5), BackendsEnd = TimeSpan.FromSeconds(0.1);

    public static async Task<int> Main(string[] args)
    {
        if (args is [BareServer.Argument, .. var rest])
        {
            await BareServer.ServeAsync(rest, ("/", BarePage.AnswerAsync));
            return 0;
        }

        // The script passes the folder of the benchmarks first.
        return await BenchRun.RunAsync(ct => RunAsync(args[0], new StreamOptions(args[1..]), ct));
    }

    private static async Task RunAsync(string bench, StreamOptions options, CancellationToken ct)
    {
        // The table fits into memory. All get the same plan, and there is no vacuum or checkpoint during the run.
        await using var postgres = await LocalPostgresServer.StartTemporaryAsync(
            new Dictionary<string, string>
            {
                ["shared_buffers"] = "1GB",
                ["autovacuum"] = "off",
                ["max_parallel_workers_per_gather"] = "0",
                ["checkpoint_timeout"] = "1h",
                ["max_wal_size"] = "8GB",
                ["fsync"] = "off",
            },
            Console.Error.WriteLine,
            ct);
        await using var connection = await Database.OpenAsync(postgres, ct);
        var machine = Machine.Describe(connection.PostgreSqlVersion.ToString());
        var postmaster = ProcessorTime.ParentOf(connection.ProcessID) ?? 0;
        await StreamRows.CreateAsync(connection, options.Rows);

        var temporary = Directory.CreateTempSubdirectory("gateway-bench-");
        try
        {
            ILookup<string, Sample> streams, pages;
            await using (var gateway = await new GatewayServer().Start(postgres).ListeningAsync(ct))
            {
                await using var bare = await BareServer.StartAsync(postgres, ct);
                await using var fastify = await NodeServer.StartFastifyAsync(bench, "pg", postgres, ct);
                await Proof.RequireRowsAsync(await StreamRows.ReadFirstPageAsync(connection, ct), gateway, bare, ct);

                streams = await MeasureAsync(
                    "streams", Streams(options.Rows, postgres, gateway, fastify), options.Run, postmaster, ct);
                var wrk = new Wrk(Path.Combine(bench, "Shared", "wrk", "requests.lua"), temporary.FullName);
                pages = await MeasureAsync(
                    "pages", Pages(wrk, TimeSpan.FromSeconds(options.Run.Seconds), bare, gateway), options.Run,
                    postmaster, ct);
            }
            var memory = await MeasureMemoryAsync(options, postgres, ct);

            var report = Report.Write(options, machine, streams, pages, memory);
            Console.Out.Write($"\n{report}");
            if (options.Run.Results is { } file)
                await File.WriteAllTextAsync(file, report, ct);
        }
        finally
        {
            temporary.Delete(recursive: true);
        }
    }

    /// <summary>Returns the contestants that stream the whole table. The others are compared with the first.</summary>
    private static IReadOnlyList<Contestant> Streams(
        int rows, LocalPostgresServer postgres, ServerProcess gateway, ServerProcess fastify)
    {
        return
        [
            new(Psql, 1, RunPsqlAsync),
            Of(Ndjson, gateway, Query, StreamedAnswer.Ndjson, rows + 2),
            Of(Csv, gateway, Query, "text/csv", rows + 1),
            Of(Fastify, fastify, "/stream-rows", StreamedAnswer.Ndjson, rows),
        ];

        Contestant Of(string name, ServerProcess server, string path, string accept, long lines) =>
            new(name, 1, ct => new OwnProcesses(server.ProcessId).MeasureAsync(async () =>
            {
                var begun = Stopwatch.GetTimestamp();
                await StreamedAnswer.RequireAsync(server.Port, path, accept, StreamRows.StreamBody, lines, ct);
                return LoadResult.OfRows(rows, Stopwatch.GetElapsedTime(begun));
            }));

        async Task<Stretch> RunPsqlAsync(CancellationToken ct)
        {
            var begun = Stopwatch.GetTimestamp();
            var run = await ProgramRun.RunAsync(
                [
                    InstalledProgram.FindOf(postgres, "psql"), "--no-psqlrc", "--host", postgres.Host,
                    "--port", postgres.Port.ToString(CultureInfo.InvariantCulture), "--username", postgres.Username,
                    "--dbname", postgres.Database, "--output", "/dev/null", "--command", StreamRows.Copy,
                ],
                PsqlLimit, ct, ("PGPASSWORD", postgres.Password));
            var duration = Stopwatch.GetElapsedTime(begun);
            // psql's backend ends after psql.
            await Task.Delay(BackendsEnd, ct);
            return new Stretch(LoadResult.OfRows(rows, duration), run.OwnSeconds, run.PeakMemory);
        }
    }

    /// <summary>Returns the contestants that answer with pages. The others are compared with the first.</summary>
    private static IReadOnlyList<Contestant> Pages(
        Wrk wrk, TimeSpan duration, ServerProcess bare, ServerProcess gateway)
    {
        return
        [
            Of(Bare, bare, "/", StreamRows.BareBody),
            Of(Gateway, gateway, Query, after => StreamRows.GatewayBody(StreamRows.PageSql, after)),
        ];

        Contestant Of(string name, ServerProcess server, string path, Func<long, string> body)
        {
            var requests = wrk.Write(StreamRows.PageStarts.Select(body));
            return new(name, StreamRows.Page, ct => new OwnProcesses(server.ProcessId).MeasureAsync(
                () => wrk.RunAsync(server.Port, path, requests, Wrk.Clients, duration, ct)));
        }
    }

    private static async Task<ILookup<string, Sample>> MeasureAsync(
        string what, IReadOnlyList<Contestant> contestants, RunOptions options, int postmaster, CancellationToken ct)
    {
        foreach (var contestant in contestants)
        {
            for (var written = 0L; written < WarmUp;)
            {
                var stretch = await contestant.RunAsync(ct);
                written += contestant.RowsOfRequest * stretch.Load.Requests;
            }
        }

        var samples = contestants.ToDictionary(contestant => contestant.Name, _ => new List<Sample>());
        for (var round = 1; round <= options.Rounds; round++)
        {
            Console.Error.WriteLine($"{what}, round {round} of {options.Rounds}");
            foreach (var contestant in BenchRun.Turns(contestants, round))
            {
                ct.ThrowIfCancellationRequested();
                samples[contestant.Name].Add(
                    await Sample.MeasureAsync(postmaster, () => contestant.RunAsync(ct)));
            }
        }
        return samples.SelectMany(pair => pair.Value.Select(sample => (pair.Key, sample)))
            .ToLookup(pair => pair.Key, pair => pair.sample);
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
            await using var gateway = await new GatewayServer().Start(postgres).ListeningAsync(ct);
            foreach (var stream in MemoryTrial.WarmUps(options.Megabytes))
                await stream.RunAsync(gateway, ct);
            foreach (var trial in BenchRun.Turns(trials, round))
                samples.Add((trial, await trial.MeasureAsync(gateway, ct)));
        }
        return trials.SelectMany(trial => samples.Where(sample => sample.Trial == trial))
            .ToLookup(sample => sample.Trial, sample => sample.Sample);
    }

    /// <summary>Represents a contestant.</summary>
    /// <param name="Name">The name in the results.</param>
    /// <param name="RowsOfRequest">The number of rows in what its load counts as a request.</param>
    /// <param name="RunAsync">Runs the load once.</param>
    private sealed record Contestant(string Name, int RowsOfRequest, Func<CancellationToken, Task<Stretch>> RunAsync);
}

/// <summary>Represents the options of this benchmark.</summary>
internal sealed class StreamOptions(string[] args)
{
    public RunOptions Run { get; } = new(
        args,
        "--rows NUMBER --megabytes NUMBER --rounds NUMBER --seconds NUMBER --results FILE",
        rounds: 7, seconds: 2);

    /// <summary>Gets the number of rows in the table.</summary>
    public int Rows => Run.Number("--rows", 1_000_000, StreamRows.MinRows, 100_000_000);

    /// <summary>Gets the size of the streams of the memory trials in MiB.</summary>
    public int Megabytes => Run.Number("--megabytes", 1024, 8, 100_000);
}
