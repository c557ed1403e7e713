using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Gateway.SideBySide;

/// <summary>Represents an API that is generated from the tables, without code of one's own.</summary>
internal sealed class PostGraphilePeer(ServerProcess server, Wrk wrk) : HttpPeer(server, wrk)
{
    private const string Name = "PostGraphile";
    private const string Endpoint = "/graphql";

    private const string PointSelect =
        "query($aid: Int!) { pgbenchAccountByAid(aid: $aid) { aid bid abalance filler } }";

    private const string Page =
        "query($after: Cursor!) { allPgbenchAccounts(first: 1000, after: $after, orderBy: PRIMARY_KEY_ASC) "
        + "{ nodes { aid bid abalance filler } } }";

    private const string Update =
        "mutation($delta: Int!, $account: Int!) "
        + "{ addToAccount(input: { delta: $delta, account: $account }) { integer } }";

    private const string AddToAccount = """
        CREATE FUNCTION add_to_account(delta int, account int) RETURNS int LANGUAGE sql AS
        'UPDATE pgbench_accounts SET abalance = abalance + delta WHERE aid = account RETURNING abalance'
        """;

    public static async Task<Peer> StartAsync(Ground ground, CancellationToken ct)
    {
        await using var connection = await Database.OpenAsync(ground.Postgres, ct);
        await Database.RunAsync(connection, AddToAccount);
        return new PostGraphilePeer(
            await NodeServer.StartAsync(Path.Combine(ground.Bench, "SideBySide", "postgraphile"), ground.Postgres, ct),
            ground.Wrk);
    }

    public override IEnumerable<Contestant> Contestants(Work work) => work.Kind switch
    {
        WorkKind.PointSelect =>
        [
            Of(
                work, Name, Endpoint, account => Body(PointSelect, new { aid = account }),
                answer => new JsonArray(answer["data"]?["pgbenchAccountByAid"]?.DeepClone())),
        ],
        WorkKind.Page =>
        [
            Of(
                work, Name, Endpoint, account => Body(Page, new { after = CursorBefore(account) }),
                answer => answer["data"]?["allPgbenchAccounts"]?["nodes"]),
        ],
        WorkKind.Update =>
        [
            Of(
                work, Name, Endpoint, account => Body(Update, new { delta = 1, account }),
                answer => new JsonArray(
                    new JsonObject { ["abalance"] = answer["data"]?["addToAccount"]?["integer"]?.DeepClone() })),
        ],
        _ => [],
    };

    private static string Body(string query, object variables) => JsonSerializer.Serialize(new { query, variables });

    private static string CursorBefore(int account) =>
        Convert.ToBase64String(Encoding.UTF8.GetBytes($"""["primary_key_asc",[{account - 1}]]"""));
}
