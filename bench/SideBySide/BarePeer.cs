namespace Gateway.SideBySide;

/// <summary>Represents a server without guarantees, in the gateway's language. It shows the basic cost.</summary>
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
