using Gateway.LocalPostgres;

namespace Gateway.Bench;

/// <summary>A program that this machine has.</summary>
internal static class InstalledProgram
{
    /// <summary>The file that a shell would run for this name; null where there is none.</summary>
    public static string? Find(string name) => FindIn(OnPath, name);

    /// <summary>One of PostgreSQL's: beside the server's programs, where its version is theirs, or on the PATH.</summary>
    /// <exception cref="InvalidOperationException">It is in neither place.</exception>
    public static string FindOf(LocalPostgresServer postgres, string name) => FindIn(OnPath.Prepend(postgres.Way), name)
        ?? throw new InvalidOperationException(
            $"There is no {name} to compare with, neither beside the server ({postgres.Way}) nor on the PATH: install PostgreSQL's.");

    private static IEnumerable<string> OnPath =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries);

    private static string? FindIn(IEnumerable<string> folders, string name) =>
        folders.Select(folder => Path.Combine(folder, name)).FirstOrDefault(File.Exists);
}
