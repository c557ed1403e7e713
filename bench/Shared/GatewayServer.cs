using System.Diagnostics;
using Gateway.LocalPostgres;

namespace Gateway.Bench;

/// <summary>Starts the gateway as a user runs it, with all defaults.</summary>
/// <param name="folder">
/// The folder of the published gateway, with its runtime; null for the gateway that was built with the benchmark.
/// </param>
internal sealed class GatewayServer(string? folder = null)
{
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

    /// <summary>Starts the gateway and waits until it listens.</summary>
    public async Task<ServerProcess> StartAsync(LocalPostgresServer postgres, CancellationToken ct) =>
        await Start(postgres).ListeningAsync(ct);

    public ServerProcess Start(LocalPostgresServer postgres) => ServerProcess.Start(
        port => [.. _command, ServerProcess.Urls(port), "--environment=Production"],
        _ => new Dictionary<string, string>
        {
            ["DSN"] = postgres.Dsn,
            // All peers connect as the benchmark's own role.
            ["Gateway__Connections__default__AllowPrivilegedRole"] = "true",
        });
}
