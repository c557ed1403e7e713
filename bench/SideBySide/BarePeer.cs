namespace Gateway.SideBySide;

/// <summary>What a server of one's own costs that promises nothing, in the gateway's own language.</summary>
internal sealed class BarePeer(ServerProcess server, Wrk wrk) : HttpPeer(server, wrk)
{
    public const string Description = """
        - `bare`: handlers of ASP.NET Core and Npgsql as they come, each for its own statement. No budget, no log, no identity of a
          request; what is written may be written twice.
        """;

    public const string Name = "bare";

    public static async Task<Peer> StartAsync(Ground ground, CancellationToken ct) => new BarePeer(
        await BareServer.StartAsync(ground.Postgres, ct), ground.Wrk);

    public override IEnumerable<Contestant> Contestants(Work work) => WithStatementsOfItsOwn(Name, work);
}
