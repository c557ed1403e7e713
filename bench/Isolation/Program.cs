using Gateway.Api.Connections;
using Gateway.LocalPostgres;
using Npgsql;

namespace Gateway.Isolation;

/// <summary>
/// Measures what isolation and the budget cost: the gateway, and the same path with them off, on one PostgreSQL, in one
/// process and in turns, so that what else the machine does hits all of them alike.
/// </summary>
internal static class Program
{
    /// <summary>Long enough for the compiler to have optimized what runs often.</summary>
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(1);

    /// <summary>Before each turn: sessions that have been idle are asked for a sign of life, caches are another's.</summary>
    private static readonly TimeSpan Settling = TimeSpan.FromSeconds(0.2);

    public static async Task<int> Main(string[] args)
    {
        if (args is [LoadProcess.Argument])
        {
            Load.Serve(Workload.All.ToDictionary(workload => workload.Name, workload => workload.RenderRequests()));
            return 0;
        }

        try
        {
            await RunAsync(RunOptions.Parse(args, seconds: 0.8));
            return 0;
        }
        catch (OperationCanceledException)
        {
            return 130;
        }
        catch (Exception error) when (error is FormatException or InvalidOperationException or LocalPostgresException or StartupException)
        {
            await Console.Error.WriteLineAsync(error.Message);
            return 1;
        }
    }

    private static async Task RunAsync(RunOptions options)
    {
        // Five gateways have more sessions than the default allows. What is vacuumed in the midst is measured too.
        await using var server = await LocalPostgresServer.StartTemporaryAsync(
            options.ServerSettings(("max_connections", "200"), ("autovacuum", "off")),
            Console.Error.WriteLine);
        var (version, postmaster) = await PrepareAsync(server.Dsn);
        var machine = Machine.Describe(version);

        var contestants = await Contestant.StartAsync(server.Dsn);
        try
        {
            var samples = await MeasureAsync(options, contestants, postmaster);
            var report = Report.Write(
                options, machine, [.. contestants.Select(contestant => contestant.Name)],
                (workload, contestant) => [.. samples[(workload, contestant)]]);
            Console.Out.Write($"\n{report}");
            if (options.Results is { } file)
                await File.WriteAllTextAsync(file, report);
        }
        finally
        {
            foreach (var contestant in contestants)
                await contestant.DisposeAsync();
        }
    }

    /// <returns>The server's version and its first process, which is 0 where it can't be seen from here.</returns>
    private static async Task<(string Version, int Postmaster)> PrepareAsync(string dsn)
    {
        await using var connection = new NpgsqlConnection(Dsn.Parse(dsn).ConnectionString);
        await connection.OpenAsync();
        await Workload.CreateTableAsync(connection);
        return (connection.PostgreSqlVersion.ToString(), ProcessorTime.ParentOf(connection.ProcessID) ?? 0);
    }

    private static async Task<ILookup<(Workload, string), Sample>> MeasureAsync(
        RunOptions options, IReadOnlyList<Contestant> contestants, int postmaster)
    {
        await using var load = new LoadProcess();
        foreach (var contestant in contestants)
        {
            await contestant.ProveAsync();
            foreach (var workload in Workload.All)
                await load.RunAsync(contestant.Port, workload.Name, WarmUp);
        }

        var samples = new List<((Workload, string) Key, Sample Sample)>();
        for (var round = 1; round <= options.Rounds; round++)
        {
            Console.Error.WriteLine($"round {round} of {options.Rounds}");
            foreach (var workload in Workload.All)
            {
                // Each begins in its turn: the first meets what the other workload has left.
                var first = round % contestants.Count;
                foreach (var contestant in contestants.Skip(first).Concat(contestants.Take(first)))
                {
                    var sample = await TakeTurnAsync(options, contestant, workload, load, postmaster);
                    samples.Add(((workload, contestant.Name), sample));
                }
            }
        }
        return samples.ToLookup(sample => sample.Key, sample => sample.Sample);
    }

    /// <exception cref="OperationCanceledException">Somebody stops the program.</exception>
    private static async Task<Sample> TakeTurnAsync(
        RunOptions options, Contestant contestant, Workload workload, LoadProcess load, int postmaster)
    {
        contestant.Stopping.ThrowIfCancellationRequested();
        await load.RunAsync(contestant.Port, workload.Name, Settling);

        var gateway = Environment.CpuUsage.TotalTime;
        var postgres = ProcessorTime.OfTree(postmaster);
        var result = await load.RunAsync(contestant.Port, workload.Name, TimeSpan.FromSeconds(options.Seconds));
        return Sample.Of(
            result,
            (Environment.CpuUsage.TotalTime - gateway).TotalSeconds,
            ProcessorTime.OfTree(postmaster) - postgres);
    }
}
