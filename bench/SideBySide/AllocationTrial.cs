using System.Text.Json;
using Microsoft.AspNetCore.Builder;

namespace Gateway.SideBySide;

/// <summary>
/// Measures the bytes that a point SELECT allocates in the gateway, and in <see cref="BareBatch"/> for the same
/// statement. The difference is the gateway's own share. Both run in one process, in turns, because a process can only
/// read its own allocations.
/// </summary>
internal static class AllocationTrial
{
    /// <summary>
    /// The argument that makes this program the process of both. The number of rounds, the script, a folder and the
    /// result's file follow it.
    /// </summary>
    public const string Argument = "allocations";

    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(4), Measured = TimeSpan.FromSeconds(2);

    /// <summary>Starts the process of both, and returns a sample for each round.</summary>
    public static async Task<IReadOnlyList<AllocationSample>> MeasureAsync(
        Ground ground, int rounds, CancellationToken ct)
    {
        var result = Path.Combine(ground.Temporary, "allocations.json");
        // The gateway's log goes to the output, which must not stop it.
        using var process = LineProcess.Start(
            [
                "dotnet", typeof(AllocationTrial).Assembly.Location,
                Argument, $"{rounds}", ground.Wrk.Script, ground.Temporary, result,
            ],
            [
                ("DSN", ground.Postgres.Dsn), GatewayServer.AllowRole,
                (BareServer.ConnectionVariable, Database.ConnectionString(ground.Postgres)),
            ]);
        try
        {
            await process.StandardOutput.BaseStream.CopyToAsync(Stream.Null, ct);
            await process.WaitForExitAsync(ct);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw;
        }
        return process.ExitCode == 0
            ? JsonSerializer.Deserialize<AllocationSample[]>(await File.ReadAllTextAsync(result, ct))!
            : throw new InvalidOperationException("The process that measures allocations failed.");
    }

    /// <summary>Runs in the process of both, and writes the samples to a file.</summary>
    public static async Task RunAsync(int rounds, string script, string folder, string result)
    {
        var wrk = new Wrk(script, folder);
        var requests = wrk.Write(Accounts.Keys.Select(account => GatewayPeer.Body(Accounts.PointSelect, account)));
        await using var gateway = await Api.Program.StartAsync("--urls=http://127.0.0.1:0", "--environment=Production");
        await using var bare = await BareBatch.StartAsync(
            Environment.GetEnvironmentVariable(BareServer.ConnectionVariable)!,
            Accounts.PointSelect,
            await AnswerAsync(gateway));

        await MeasureAsync(gateway, WarmUp);
        await MeasureAsync(bare, WarmUp);
        var samples = new List<AllocationSample>();
        while (samples.Count < rounds)
        {
            var own = await MeasureAsync(gateway, Measured);
            samples.Add(new AllocationSample(own, await MeasureAsync(bare, Measured)));
        }
        await File.WriteAllTextAsync(result, JsonSerializer.Serialize(samples));

        async Task<double> MeasureAsync(WebApplication server, TimeSpan duration)
        {
            var before = GC.GetTotalAllocatedBytes(precise: true);
            var load = await wrk.RunAsync(
                PortOf(server), GatewayPeer.Query, requests, Wrk.Clients, duration, CancellationToken.None);
            return (GC.GetTotalAllocatedBytes(precise: true) - before) / (double)load.Requests;
        }
    }

    private static async Task<byte[]> AnswerAsync(WebApplication gateway)
    {
        using var client = new HttpClient();
        using var answer = await GatewayPeer.AskAsync(client, PortOf(gateway), CancellationToken.None);
        return await answer.EnsureSuccessStatusCode().Content.ReadAsByteArrayAsync();
    }

    private static int PortOf(WebApplication server) => new Uri(server.Urls.First()).Port;
}

/// <summary>Represents the number of bytes that a request allocates.</summary>
/// <param name="Gateway">The bytes in the gateway.</param>
/// <param name="Bare">The bytes in the handler that sends the same by Kestrel and Npgsql.</param>
internal sealed record AllocationSample(double Gateway, double Bare);
