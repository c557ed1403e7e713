using System.Diagnostics;
using Gateway.LocalPostgres;

namespace Gateway.Bench;

/// <summary>The gateway as a user runs it, with nothing set that has a default.</summary>
/// <param name="folder">Where it is published, with its runtime; null where it has been built with the benchmark.</param>
internal sealed class GatewayServer(string? folder = null)
{
    private readonly string[] _command = folder is null
        ? ["dotnet", Path.Combine(AppContext.BaseDirectory, "Gateway.Api.dll")]
        : [Path.Combine(folder, "Gateway.Api")];

    /// <exception cref="InvalidOperationException">The journal can't be installed.</exception>
    public async Task InstallJournalAsync(LocalPostgresServer postgres, CancellationToken ct)
    {
        var install = new ProcessStartInfo(_command[0], [.. _command[1..], "journal", "install"]) { RedirectStandardOutput = true };
        install.Environment["DSN"] = postgres.Dsn;
        using var installation = Process.Start(install)!;
        var output = await installation.StandardOutput.ReadToEndAsync(ct);
        await installation.WaitForExitAsync(ct);
        if (installation.ExitCode != 0)
            throw new InvalidOperationException($"The journal can't be installed. {output}");
    }

    /// <summary>Starts it and waits until it listens.</summary>
    public async Task<ServerProcess> StartAsync(LocalPostgresServer postgres, CancellationToken ct) =>
        await Start(postgres).ListeningAsync(ct);

    public ServerProcess Start(LocalPostgresServer postgres) => ServerProcess.Start(
        port => [.. _command, ServerProcess.Urls(port), "--environment=Production"],
        _ => new Dictionary<string, string>
        {
            ["DSN"] = postgres.Dsn,
            // The peers connect by the same role, the benchmark's own.
            ["Gateway__Connections__default__AllowPrivilegedRole"] = "true",
        });
}
