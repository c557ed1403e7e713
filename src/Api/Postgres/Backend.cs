namespace Gateway.Api.Postgres;

/// <summary>One backend of the server, as PostgreSQL itself sees it.</summary>
/// <param name="ProcessId">Its process ID.</param>
/// <param name="ClientPort">The port of the connection's other end; null for a Unix socket.</param>
internal readonly record struct Backend(int ProcessId, int? ClientPort)
{
    /// <summary>What PostgreSQL's <c>client_port</c> says instead of a port.</summary>
    public const int UnixSocket = -1;
}
