namespace Gateway.LocalPostgres;

/// <summary>Represents a source of servers: PostgreSQL's programs on this machine, or a container.</summary>
internal interface IServerSource
{
    /// <summary>Gets the server's source as a phrase, such as "/usr/lib/postgresql/17/bin".</summary>
    string Way { get; }

    /// <summary>Gets the major version, such as 17.</summary>
    int ServerVersion { get; }

    /// <summary>Gets the user that runs the server's command.</summary>
    ServerAccount Account { get; }

    /// <summary>
    /// Prepares the folder for a start: complete data, created by a server of this version with the folder's password.
    /// Durable data is on the disk when this returns.
    /// </summary>
    Task PrepareAsync(ServerFolder folder, bool durable, CancellationToken ct);

    /// <summary>Writes the server's settings, and returns how to run it in the foreground.</summary>
    Task<ServerCommand> CommandAsync(
        ServerFolder folder, int port, IReadOnlyDictionary<string, string> settings, CancellationToken ct);

    /// <summary>Returns whether the folder's own server is ready, and not another server on the same port.</summary>
    bool SaysReady(ServerFolder folder);

    /// <summary>Called when the server accepts connections, so the data is complete.</summary>
    void Accepted(ServerFolder folder);

    /// <summary>Called after a stop: removes what may still run.</summary>
    Task RemoveLeftoversAsync(ServerFolder folder, CancellationToken ct);
}

/// <summary>Represents how to run a server in the foreground.</summary>
/// <param name="Arguments">The program and its arguments. They contain no secrets, since anyone can list them.</param>
/// <param name="Container">The container's name; empty for a plain process.</param>
internal sealed record ServerCommand(IReadOnlyList<string> Arguments, string Container = "")
{
    /// <summary>Gets the variables that are added to our own environment.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();
}
