using System.Globalization;

namespace Gateway.SideBySide;

/// <summary>What a peer needs of the machine.</summary>
/// <param name="Cure">What to install where it is missing.</param>
/// <param name="IsMetAsync">Whether it is there; the argument is the folder of this benchmark's programs.</param>
internal sealed record Requirement(string Cure, Func<string, CancellationToken, Task<bool>> IsMetAsync)
{
    /// <summary>Debian's, for which its psycopg2 is: another may come first on the PATH.</summary>
    public const string Python = "/usr/bin/python3";

    private const int OldestNode = 20;

    public static readonly Requirement Wrk = new("wrk (Debian: wrk)", (_, _) => Task.FromResult(IsOnPath("wrk")));

    public static readonly Requirement PgBouncer = new("PgBouncer (Debian: pgbouncer)", (_, _) => Task.FromResult(IsOnPath("pgbouncer")));

    public static readonly Requirement Psycopg = new(
        $"psycopg2 for {Python} (Debian: python3-psycopg2)",
        async (_, ct) => File.Exists(Python) && await SucceedsAsync([Python, "-c", "import psycopg2"], ct) is not null);

    /// <summary>Of the benchmark that shares it.</summary>
    public static string Fastify(string programs) => Path.Combine(programs, "..", "Shared", "fastify");

    /// <summary>Node.js, and the packages of a program, which the script installs where there is npm.</summary>
    /// <param name="folder">The program's, below that of all programs.</param>
    public static Requirement Node(Func<string, string> folder) => new(
        $"Node.js {OldestNode} or later with npm",
        async (programs, ct) => IsOnPath("node") && Directory.Exists(Path.Combine(folder(programs), "node_modules"))
            && await SucceedsAsync(["node", "--version"], ct) is { } version
            && int.TryParse(version.TrimStart('v').Split('.')[0], CultureInfo.InvariantCulture, out var major) && major >= OldestNode);

    /// <exception cref="InvalidOperationException">Something is missing; the message names all of it.</exception>
    public static async Task RequireAsync(IEnumerable<Requirement> requirements, string programs, CancellationToken ct)
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
