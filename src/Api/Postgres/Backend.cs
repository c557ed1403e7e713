using Gateway.Api.Dsns;

namespace Gateway.Api.Postgres;

/// <summary>Represents one backend of the server, as PostgreSQL itself reports it.</summary>
/// <param name="ProcessId">The backend's process ID.</param>
/// <param name="ClientPort">The client's port of the connection; null for a Unix socket.</param>
/// <param name="Host">The host that it was reached at; null if the DSN has only one.</param>
internal readonly record struct Backend(int ProcessId, int? ClientPort, DsnHost? Host = null)
{
    /// <summary>The value of PostgreSQL's <c>client_port</c> for a Unix socket.</summary>
    public const int UnixSocket = -1;
}
