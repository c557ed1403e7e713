using System.Globalization;
using Gateway.LocalPostgres;

namespace Gateway.SideBySide;

/// <summary>
/// Compares the gateway with alternatives on one PostgreSQL. They take turns, so that other load on the machine affects
/// all of them equally.
/// </summary>
internal static class Program
{
    public static async Task<int> Main(string[] args)
    {
        if (args is [BareServer.Argument, .. var rest])
        {
            await BareServer.ServeAsync(rest, BareHandlers.All);
            return 0;
        }
        if (args is [AllocationTrial.Argument, var rounds, var script, var folder, var result])
        {
            await AllocationTrial.RunAsync(int.Parse(rounds, CultureInfo.InvariantCulture), script, folder, result);
            return 0;
        }

        // The script passes two folders first: the benchmarks, and the published gateway.
        return await BenchRun.RunAsync(ct => RunAsync(args[0], args[1], new SideBySideOptions(args[2..]), ct));
    }

    private static async Task RunAsync(string bench, string published, SideBySideOptions options, CancellationToken ct)
    {
        Requirement.Require(options.Peers.SelectMany(peer => peer.Requirements).Prepend(Requirement.Wrk), bench);
        // The accounts fit into memory. A vacuum or a checkpoint during the run would be measured too, so both are off.
        await using var postgres = await LocalPostgresServer.StartTemporaryAsync(
            new Dictionary<string, string>
            {
                ["max_connections"] = "500",
                ["shared_buffers"] = "1GB",
                ["autovacuum"] = "off",
                ["checkpoint_timeout"] = "1h",
                ["max_wal_size"] = "16GB",
                ["fsync"] = options.Fsync,
                ["full_page_writes"] = options.Fsync,
            },
            Console.Error.WriteLine,
            ct);
        await using var connection = await Database.OpenAsync(postgres, ct);
        var machine = Machine.Describe(connection.PostgreSqlVersion.ToString());
        await Accounts.CreateAsync(connection);

        var temporary = Directory.CreateTempSubdirectory("gateway-bench-");
        var peers = new List<Peer>();
        try
        {
            var wrk = new Wrk(Path.Combine(bench, "Shared", "wrk", "requests.lua"), temporary.FullName);
            var ground = new Ground(
                postgres, new GatewayServer(published), wrk, options.Works, bench, temporary.FullName);
            var results = new Results(options.Run.Rounds);
            await StartAsync(options, ground, peers, results, ct);
            if (options.Works.Any(work => !work.IsLoad) && options.Peers.Contains(PeerKind.Gateway))
                await MeasureStartsAsync(options.Run.Rounds, ground, results, ct);
            var contest = new Contest(options, peers, connection, results);
            await contest.RunAsync(ct);
            await WriteAsync(new Report(options, machine, contest, results), options.Run.Results, ct);
        }
        finally
        {
            foreach (var peer in peers)
                await peer.DisposeAsync();
            temporary.Delete(recursive: true);
        }
    }

    /// <summary>Starts the peers. A peer that can't be started is left out of the run.</summary>
    private static async Task StartAsync(
        SideBySideOptions options, Ground ground, List<Peer> peers, Results results, CancellationToken ct)
    {
        foreach (var kind in options.Peers)
        {
            try
            {
                peers.Add(await kind.StartAsync(ground, ct));
            }
            catch (Exception error) when (
                kind != PeerKind.Gateway && !ct.IsCancellationRequested && BenchRun.IsFailure(error))
            {
                results.AddFailure(kind.Name, "start", error);
            }
        }
    }

    /// <summary>Measures the gateway's starts and its allocations, while no other contestant works.</summary>
    private static async Task MeasureStartsAsync(int rounds, Ground ground, Results results, CancellationToken ct)
    {
        var starts = new List<StartSample>();
        while (starts.Count < rounds)
        {
            Console.Error.WriteLine($"start {starts.Count + 1} of {rounds}");
            starts.Add(await StartTrial.MeasureAsync(ground, ct));
        }
        results.Starts = starts;
        results.Allocations = await AllocationTrial.MeasureAsync(ground, rounds, ct);
    }

    /// <summary>Writes the results to the terminal and, with pictures, to a file.</summary>
    private static async Task WriteAsync(Report report, string? file, CancellationToken ct)
    {
        Console.Out.Write($"\n{report.Write([])}");
        if (file is null)
            return;
        var pictures = report.Draw(Path.GetFileNameWithoutExtension(file)).ToArray();
        foreach (var picture in pictures)
            await File.WriteAllTextAsync(Path.Combine(Path.GetDirectoryName(file)!, picture.File), picture.Svg, ct);
        await File.WriteAllTextAsync(file, report.Write(pictures), ct);
    }
}
