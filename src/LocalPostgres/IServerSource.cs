namespace Gateway.LocalPostgres;

/// <summary>A way to a server: PostgreSQL's programs on this machine, or a container.</summary>
internal interface IServerSource
{
    /// <summary>Where the server comes from, as a phrase: "/usr/lib/postgresql/17/bin".</summary>
    string Way { get; }

    /// <summary>The major version, such as 17.</summary>
    int ServerVersion { get; }

    /// <summary>The user that the server's command is run as.</summary>
    ServerAccount Account { get; }

    /// <summary>
    /// Makes the folder ready for a start: whole data, made by a server of this version with the folder's password.
    /// Durable data is on the disk when this returns.
    /// </summary>
    Task PrepareAsync(ServerFolder folder, bool durable, CancellationToken ct);

    /// <summary>Writes the server's settings and says how to run it in the foreground.</summary>
    Task<ServerCommand> CommandAsync(
        ServerFolder folder, int port, IReadOnlyDictionary<string, string> settings, CancellationToken ct);

    /// <summary>Whether the folder's own server, and not a stranger on the same port, calls itself ready.</summary>
    bool SaysReady(ServerFolder folder);

    /// <summary>Told once the server takes connections: the data is whole.</summary>
    void Accepted(ServerFolder folder);

    /// <summary>After a stop: takes away what may still run.</summary>
    Task RemoveLeftoversAsync(ServerFolder folder, CancellationToken ct);
}

/// <summary>How to run a server in the foreground.</summary>
/// <param name="Arguments">The program and its arguments; no secrets, since everybody can list them.</param>
/// <param name="Container">The container's name, or empty for a plain process.</param>
internal sealed record ServerCommand(IReadOnlyList<string> Arguments, string Container = "")
{
    /// <summary>Added to our own environment.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();
}
