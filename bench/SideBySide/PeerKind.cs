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
/// <param name="Requirements">Of the machine.</param>
/// <param name="StartAsync">Starts one.</param>
internal sealed record PeerKind(
    string Name, string Description, IReadOnlyList<Requirement> Requirements, Func<Ground, CancellationToken, Task<Peer>> StartAsync)
{
    public static readonly PeerKind Gateway = new("gateway", GatewayPeer.Description, [], GatewayPeer.StartAsync);

    private static readonly Requirement Fastify = Requirement.Node(Requirement.Fastify);

    /// <summary>The first is what the others are compared with.</summary>
    public static IReadOnlyList<PeerKind> All { get; } =
    [
        Gateway,
        new("bare", BarePeer.Description, [], BarePeer.StartAsync),
        new("fastify-pg", FastifyPeer.PgDescription, [Fastify], FastifyPeer.StartPgAsync),
        new("fastify-postgres", FastifyPeer.PostgresDescription, [Fastify], FastifyPeer.StartPostgresAsync),
        new("postgraphile", PostGraphilePeer.Description, [Node("postgraphile")], PostGraphilePeer.StartAsync),
        new("psycopg2", PsycopgPeer.Description, [Requirement.Psycopg], PsycopgPeer.StartAsync),
        new("pgbouncer", PsycopgPeer.BouncedDescription, [Requirement.Psycopg, Requirement.PgBouncer], PsycopgPeer.StartBouncedAsync),
        new("pgbench", PgbenchPeer.Description, [], PgbenchPeer.StartAsync),
        new("dbos", DbosPeer.Description, [Node("dbos")], DbosPeer.StartAsync),
    ];

    private static Requirement Node(string folder) => Requirement.Node(programs => Path.Combine(programs, folder));
}
