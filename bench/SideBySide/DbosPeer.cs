using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Gateway.SideBySide;

/// <summary>Represents exactly-once execution by a workflow engine in the worker and in PostgreSQL.</summary>
internal sealed class DbosPeer(ServerProcess server, Wrk wrk) : HttpPeer(server, wrk)
{
    public const string Steps = "DBOS, steps alone";

    private const string Workflows = "DBOS";

    /// <summary>The database for DBOS's records of workflows.</summary>
    private const string SystemDatabase = "dbos";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    public static async Task<Peer> StartAsync(Ground ground, CancellationToken ct)
    {
        await using var connection = await Database.OpenAsync(ground.Postgres, ct);
        await Database.RunAsync(connection, $"CREATE DATABASE {SystemDatabase}");
        var system = new UriBuilder(ground.Postgres.Dsn) { Path = SystemDatabase }.Uri.ToString();
        return new DbosPeer(
            await NodeServer.StartAsync(
                Path.Combine(ground.Bench, "SideBySide", "dbos"), ground.Postgres, ct, ("SYSTEM_DSN", system)),
            ground.Wrk);
    }

    public override IEnumerable<Contestant> Contestants(Work work)
    {
        if (work.Kind != WorkKind.Update)
            return [];
        var workflows = Of(
            work, Workflows, "/", account => $$"""{"activityId":"bench/{{FreshId}}","parameters":[1,{{account}}]}""",
            answer => new JsonArray(answer.DeepClone()));
        return
        [
            workflows,
            workflows with
            {
                Name = Steps,
                RunAsync = (clients, duration, ct) => Own.MeasureAsync(() => RunStepsAsync(clients, duration, ct)),
                LeavesRequestsBehind = false,
            },
        ];
    }

    private async Task<LoadResult> RunStepsAsync(int clients, TimeSpan duration, CancellationToken ct)
    {
        using var client = new HttpClient { Timeout = duration + Patience };
        return (await client.GetFromJsonAsync<LoadResult>(
            string.Create(
                CultureInfo.InvariantCulture,
                $"http://127.0.0.1:{Server.Port}/steps?callers={clients}&seconds={duration.TotalSeconds}"),
            JsonSerializerOptions.Web, ct))!;
    }
}
