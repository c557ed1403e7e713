using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Gateway.SideBySide;

/// <summary>Represents the gateway, published ReadyToRun, with its defaults.</summary>
internal sealed class GatewayPeer(ServerProcess server, Wrk wrk) : HttpPeer(server, wrk)
{
    public const string Description = """
        - `gateway`: as it is published, ReadyToRun, with its defaults: a journal, limits, deadlines, a line of log for each
          request. `exactly-once` with an activity ID of its own for each request; `at-least-once` records nothing; `replay`
          asks for activities that have been recorded, saying as a workflow engine can that it is the second attempt, and
          `unmarked replay` without saying so.
        """;

    public const string Plain = "gateway";
    public const string ExactlyOnce = "gateway, exactly-once";
    public const string AtLeastOnce = "gateway, at-least-once";
    public const string FirstRun = "gateway, first run";
    public const string Replayed = "gateway, replay";
    private const string Unmarked = "gateway, unmarked replay";

    /// <summary>The path for statements that only read.</summary>
    public const string Query = "/v1/query";

    private const string Execute = "/v1/execute";

    /// <summary>The lines of a stream that are not rows: the columns before the rows, and the end after them.</summary>
    private const int LinesAround = 2;

    /// <summary>A deadline that is long enough for a stream on a busy machine.</summary>
    private const int TimeoutMs = 60_000;

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
        {
            return
            [
                Updating(FirstRun, FreshActivity),
                Replaying(Replayed, attempt: 2),
                Replaying(Unmarked, attempt: 1),
            ];
        }
        if (work == Work.Transaction)
        {
            return [Of(
                ExactlyOnce, "/v1/transaction", (_, account) => TransactionBody(account), RowsRead, new Effect(1, 1))];
        }
        if (work == Work.Stream)
            return [Streaming(Plain, Query, StreamBody(), LinesAround + Accounts.Rows)];
        return [];
    }

    /// <summary>Returns the body of a query.</summary>
    public static string Body(string sql, params int[] parameters) => JsonSerializer.Serialize(
        new { activityId = FreshActivity, sql, parameters });

    /// <summary>Asks a gateway for one account.</summary>
    /// <exception cref="HttpRequestException">The gateway does not listen.</exception>
    public static async Task<HttpResponseMessage> AskAsync(HttpClient client, int port, CancellationToken ct)
    {
        using var body = new StringContent(Body(Accounts.PointSelect, 1), Encoding.UTF8, "application/json");
        return await client.PostAsync(new Uri($"http://127.0.0.1:{port}{Query}"), body, ct);
    }

    private static string StreamBody() => JsonSerializer.Serialize(
        new { activityId = FreshActivity, sql = Accounts.StreamSelect, timeoutMs = TimeoutMs });

    private Contestant Updating(string name, string activity, string delivery = "exactly-once") =>
        Of(name, Execute, (_, account) => UpdateBody(activity, account, delivery), Rows, new Effect(1, 0));

    private static string UpdateBody(
        string activityId, int account, string delivery = "exactly-once", int attempt = 1) =>
        JsonSerializer.Serialize(
            new { activityId, attempt, sql = Accounts.Update, parameters = new[] { 1, account }, delivery });

    private static string TransactionBody(int account) => JsonSerializer.Serialize(new
    {
        activityId = FreshActivity,
        statements = new object[]
        {
            new { sql = Accounts.Update, parameters = new[] { 1, account } },
            new { sql = Accounts.SelectBalance, parameters = new[] { account } },
            new { sql = Accounts.InsertHistory, parameters = new[] { account, 1 } },
        },
    });

    private Contestant Replaying(string name, int attempt)
    {
        return Of(name, Execute, Recorded, Rows) with
        {
            PrepareAsync = RecordAsync,
            AskAsync = null,
            KeepsSessions = false,
        };

        string Recorded(int number, int account) => UpdateBody(
            string.Create(CultureInfo.InvariantCulture, $"done-{attempt}/{number:x16}"), account, attempt: attempt);

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

    /// <summary>Returns the rows of the SELECT in a transaction's answer.</summary>
    private static JsonNode? RowsRead(JsonNode answer) => answer["results"]?[1]?["rows"];
}
