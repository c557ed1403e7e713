using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;
using Npgsql;

namespace Gateway.SideBySide;

/// <summary>Represents exactly-once execution by a workflow engine in the worker and in PostgreSQL.</summary>
internal sealed class DbosPeer(ServerProcess server, Wrk wrk) : HttpPeer(server, wrk)
{
    public const string Description = """
        - `DBOS`: a server of Node.js that runs each request as a workflow of one transaction step, by
          `@dbos-inc/postgres-datasource`. `steps alone` are such steps without HTTP, many in one workflow for each client, so
          that neither a workflow's begin and end nor a caller's work is measured. A request is a step here.
        """;

    public const string Steps = "DBOS, steps alone";

    private const string Workflows = "DBOS";

    /// <summary>The database for DBOS's records of workflows.</summary>
    private const string SystemDatabase = "dbos";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    public static async Task<Peer> StartAsync(Ground ground, CancellationToken ct)
    {
        await using var connection = new NpgsqlConnection(Database.ConnectionString(ground.Postgres));
        await connection.OpenAsync(ct);
        await Database.RunAsync(connection, $"CREATE DATABASE {SystemDatabase}");
        var system = new UriBuilder(ground.Postgres.Dsn) { Path = SystemDatabase }.Uri.ToString();
        return new DbosPeer(
            await NodeServer.StartAsync(
                Path.Combine(ground.Programs, "dbos"), ground.Postgres, ct, ("SYSTEM_DSN", system)),
            ground.Wrk);
    }

    public override IEnumerable<Contestant> Contestants(Work work)
    {
        if (work != Work.Update)
            return [];
        var workflows = Of(
            Workflows, "/", (_, account) => $$"""{"activityId":"bench/{{FreshId}}","parameters":[1,{{account}}]}""",
            answer => new JsonArray(answer.DeepClone()), new Effect(1, 0));
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
