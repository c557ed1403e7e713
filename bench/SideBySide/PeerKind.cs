using Gateway.LocalPostgres;

namespace Gateway.SideBySide;

/// <summary>Represents everything that is needed to start peers.</summary>
/// <param name="Postgres">The server with the accounts.</param>
/// <param name="Gateway">The published gateway.</param>
/// <param name="Wrk">The load.</param>
/// <param name="Programs">The folder of this benchmark's programs in other languages.</param>
/// <param name="Temporary">A folder that is deleted after the run.</param>
internal sealed record Ground(
    LocalPostgresServer Postgres, GatewayServer Gateway, Wrk Wrk, string Programs, string Temporary);

/// <summary>Represents a kind of peer.</summary>
/// <param name="Name">The name in commands.</param>
/// <param name="Description">The description in the results.</param>
/// <param name="Requirements">The programs that it needs.</param>
/// <param name="StartAsync">Starts a peer.</param>
internal sealed record PeerKind(
    string Name,
    string Description,
    IReadOnlyList<Requirement> Requirements,
    Func<Ground, CancellationToken, Task<Peer>> StartAsync)
{
    public static readonly PeerKind Gateway = new("gateway", GatewayPeer.Description, [], GatewayPeer.StartAsync);

    private static readonly Requirement Fastify = Requirement.Node(Requirement.Fastify);

    /// <summary>Gets all kinds of peers. The others are compared with the first.</summary>
    public static IReadOnlyList<PeerKind> All { get; } =
    [
        Gateway,
        new("bare", BarePeer.Description, [], BarePeer.StartAsync),
        new("fastify-pg", FastifyPeer.PgDescription, [Fastify], FastifyPeer.StartPgAsync),
        new("fastify-postgres", FastifyPeer.PostgresDescription, [Fastify], FastifyPeer.StartPostgresAsync),
        new("postgraphile", PostGraphilePeer.Description, [Node("postgraphile")], PostGraphilePeer.StartAsync),
        new("psycopg2", PsycopgPeer.Description, [Requirement.Psycopg], PsycopgPeer.StartAsync),
        new(
            "pgbouncer", PsycopgPeer.BouncedDescription,
            [Requirement.Psycopg, Requirement.PgBouncer], PsycopgPeer.StartBouncedAsync),
        new("pgbench", PgbenchPeer.Description, [], PgbenchPeer.StartAsync),
        new("dbos", DbosPeer.Description, [Node("dbos")], DbosPeer.StartAsync),
    ];

    private static Requirement Node(string folder) => Requirement.Node(programs => Path.Combine(programs, folder));
}
