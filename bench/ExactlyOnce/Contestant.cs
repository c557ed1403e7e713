using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json;
using Gateway.LocalPostgres;

namespace Gateway.ExactlyOnce;

/// <summary>One that takes part.</summary>
/// <param name="Name">For people.</param>
/// <param name="Server">Where its processor time is spent; several contestants may share one.</param>
/// <param name="Updates">Whether each of its right answers stands for an update.</param>
/// <param name="RunAsync">Puts it under load for a time.</param>
internal sealed record Contestant(
    string Name, ServerProcess Server, bool Updates, Func<TimeSpan, Task<LoadResult>> RunAsync)
{
    public const string Bare = "bare";
    public const string Execute = "execute";
    public const string Replay = "replay";
    public const string DbosSteps = "DBOS, steps alone";

    /// <summary>For what DBOS records of workflows.</summary>
    public const string DbosDatabase = "dbos";

    /// <summary>The first is what the others are compared with.</summary>
    public static IReadOnlyList<Contestant> All(
        ServerProcess bare, ServerProcess gateway, ServerProcess dbos, LoadProcess load)
    {
        return
        [
            By(Bare, bare, "parameters"),
            By(Execute, gateway, "exactly-once"),
            By(Replay, gateway, "replay") with { Updates = false },
            By("at-least-once", gateway, "at-least-once"),
            By("DBOS", dbos, "parameters"),
            new(DbosSteps, dbos, Updates: true, duration => RunStepsAsync(dbos.Port, duration)),
        ];

        Contestant By(string name, ServerProcess server, string requests) =>
            new(name, server, Updates: true, duration => load.RunAsync(server.Port, requests, duration));
    }

    /// <param name="folder">Of its program and its packages.</param>
    /// <param name="postgres">With the accounts, and with the database for DBOS beside them.</param>
    /// <param name="ct">Ends the start.</param>
    public static Task<ServerProcess> StartDbosAsync(string folder, LocalPostgresServer postgres, CancellationToken ct) =>
        ServerProcess.StartAsync(
            _ => ["node", Path.Combine(folder, "server.mjs")],
            port => new Dictionary<string, string>
            {
                ["NODE_ENV"] = "production",
                ["PORT"] = port.ToString(CultureInfo.InvariantCulture),
                ["DSN"] = postgres.Dsn,
                ["SYSTEM_DSN"] = new UriBuilder(postgres.Dsn) { Path = DbosDatabase }.Uri.ToString(),
            },
            ct);

    private static async Task<LoadResult> RunStepsAsync(int port, TimeSpan duration)
    {
        using var client = new HttpClient { Timeout = duration + TimeSpan.FromSeconds(30) };
        return (await client.GetFromJsonAsync<LoadResult>(
            string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{port}/steps?seconds={duration.TotalSeconds}"),
            JsonSerializerOptions.Web))!;
    }
}
