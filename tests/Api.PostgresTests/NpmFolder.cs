using System.Collections.Concurrent;

namespace Gateway.Api.PostgresTests;

/// <summary>A folder of the repository with a package.json, whose packages are installed as its lock says, once.</summary>
internal static class NpmFolder
{
    private static readonly ConcurrentDictionary<string, Lazy<Task>> Installations = new(StringComparer.Ordinal);

    /// <param name="folder">Its path from the repository's root.</param>
    /// <returns>Its whole path.</returns>
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
