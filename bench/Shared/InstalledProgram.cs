using Gateway.LocalPostgres;

namespace Gateway.Bench;

/// <summary>Finds programs that are installed on this machine.</summary>
internal static class InstalledProgram
{
    /// <summary>Returns the file that a shell would run for a name; null if there is none.</summary>
    public static string? Find(string name) => FindIn(OnPath, name);

    /// <summary>
    /// Returns one of PostgreSQL's programs: from the server's folder, where it has the server's version, or from the
    /// PATH.
    /// </summary>
    /// <exception cref="InvalidOperationException">The program is in neither place.</exception>
    public static string FindOf(LocalPostgresServer postgres, string name) => FindIn(OnPath.Prepend(postgres.Way), name)
        ?? throw new InvalidOperationException(
            $"{name} is neither beside the server ({postgres.Way}) nor on the PATH. "
            + "Install PostgreSQL's client programs.");

    private static IEnumerable<string> OnPath => (Environment.GetEnvironmentVariable("PATH") ?? "")
        .Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries);

    private static string? FindIn(IEnumerable<string> folders, string name) =>
        folders.Select(folder => Path.Combine(folder, name)).FirstOrDefault(File.Exists);
}
