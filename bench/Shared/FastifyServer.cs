using Gateway.LocalPostgres;

namespace Gateway.Bench;

/// <summary>
/// Starts the simple server that a team with Node.js writes in an afternoon: Fastify, and a driver for PostgreSQL.
/// </summary>
internal static class FastifyServer
{
    /// <summary>The most popular driver.</summary>
    public const string Pg = "pg";

    /// <summary>The driver that is said to be the fastest.</summary>
    public const string Postgres = "postgres";

    /// <summary>Starts the server.</summary>
    /// <param name="folder">The folder of its program and its packages.</param>
    /// <param name="driver">One of the drivers above.</param>
    /// <param name="postgres">The server's PostgreSQL.</param>
    /// <param name="ct">Ends the start.</param>
    public static Task<ServerProcess> StartAsync(
        string folder, string driver, LocalPostgresServer postgres, CancellationToken ct) =>
        NodeServer.StartAsync(folder, postgres, ct, ("DRIVER", driver));
}
