using System.Globalization;
using Gateway.LocalPostgres;

namespace Gateway.Bench;

/// <summary>A server of Node.js, as it runs in production.</summary>
internal static class NodeServer
{
    /// <param name="folder">Of its program, <c>server.mjs</c>, and of its packages.</param>
    /// <param name="postgres">Its database's; the program finds it in <c>DSN</c>.</param>
    /// <param name="ct">Ends the start.</param>
    /// <param name="others">What its environment has besides.</param>
    public static Task<ServerProcess> StartAsync(
        string folder, LocalPostgresServer postgres, CancellationToken ct, params IEnumerable<(string Name, string Value)> others) =>
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
