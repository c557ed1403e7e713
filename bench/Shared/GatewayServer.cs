using System.Diagnostics;
using Gateway.LocalPostgres;

namespace Gateway.Bench;

/// <summary>Starts the gateway as a user runs it, with its default settings.</summary>
/// <param name="folder">
/// The folder of the published gateway, with its runtime; null for the gateway that was built with the benchmark.
/// </param>
internal sealed class GatewayServer(string? folder = null)
{
    /// <summary>The setting that lets the gateway connect as the benchmark's own role, as all peers do.</summary>
    public static readonly (string Name, string Value) AllowRole =
        ("Gateway__Connections__default__AllowPrivilegedRole", "true");

    private readonly string[] _command = folder is null
        ? ["dotnet", Path.Combine(AppContext.BaseDirectory, "Gateway.Api.dll")]
        : [Path.Combine(folder, "Gateway.Api")];

    /// <summary>Installs the journal.</summary>
    /// <exception cref="InvalidOperationException">The journal can't be installed.</exception>
    public async Task InstallJournalAsync(LocalPostgresServer postgres, CancellationToken ct)
    {
        var install = new ProcessStartInfo(_command[0], [.. _command[1..], "journal", "install"])
        {
            RedirectStandardOutput = true,
        };
        install.Environment["DSN"] = postgres.Dsn;
        using var installation = Process.Start(install)!;
        var output = await installation.StandardOutput.ReadToEndAsync(ct);
        await installation.WaitForExitAsync(ct);
        if (installation.ExitCode != 0)
            throw new InvalidOperationException($"The journal can't be installed. {output}");
    }

    /// <summary>Starts the gateway.</summary>
    /// <param name="postgres">The server with the journal.</param>
    /// <param name="settings">Settings that are not the default.</param>
    public ServerProcess Start(
        LocalPostgresServer postgres, params IEnumerable<(string Name, string Value)> settings) =>
        ServerProcess.Start(
            port => [.. _command, ServerProcess.Urls(port), "--environment=Production"],
            [("DSN", postgres.Dsn), AllowRole, .. settings]);
}
