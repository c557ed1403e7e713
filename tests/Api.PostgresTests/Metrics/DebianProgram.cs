namespace Gateway.Api.PostgresTests.Metrics;

/// <summary>
/// Finds a program of a Debian package that is unpacked, not installed, because its installation would start a service.
/// </summary>
internal static class DebianProgram
{
    /// <summary>Returns the program on PATH, or the one that <c>.ci/install</c> has unpacked.</summary>
    public static string PathOf(string program)
    {
        var folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Append(Repository.PathOf(".local/debian/usr/bin"));
        return folders.Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists)
            ?? throw new InvalidOperationException($"The tests need {program}, of Debian's package prometheus, which .ci/install brings.");
    }
}
