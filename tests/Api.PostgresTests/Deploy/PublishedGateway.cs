using System.Runtime.InteropServices;

namespace Gateway.Api.PostgresTests.Deploy;

/// <summary>
/// Publishes the content of the image as the Dockerfile does, with the same layout; without ahead-of-time compilation
/// and analyzers, which take minutes and change no other file.
/// </summary>
public sealed class PublishedGateway : IAsyncLifetime
{
    /// <summary>Another build of the same projects may be running on the machine.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    private readonly string _root = Directory.CreateTempSubdirectory("gateway-image-").FullName;

    /// <summary>Gets the folder that is <c>/app</c> in the image.</summary>
    public string App => Path.Combine(_root, "app");

    public async ValueTask InitializeAsync()
    {
        // Another user runs it.
        await using var open = new ClientProcess(_root, "chmod", ["755", _root]);
        Assert.Equal(0, await open.WaitForExitAsync());
        string[] properties = ["-p:PublishReadyToRun=false", "-p:UseSharedCompilation=false", "-p:RunAnalyzers=false"];
        // Separate from the projects' own output, which other tests run from.
        await using var publish = new ClientProcess(
            Repository.Root, "dotnet",
            [
                "publish", "src/Api", "--configuration", "Release", "--runtime", RuntimeInformation.RuntimeIdentifier, "--artifacts-path",
                Path.Combine(_root, "build"), "--output", App, "--nologo", "--verbosity", "quiet", .. properties,
            ],
            new Dictionary<string, string> { ["MSBUILDDISABLENODEREUSE"] = "1", ["DOTNET_CLI_USE_MSBUILD_SERVER"] = "0" });
        var code = await publish.WaitForExitAsync(Patience);
        Assert.True(code == 0, publish.Output + publish.Errors);
    }

    public ValueTask DisposeAsync()
    {
        Directory.Delete(_root, recursive: true);
        return ValueTask.CompletedTask;
    }
}
