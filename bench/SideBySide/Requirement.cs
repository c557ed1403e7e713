using System.Diagnostics;

namespace Gateway.SideBySide;

/// <summary>Represents a program that a peer needs on the machine.</summary>
/// <param name="Name">The program to install if it is missing.</param>
/// <param name="IsMet">Returns whether it is installed; gets the folder of the benchmarks.</param>
internal sealed record Requirement(string Name, Func<string, bool> IsMet)
{
    /// <summary>Debian's Python, which Debian's psycopg2 is for. Another Python may come first on the PATH.</summary>
    public const string Python = "/usr/bin/python3";

    public static readonly Requirement Wrk = OnPath("wrk"), PgBouncer = OnPath("pgbouncer");

    public static readonly Requirement Psycopg = new(
        $"psycopg2 for {Python} (Debian: python3-psycopg2)", _ => File.Exists(Python) && ImportsPsycopg());

    public static readonly Requirement Toolbox = new(
        "@toolbox-sdk/server-linux-x64 (npm)", bench => ToolboxPeer.Find(bench) is not null);

    /// <summary>
    /// Returns the requirement of Node.js and of a program's packages, which the script installs if there is npm.
    /// </summary>
    public static Requirement Node(string folder) => new(
        "Node.js 20 or later with npm",
        bench => InstalledProgram.Find("node") is not null
            && Directory.Exists(Path.Combine(bench, folder, "node_modules")));

    /// <summary>Checks the requirements.</summary>
    /// <exception cref="InvalidOperationException">Programs are missing; the message names all of them.</exception>
    public static void Require(IEnumerable<Requirement> requirements, string bench)
    {
        string[] missing = [.. requirements.Where(requirement => !requirement.IsMet(bench))
            .Select(requirement => requirement.Name).Distinct()];
        if (missing.Length > 0)
        {
            throw new InvalidOperationException(
                $"Programs are missing: {string.Join(", ", missing)}. "
                + "Install them, or choose other peers with --peers.");
        }
    }

    private static Requirement OnPath(string program) =>
        new($"{program} (Debian: {program})", _ => InstalledProgram.Find(program) is not null);

    private static bool ImportsPsycopg()
    {
        using var process = Process.Start(
            new ProcessStartInfo(Python, ["-c", "import psycopg2"]) { RedirectStandardError = true })!;
        process.WaitForExit();
        return process.ExitCode == 0;
    }
}
