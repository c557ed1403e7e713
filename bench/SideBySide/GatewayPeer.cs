using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Gateway.Api.Callers;

namespace Gateway.SideBySide;

/// <summary>Represents the gateway, published ReadyToRun, with its default settings.</summary>
/// <param name="server">The gateway.</param>
/// <param name="wrk">The load.</param>
/// <param name="callers">The gateways with many callers, by the name of the contestant.</param>
internal sealed class GatewayPeer(ServerProcess server, Wrk wrk, params IReadOnlyList<GatewayPeer> callers)
    : HttpPeer(server, wrk)
{
    public const string Plain = "gateway";
    public const string ExactlyOnce = "gateway, exactly-once";
    public const string AtLeastOnce = "gateway, at-least-once";
    public const string FirstRun = "gateway, first run";
    public const string Replayed = "gateway, replay";
    public const string OneCaller = "gateway, one caller";
    public const string ManyCallers = "gateway, 64 callers";
    private const string ManyCallersReusing = "gateway, 64 callers, ReuseSessions";
    private const string Unmarked = "gateway, unmarked replay";

    /// <summary>The path for statements that only read.</summary>
    public const string Query = "/v1/query";

    private const string Execute = "/v1/execute";

    /// <summary>The lines of a stream that are not rows: the columns before the rows, and the end after them.</summary>
    private const int LinesAround = 2;

    /// <summary>A deadline that is long enough for a stream on a busy machine.</summary>
    private const int TimeoutMs = 60_000;

    private const string FreshActivity = $"bench/{FreshId}";

    /// <summary>Gets the API keys of the callers; none if no caller is configured.</summary>
    private IReadOnlyList<string> Keys { get; init; } = [];

    public static async Task<Peer> StartAsync(Ground ground, CancellationToken ct)
    {
        await ground.Gateway.InstallJournalAsync(ground.Postgres, ct);
        var server = await ground.Gateway.Start(ground.Postgres).ListeningAsync(ct);
        return ground.Works.Any(work => work.Kind == WorkKind.Callers)
            ? new GatewayPeer(
                server, ground.Wrk, await StartWithCallersAsync(ground, ct),
                await StartWithCallersAsync(ground, ct, ("Gateway__Connections__default__ReuseSessions", "true")))
            : new GatewayPeer(server, ground.Wrk);
    }

    public override IEnumerable<Contestant> Contestants(Work work) => work.Kind switch
    {
        WorkKind.PointSelect => [Of(work, Plain, Query, account => Body(Accounts.PointSelect, account), Rows)],
        WorkKind.Page => [Of(work, Plain, Query, account => Body(Accounts.PageSelect, account), Rows)],
        WorkKind.Update => [Updating(work, ExactlyOnce), Updating(work, AtLeastOnce, "at-least-once")],
        WorkKind.Transaction => [Of(work, ExactlyOnce, "/v1/transaction", TransactionBody, RowsRead)],
        WorkKind.Replay =>
            [Updating(work, FirstRun), Replaying(work, Replayed, attempt: 2), Replaying(work, Unmarked, attempt: 1)],
        WorkKind.Stream => [Streaming(Plain, Query, StreamBody(), LinesAround + Accounts.Rows)],
        WorkKind.Callers when callers is [var standard, var reusing] =>
        [
            standard.Calling(work, OneCaller, 1),
            standard.Calling(work, ManyCallers, Work.Callers),
            reusing.Calling(work, ManyCallersReusing, Work.Callers),
        ],
        _ => [],
    };

    public override async ValueTask DisposeAsync()
    {
        foreach (var other in callers)
            await other.DisposeAsync();
        await base.DisposeAsync();
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

    private static async Task<GatewayPeer> StartWithCallersAsync(
        Ground ground, CancellationToken ct, params IEnumerable<(string Name, string Value)> settings)
    {
        string[] keys = [.. Enumerable.Range(0, Work.Callers).Select(_ => ApiKey.New())];
        var callers = keys.SelectMany<string, (string, string)>((key, number) =>
        [
            ($"Gateway__Callers__c{number}__Keys__0", ApiKey.WriteHash(key)),
            ($"Gateway__Callers__c{number}__Connections__default", "read"),
        ]);
        var server = await ground.Gateway.Start(ground.Postgres, [.. callers, .. settings]).ListeningAsync(ct);
        return new GatewayPeer(server, ground.Wrk) { Keys = keys };
    }

    /// <summary>Creates a contestant whose requests carry the keys of some callers in turn.</summary>
    private Contestant Calling(Work work, string name, int count) => Of(
        work, name, Query, account => Body(Accounts.PointSelect, account), Rows, [.. Keys.Take(count)]);

    private Contestant Updating(Work work, string name, string delivery = "exactly-once") =>
        Of(work, name, Execute, account => UpdateBody(FreshActivity, account, delivery), Rows);

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

    private Contestant Replaying(Work work, string name, int attempt)
    {
        return Of(work, name, Execute, Recorded, Rows) with
        {
            PrepareAsync = RecordAsync,
            // A recorded balance is older than the one in the table.
            AskAsync = null,
            Effect = default,
        };

        string Recorded(int account) => UpdateBody(
            string.Create(CultureInfo.InvariantCulture, $"done-{attempt}/{account}"), account, attempt: attempt);

        async Task<Effect> RecordAsync(CancellationToken ct)
        {
            await Parallel.ForEachAsync(
                Accounts.Keys,
                new ParallelOptions { MaxDegreeOfParallelism = Wrk.Clients, CancellationToken = ct },
                async (account, stopping) => await PostAsync(Execute, Recorded(account), stopping));
            return work.Effect * Accounts.Keys.Count;
        }
    }

    private static JsonNode? Rows(JsonNode answer) => answer["rows"];

    /// <summary>Returns the rows of the SELECT in a transaction's answer.</summary>
    private static JsonNode? RowsRead(JsonNode answer) => answer["results"]?[1]?["rows"];
}
