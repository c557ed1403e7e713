using System.Diagnostics;
using Gateway.LocalPostgres;

namespace Gateway.Bench;

/// <summary>The gateway as a user runs it, with nothing set that has a default.</summary>
internal static class GatewayServer
{
    private static readonly string Assembly = Path.Combine(AppContext.BaseDirectory, "Gateway.Api.dll");

    /// <exception cref="InvalidOperationException">The journal can't be installed.</exception>
    public static async Task InstallJournalAsync(LocalPostgresServer postgres, CancellationToken ct)
    {
        var install = new ProcessStartInfo("dotnet", [Assembly, "journal", "install"]) { RedirectStandardOutput = true };
        install.Environment["DSN"] = postgres.Dsn;
        using var installation = Process.Start(install)!;
        var output = await installation.StandardOutput.ReadToEndAsync(ct);
        await installation.WaitForExitAsync(ct);
        if (installation.ExitCode != 0)
            throw new InvalidOperationException($"The journal can't be installed. {output}");
    }

    public static Task<ServerProcess> StartAsync(LocalPostgresServer postgres, CancellationToken ct) =>
        ServerProcess.StartAsync(
            port => ["dotnet", Assembly, ServerProcess.Urls(port), "--environment=Production"],
            _ => new Dictionary<string, string> { ["DSN"] = postgres.Dsn },
            ct);
}
