using System.Globalization;
using System.Text.Json.Nodes;

namespace Gateway.SideBySide;

/// <summary>Represents Google's MCP Toolbox for Databases, called by its HTTP API.</summary>
internal sealed class ToolboxPeer(ServerProcess server, Wrk wrk) : HttpPeer(server, wrk)
{
    private const string Folder = "toolbox";

    /// <summary>The program, which the npm package of the machine's platform contains.</summary>
    public static string? Find(string bench)
    {
        var packages = Path.Combine(bench, "SideBySide", Folder, "node_modules", "@toolbox-sdk");
        return Directory.Exists(packages)
            ? Directory.EnumerateFiles(packages, "toolbox", SearchOption.AllDirectories).FirstOrDefault()
            : null;
    }

    public static async Task<Peer> StartAsync(Ground ground, CancellationToken ct)
    {
        var (program, postgres) = (Find(ground.Bench)!, ground.Postgres);
        // npm does not always keep the mode.
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(program, File.GetUnixFileMode(program) | UnixFileMode.UserExecute);
        var server = ServerProcess.Start(
            port =>
            [
                program, "--config", Path.Combine(ground.Bench, "SideBySide", Folder, "tools.yaml"),
                "--port", port.ToString(CultureInfo.InvariantCulture), "--enable-api", "--disable-reload",
                "--disable-version-check", "--log-level", "ERROR",
            ],
            ("POSTGRES_HOST", postgres.Host), ("POSTGRES_PORT", postgres.Port.ToString(CultureInfo.InvariantCulture)),
            ("POSTGRES_DATABASE", postgres.Database), ("POSTGRES_USER", postgres.Username),
            ("POSTGRES_PASSWORD", postgres.Password));
        return new ToolboxPeer(await server.ListeningAsync(ct), ground.Wrk);
    }

    public override IEnumerable<Contestant> Contestants(Work work) => work.Kind == WorkKind.PointSelect
        ?
        [
            Of(
                work, "MCP Toolbox", "/api/tool/point-select/invoke",
                account => string.Create(CultureInfo.InvariantCulture, $$"""{"aid":{{account}}}"""),
                // The rows are JSON in a string.
                answer => JsonNode.Parse((string)answer["result"]!)),
        ]
        : [];
}
