namespace Gateway.Api.PostgresTests;

/// <summary>
/// Finds a program of a Debian package that is unpacked, not installed, because its installation would start a service.
/// </summary>
internal static class DebianProgram
{
    private static readonly string[] Folders = ["/usr/sbin", Repository.PathOf(".local/debian/usr/bin"), Repository.PathOf(".local/debian/usr/sbin")];

    private static readonly string Libraries = Repository.PathOf(".local/debian/usr/lib");

    /// <summary>Gets the variables that an unpacked program needs to find its libraries.</summary>
    public static IReadOnlyDictionary<string, string> Environment { get; } = !Directory.Exists(Libraries)
        ? new Dictionary<string, string>()
        : new Dictionary<string, string>
        {
            ["LD_LIBRARY_PATH"] = string.Join(':', Directory.GetDirectories(Libraries, "*-linux-gnu*")),
        };

    /// <summary>Returns the program on PATH, or the one that <c>.ci/install</c> has unpacked.</summary>
    public static string PathOf(string program)
    {
        var folders = (System.Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Concat(Folders);
        return folders.Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists)
            ?? throw new InvalidOperationException($"The tests need {program}, which .ci/install brings.");
    }
}
