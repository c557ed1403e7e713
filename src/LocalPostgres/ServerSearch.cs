namespace Gateway.LocalPostgres;

/// <summary>The kinds of sources, in the order in which they are tried.</summary>
internal enum ServerWay
{
    Installed,
    Npm,
    Docker,
}

/// <summary>Searches for a source of servers.</summary>
internal sealed record ServerSearch
{
    public IReadOnlyList<ServerWay> Ways { get; init; } = [ServerWay.Installed, ServerWay.Npm, ServerWay.Docker];

    /// <summary>Gets the folders that are searched for programs, as in the variable PATH.</summary>
    public string Path { get; init; } = Environment.GetEnvironmentVariable("PATH") ?? "";

    /// <summary>
    /// Gets the folders outside PATH where packages install the server's programs; * matches any text in one name.
    /// </summary>
    public IReadOnlyList<string> Roots { get; init; } =
    [
        "/usr/lib/postgresql/*/bin", // Debian, Ubuntu
        "/usr/pgsql-*/bin", // PostgreSQL's own RPMs
        "/usr/libexec/postgresql*", // Alpine
        "/opt/homebrew/opt/postgresql@*/bin",
        "/usr/local/opt/postgresql@*/bin",
        "/Applications/Postgres.app/Contents/Versions/*/bin",
    ];

    /// <summary>Gets the folder for npm's binaries; null for the folder that all gateways of a user share.</summary>
    public string? NpmFolder { get; init; }

    /// <summary>Returns the first source that works.</summary>
    /// <exception cref="LocalPostgresException">None works; the message contains the reason of each.</exception>
    public async Task<IServerSource> FindAsync(ServerAccount account, Action<string> say, CancellationToken ct)
    {
        List<string> reasons = [];
        foreach (var way in Ways)
        {
            var found = way switch
            {
                ServerWay.Installed => await InstalledAsync(account, ct),
                ServerWay.Npm => await NpmBinaries.FindAsync(this, account, say, ct),
                _ => await DockerServer.FindAsync(Path, say, ct),
            };
            if (found.Source is { } source)
                return source;
            reasons.Add(found.Reason);
        }

        throw new LocalPostgresException(
            $"A private PostgreSQL can't be started: {string.Join("; ", reasons)}. Install PostgreSQL's server (on "
            + "Debian and Ubuntu the package postgresql), or Node.js with npm, or start Docker; or set DSN to a "
            + "PostgreSQL of your own.");
    }

    /// <summary>Returns the programs on PATH, or the newest of those in the packages' own folders.</summary>
    private async Task<Found> InstalledAsync(ServerAccount account, CancellationToken ct)
    {
        foreach (var folder in Path.Split(System.IO.Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries))
        {
            if (await ServerBinaries.InAsync(Resolved(folder), account, ct) is { } onPath)
                return new Found(onPath);
        }

        ServerBinaries? newest = null;
        foreach (var folder in Roots.SelectMany(Expanded))
        {
            var found = await ServerBinaries.InAsync(folder, account, ct);
            if (found is not null && found.ServerVersion > (newest?.ServerVersion ?? 0))
                newest = found;
        }
        return newest is null
            ? new Found(null, $"no PostgreSQL {ServerBinaries.Oldest} or newer is installed")
            : new Found(newest);
    }

    /// <summary>Returns the folder of the real postgres: a link to it may be in a folder without initdb.</summary>
    private static string Resolved(string folder)
    {
        var postgres = System.IO.Path.Combine(folder, "postgres");
        var target = File.Exists(postgres) ? File.ResolveLinkTarget(postgres, returnFinalTarget: true) : null;
        return target is null ? folder : System.IO.Path.GetDirectoryName(target.FullName)!;
    }

    private static IEnumerable<string> Expanded(string pattern)
    {
        IEnumerable<string> folders = ["/"];
        foreach (var name in pattern.Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            folders = folders
                .SelectMany(f => name.Contains('*')
                    ? Directory.GetDirectories(f, name)
                    : [System.IO.Path.Combine(f, name)])
                .Where(Directory.Exists)
                .ToList();
        }
        return folders;
    }
}

/// <summary>Represents a source that works, or the reason why it does not.</summary>
internal sealed record Found(IServerSource? Source, string Reason = "");
