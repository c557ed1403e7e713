using System.Diagnostics;
using Gateway.LocalPostgres;

namespace Gateway.Bench;

/// <summary>The gateway as a user runs it, with nothing set that has a default.</summary>
/// <param name="folder">Its own; null where it has been built with the benchmark.</param>
internal sealed class GatewayServer(string? folder = null)
{
    private readonly string _assembly = Path.Combine(folder ?? AppContext.BaseDirectory, "Gateway.Api.dll");

    /// <summary>What its runtime is told.</summary>
    public string RuntimeConfiguration => Path.ChangeExtension(_assembly, ".runtimeconfig.json");

    /// <exception cref="InvalidOperationException">The journal can't be installed.</exception>
    public async Task InstallJournalAsync(LocalPostgresServer postgres, CancellationToken ct)
    {
        var install = new ProcessStartInfo("dotnet", [_assembly, "journal", "install"]) { RedirectStandardOutput = true };
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
        port => ["dotnet", _assembly, ServerProcess.Urls(port), "--environment=Production"],
        _ => new Dictionary<string, string> { ["DSN"] = postgres.Dsn });
}
