using Gateway.LocalPostgres;

namespace Gateway.Bench;

/// <summary>What a team writes in an afternoon that has Node.js: Fastify, and a driver of PostgreSQL's.</summary>
internal static class FastifyServer
{
    /// <summary>The driver that is used most.</summary>
    public const string Pg = "pg";

    /// <summary>The one that is said to be the fastest.</summary>
    public const string Postgres = "postgres";

    /// <param name="folder">Of its program and its packages.</param>
    /// <param name="driver">One of the above.</param>
    /// <param name="postgres">Its database's.</param>
    /// <param name="ct">Ends the start.</param>
    public static Task<ServerProcess> StartAsync(string folder, string driver, LocalPostgresServer postgres, CancellationToken ct) =>
        NodeServer.StartAsync(folder, postgres, ct, ("DRIVER", driver));
}
