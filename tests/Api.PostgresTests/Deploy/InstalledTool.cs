using System.Reflection;
using System.Runtime.InteropServices;

namespace Gateway.Api.PostgresTests.Deploy;

/// <summary>Packs the gateway as a .NET tool, and installs it into a folder of its own.</summary>
public sealed class InstalledTool : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    // Not a folder that only this user can enter: started by root, the private PostgreSQL runs as another user.
    private readonly string _root = Path.Combine(Path.GetTempPath(), $"gateway-tool-{Guid.NewGuid():N}");

    /// <summary>Gets the path of the command.</summary>
    public string Command => Path.Combine(_root, "tools", "gateway");

    /// <summary>Gets a folder for the user's data.</summary>
    public string Data => Path.Combine(_root, "data");

    /// <summary>Gets the variables by which the command finds the tests' .NET.</summary>
    public static IReadOnlyDictionary<string, string> Environment { get; } = new Dictionary<string, string>
    {
        ["DOTNET_ROOT"] = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "../../..")),
    };

    /// <summary>Gets the version of the gateway that was built, without the commit.</summary>
    public static string Version { get; } = typeof(Program).Assembly
        .GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0];

    public async ValueTask InitializeAsync()
    {
        Directory.CreateDirectory(Data);
        var built = Directory.CreateDirectory(Path.Combine(_root, "built")).FullName;
        // The tests are in bin/CONFIGURATION/FRAMEWORK, like the gateway that was built with them.
        var configuration = new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name;
        await RunAsync(
            [],
            "pack", "src/Api", "--no-build", "--configuration", configuration, "--output", built,
            // A commit after the build would give the package another version.
            $"-p:MinVerVersionOverride={Version}", $"-p:PublishDir={_root}/published/",
            "--nologo", "--verbosity", "quiet");
        var sources = Path.Combine(_root, "nuget.config");
        await File.WriteAllTextAsync(sources, """
            <configuration>
              <packageSources><clear /><add key="built" value="built" /></packageSources>
            </configuration>
            """);
        await RunAsync(
            // A package of the same version must not come from the machine's folder of packages, nor stay there.
            new() { ["NUGET_PACKAGES"] = Path.Combine(_root, "packages") },
            "tool", "install", "Gateway", "--version", Version, "--tool-path", Path.Combine(_root, "tools"),
            "--configfile", sources);
    }

    public ValueTask DisposeAsync()
    {
        Directory.Delete(_root, recursive: true);
        return ValueTask.CompletedTask;
    }

    private static async Task RunAsync(Dictionary<string, string> environment, params string[] arguments)
    {
        environment["MSBUILDDISABLENODEREUSE"] = "1";
        environment["DOTNET_CLI_USE_MSBUILD_SERVER"] = "0";
        await using var dotnet = new ClientProcess(Repository.Root, "dotnet", arguments, environment);
        var code = await dotnet.WaitForExitAsync(Patience);
        Assert.True(code == 0, dotnet.Output + dotnet.Errors);
    }
}
