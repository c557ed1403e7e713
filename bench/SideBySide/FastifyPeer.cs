namespace Gateway.SideBySide;

/// <summary>Represents the simple server that a team with Node.js writes in an afternoon.</summary>
internal sealed class FastifyPeer(string name, ServerProcess server, Wrk wrk) : HttpPeer(server, wrk)
{
    public const string PgDescription = """
        - `Fastify + pg`: the same in Node.js, by `pool.query` and pg-query-stream. One process.
        """;

    public const string PostgresDescription = """
        - `Fastify + postgres`: the same by the driver `postgres`, which prepares each statement once in a session.
        """;

    public const string Pg = "Fastify + pg";
    public const string Postgres = "Fastify + postgres";

    public static Task<Peer> StartPgAsync(Ground ground, CancellationToken ct) =>
        StartAsync(ground, Pg, FastifyServer.Pg, ct);

    public static Task<Peer> StartPostgresAsync(Ground ground, CancellationToken ct) =>
        StartAsync(ground, Postgres, FastifyServer.Postgres, ct);

    public override IEnumerable<Contestant> Contestants(Work work) => WithStatementsOfItsOwn(name, work);

    private static async Task<Peer> StartAsync(Ground ground, string name, string driver, CancellationToken ct) =>
        new FastifyPeer(
            name,
            await FastifyServer.StartAsync(Requirement.Fastify(ground.Programs), driver, ground.Postgres, ct),
            ground.Wrk);
}
