using System.Runtime.InteropServices;

namespace Gateway.Bench;

/// <summary>
/// Describes the machine that the figures depend on. It names no host and no path, because the text goes into the
/// repository.
/// </summary>
internal static class Machine
{
    /// <summary>
    /// Returns a phrase for each fact. Call it before the load begins, because it reads the load average.
    /// </summary>
    /// <param name="postgres">The server's version.</param>
    public static IReadOnlyList<string> Describe(string postgres) =>
    [
        $"{Environment.ProcessorCount} cores of {ProcessorModel()} ({RuntimeInformation.ProcessArchitecture})",
        $"kernel {FirstLine("/proc/sys/kernel/osrelease") ?? Environment.OSVersion.VersionString}",
        RuntimeInformation.FrameworkDescription,
        $"PostgreSQL {postgres}",
        Autogroup(),
        $"load average before the run {FirstLine("/proc/loadavg")?.Split(' ')[0] ?? "unknown"}",
    ];

    /// <summary>
    /// Returns whether the kernel groups the processes of each session, unless they are in a control group. If it does,
    /// each backend of PostgreSQL has as much processor time as a server with all of its threads.
    /// </summary>
    private static string Autogroup() => FirstLine("/proc/sys/kernel/sched_autogroup_enabled") switch
    {
        "1" => "autogroup on",
        "0" => "autogroup off",
        _ => "no autogroup",
    };

    private static string ProcessorModel()
    {
        const string Information = "/proc/cpuinfo";
        var line = File.Exists(Information)
            ? File.ReadLines(Information)
                .FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal))
            : null;
        return line?[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim() ?? "an unknown model";
    }

    private static string? FirstLine(string file) => File.Exists(file) ? File.ReadLines(file).FirstOrDefault() : null;
}
