using System.Globalization;

namespace Gateway.SideBySide;

/// <summary>Represents a program that a peer needs on the machine.</summary>
/// <param name="Cure">The program to install if it is missing.</param>
/// <param name="IsMetAsync">Returns whether it is installed; gets the folder of this benchmark's programs.</param>
internal sealed record Requirement(string Cure, Func<string, CancellationToken, Task<bool>> IsMetAsync)
{
    /// <summary>Debian's Python, which Debian's psycopg2 is for. Another Python may come first on the PATH.</summary>
    public const string Python = "/usr/bin/python3";

    private const int OldestNode = 20;

    public static readonly Requirement Wrk = new("wrk (Debian: wrk)", (_, _) => Task.FromResult(IsOnPath("wrk")));

    public static readonly Requirement PgBouncer = new(
        "PgBouncer (Debian: pgbouncer)", (_, _) => Task.FromResult(IsOnPath("pgbouncer")));

    public static readonly Requirement Psycopg = new(
        $"psycopg2 for {Python} (Debian: python3-psycopg2)",
        async (_, ct) => File.Exists(Python) && await SucceedsAsync([Python, "-c", "import psycopg2"], ct) is not null);

    /// <summary>Returns the folder of Fastify's program, which two benchmarks share.</summary>
    public static string Fastify(string programs) => Path.Combine(programs, "..", "Shared", "fastify");

    /// <summary>
    /// Returns the requirement of Node.js and of a program's packages, which the script installs if there is npm.
    /// </summary>
    /// <param name="folder">Returns the program's folder, from the folder of all programs.</param>
    public static Requirement Node(Func<string, string> folder) => new(
        $"Node.js {OldestNode} or later with npm",
        async (programs, ct) => IsOnPath("node") && Directory.Exists(Path.Combine(folder(programs), "node_modules"))
            && await SucceedsAsync(["node", "--version"], ct) is { } version
            && int.TryParse(version.TrimStart('v').Split('.')[0], CultureInfo.InvariantCulture, out var major)
            && major >= OldestNode);

    /// <summary>Checks the requirements.</summary>
    /// <exception cref="InvalidOperationException">Programs are missing; the message names all of them.</exception>
    public static async Task RequireAsync(
        IEnumerable<Requirement> requirements, string programs, CancellationToken ct)
    {
        var missing = new List<string>();
        foreach (var requirement in requirements)
        {
            if (!await requirement.IsMetAsync(programs, ct))
                missing.Add(requirement.Cure);
        }
        if (missing.Count > 0)
        {
            throw new InvalidOperationException(
                $"To install, or to leave out with --peers: {string.Join(", ", missing.Distinct())}.");
        }
    }

    private static bool IsOnPath(string program) => InstalledProgram.Find(program) is not null;

    private static async Task<string?> SucceedsAsync(string[] command, CancellationToken ct)
    {
        try
        {
            return (await ProgramRun.RunAsync(command, TimeSpan.Zero, ct)).Output;
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }
}
