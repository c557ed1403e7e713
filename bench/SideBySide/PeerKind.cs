using Gateway.LocalPostgres;

namespace Gateway.SideBySide;

/// <summary>What peers are started from.</summary>
/// <param name="Postgres">With the accounts.</param>
/// <param name="Gateway">As it is published.</param>
/// <param name="Wrk">The load.</param>
/// <param name="Programs">The folder of this benchmark's programs in other languages.</param>
/// <param name="Temporary">A folder for what is gone after the run.</param>
internal sealed record Ground(
    LocalPostgresServer Postgres, GatewayServer Gateway, Wrk Wrk, string Programs, string Temporary);

/// <summary>A kind of peer.</summary>
/// <param name="Name">In commands.</param>
/// <param name="Description">For people.</param>
/// <param name="StartAsync">Starts one.</param>
internal sealed record PeerKind(string Name, string Description, Func<Ground, CancellationToken, Task<Peer>> StartAsync)
{
    /// <summary>The first is what the others are compared with.</summary>
    public static IReadOnlyList<PeerKind> All { get; } =
    [
        new("gateway", GatewayPeer.Description, GatewayPeer.StartAsync),
        new("bare", BarePeer.Description, BarePeer.StartAsync),
        new("pgbench", PgbenchPeer.Description, PgbenchPeer.StartAsync),
    ];
}
