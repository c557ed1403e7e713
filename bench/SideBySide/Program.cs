using System.Globalization;
using Gateway.LocalPostgres;
using Npgsql;

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

        // The script passes two folders first: the programs in other languages, and the published gateway.
        return await BenchRun.RunAsync(ct => RunAsync(args[0], args[1], SideBySideOptions.Parse(args[2..]), ct));
    }

    private static async Task RunAsync(
        string programs, string published, SideBySideOptions options, CancellationToken ct)
    {
        await Requirement.RequireAsync(
            options.Peers.SelectMany(peer => peer.Requirements).Prepend(Requirement.Wrk), programs, ct);
        // The accounts fit into memory. A vacuum or a checkpoint during the run would be measured too, so both are off.
        await using var postgres = await LocalPostgresServer.StartTemporaryAsync(
            options.Run.ServerSettings(
                ("max_connections", "500"), ("shared_buffers", "1GB"), ("autovacuum", "off"),
                ("checkpoint_timeout", "1h"), ("max_wal_size", "16GB")),
            Console.Error.WriteLine,
            ct);
        await using var connection = new NpgsqlConnection(Database.ConnectionString(postgres));
        await connection.OpenAsync(ct);
        var machine = Machine.Describe(connection.PostgreSqlVersion.ToString());
        await Accounts.CreateAsync(connection);

        var temporary = Directory.CreateTempSubdirectory("gateway-bench-");
        var peers = new List<Peer>();
        try
        {
            var wrk = new Wrk(Path.Combine(programs, "wrk", "requests.lua"), temporary.FullName);
            var ground = new Ground(postgres, new GatewayServer(published), wrk, programs, temporary.FullName);
            foreach (var kind in options.Peers)
                peers.Add(await kind.StartAsync(ground, ct));

            var starts = await MeasureStartsAsync(options, ground, ct);
            var allocations = starts.Count > 0
                ? await AllocationTrial.MeasureAsync(ground, options.Run.Rounds, ct)
                : [];
            var contest = new Contest(options, peers, connection);
            var turns = await contest.RunAsync(ct);
            await WriteAsync(
                options, turns, contest,
                picture => Report.Write(options, machine, contest, turns, starts, allocations, picture), ct);
        }
        finally
        {
            foreach (var peer in peers)
                await peer.DisposeAsync();
            temporary.Delete(recursive: true);
        }
    }

    /// <summary>Measures the gateway's starts, while no other contestant works.</summary>
    private static async Task<IReadOnlyList<StartSample>> MeasureStartsAsync(
        SideBySideOptions options, Ground ground, CancellationToken ct)
    {
        var starts = new List<StartSample>();
        while (starts.Count < options.Run.Rounds
            && options.Works.Contains(Work.Start) && options.Peers.Contains(PeerKind.Gateway))
        {
            Console.Error.WriteLine($"start {starts.Count + 1} of {options.Run.Rounds}");
            starts.Add(await StartTrial.MeasureAsync(ground.Gateway, ground.Postgres, ct));
        }
        return starts;
    }

    private static async Task WriteAsync(
        SideBySideOptions options,
        ILookup<Seat, Turn> turns,
        Contest contest,
        Func<string?, string> page,
        CancellationToken ct)
    {
        Console.Out.Write($"\n{page(null)}");
        if (options.Run.Results is not { } file)
            return;
        var picture = Path.ChangeExtension(file, ".svg");
        await File.WriteAllTextAsync(picture, Plot.Write(contest.Names, turns, options.Works, options.Clients), ct);
        await File.WriteAllTextAsync(file, page(Path.GetFileName(picture)), ct);
    }
}
