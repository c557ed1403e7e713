using System.Collections.Concurrent;

namespace Gateway.Api.PostgresTests;

/// <summary>Installs the npm packages of a folder in the repository, as its lock file says, once.</summary>
internal static class NpmFolder
{
    private static readonly ConcurrentDictionary<string, Lazy<Task>> Installations = new(StringComparer.Ordinal);

    /// <param name="folder">Its path, relative to the repository's root.</param>
    /// <returns>Its absolute path.</returns>
    public static async Task<string> InstallAsync(string folder)
    {
        var path = Repository.PathOf(folder);
        await Installations.GetOrAdd(path, _ => new Lazy<Task>(() => InstallOnceAsync(path))).Value;
        return path;
    }

    private static async Task InstallOnceAsync(string path)
    {
        await using var npm = new ClientProcess(path, "bash", [Repository.PathOf(".ci/npm-install"), path]);
        var code = await npm.WaitForExitAsync(TimeSpan.FromMinutes(5));
        Assert.True(code == 0, $"The packages of {path} could not be installed.\n{npm.Errors}");
    }
}
