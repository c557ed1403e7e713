using Gateway.LocalPostgres;

namespace Gateway.Bench;

/// <summary>Starts a server of Node.js, as in production.</summary>
internal static class NodeServer
{
    /// <summary>Starts the server.</summary>
    /// <param name="folder">The folder of its program, <c>server.mjs</c>, and its packages.</param>
    /// <param name="postgres">The server's PostgreSQL; the program reads the variable <c>DSN</c>.</param>
    /// <param name="ct">Ends the start.</param>
    /// <param name="others">Other variables of its environment.</param>
    public static Task<ServerProcess> StartAsync(
        string folder,
        LocalPostgresServer postgres,
        CancellationToken ct,
        params IEnumerable<(string Name, string Value)> others) =>
        ServerProcess.Start(
            _ => ["node", Path.Combine(folder, "server.mjs")],
            [("NODE_ENV", "production"), ("DSN", postgres.Dsn), .. others])
        .ListeningAsync(ct);

    /// <summary>Starts Fastify.</summary>
    /// <param name="bench">The folder of the benchmarks.</param>
    /// <param name="driver">The driver for PostgreSQL, <c>pg</c> or <c>postgres</c>.</param>
    /// <param name="postgres">The server's PostgreSQL.</param>
    /// <param name="ct">Ends the start.</param>
    public static Task<ServerProcess> StartFastifyAsync(
        string bench, string driver, LocalPostgresServer postgres, CancellationToken ct) =>
        StartAsync(Path.Combine(bench, "Shared", "fastify"), postgres, ct, ("DRIVER", driver));
}
