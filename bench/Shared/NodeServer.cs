using System.Globalization;
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
        ServerProcess.StartAsync(
            _ => ["node", Path.Combine(folder, "server.mjs")],
            port => new Dictionary<string, string>(others.Select(other => KeyValuePair.Create(other.Name, other.Value)))
            {
                ["NODE_ENV"] = "production",
                ["PORT"] = port.ToString(CultureInfo.InvariantCulture),
                ["DSN"] = postgres.Dsn,
            },
            ct);
}
