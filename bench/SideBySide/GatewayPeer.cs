using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Gateway.SideBySide;

/// <summary>The gateway, published ReadyToRun, with its defaults.</summary>
internal sealed class GatewayPeer(ServerProcess server, Wrk wrk) : HttpPeer(server, wrk)
{
    public const string Description =
        "`gateway`: as it is published, ReadyToRun, with its defaults: a journal, limits, deadlines, a line of log a request.";

    public const string Plain = "gateway";
    public const string ExactlyOnce = "gateway, exactly-once";
    public const string AtLeastOnce = "gateway, at-least-once";
    public const string FirstRun = "gateway, first run";
    public const string Replayed = "gateway, replay";

    private const string Query = "/v1/query";
    private const string Execute = "/v1/execute";

    private const string FreshActivity = $"bench/{FreshId}";

    public static async Task<Peer> StartAsync(Ground ground, CancellationToken ct)
    {
        await ground.Gateway.InstallJournalAsync(ground.Postgres, ct);
        return new GatewayPeer(await ground.Gateway.StartAsync(ground.Postgres, ct), ground.Wrk);
    }

    public override IEnumerable<Contestant> Contestants(Work work)
    {
        if (work == Work.PointSelect)
            return [Of(Plain, Query, (_, account) => Body(Accounts.PointSelect, account), Rows)];
        if (work == Work.Page)
            return [Of(Plain, Query, (_, account) => Body(Accounts.PageSelect, account), Rows)];
        if (work == Work.Update)
            return [Updating(ExactlyOnce, FreshActivity), Updating(AtLeastOnce, FreshActivity, "at-least-once")];
        if (work == Work.Replay)
            return [Updating(FirstRun, FreshActivity), Replaying()];
        return [];
    }

    public static string Body(string sql, params int[] parameters) => JsonSerializer.Serialize(
        new { activityId = FreshActivity, sql, parameters });

    private Contestant Updating(string name, string activity, string delivery = "exactly-once") =>
        Of(name, Execute, (_, account) => UpdateBody(activity, account, delivery), Rows) with { Effect = new(1, 0) };

    private static string UpdateBody(string activityId, int account, string delivery = "exactly-once") =>
        JsonSerializer.Serialize(new { activityId, sql = Accounts.Update, parameters = new[] { 1, account }, delivery });

    private Contestant Replaying()
    {
        return Of(Replayed, Execute, Recorded, Rows) with { PrepareAsync = RecordAsync, AskAsync = null };

        static string Recorded(int number, int account) => UpdateBody(
            string.Create(CultureInfo.InvariantCulture, $"done/{number:x16}"), account);

        async Task<Effect> RecordAsync(CancellationToken ct)
        {
            var bodies = Accounts.Keys.Select((account, number) => Recorded(number, account));
            await Parallel.ForEachAsync(
                bodies,
                new ParallelOptions { MaxDegreeOfParallelism = Load.Connections, CancellationToken = ct },
                async (body, stopping) => await PostAsync(Execute, body, stopping));
            return new Effect(1, 0) * Accounts.Keys.Count;
        }
    }

    private static JsonNode? Rows(JsonNode answer) => answer["rows"];
}
