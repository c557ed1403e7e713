namespace Gateway.Testing;

/// <summary>The options of a <see cref="TestGateway"/>.</summary>
public sealed class TestGatewayOptions
{
    /// <summary>
    /// Gets the connection string of the database to serve, as Npgsql or PostgreSQL takes it: that of a container, for
    /// example. Its role may be a superuser. The journal is installed if the role can't use one; the role must be
    /// allowed to. Null for a new database of a PostgreSQL of its own, which needs the server binaries of PostgreSQL 14
    /// or later, Node.js with npm, or Docker; not on Windows.
    /// </summary>
    public string? ConnectionString { get; init; }

    /// <summary>
    /// Gets settings of the gateway, by the names of its environment variables, such as
    /// <c>Gateway__DefaultTimeoutMs</c>.
    /// </summary>
    public IReadOnlyDictionary<string, string> Settings { get; init; } = new Dictionary<string, string>();

    /// <summary>Gets the maximum time for the start. The first one on a machine may download PostgreSQL.</summary>
    public TimeSpan StartLimit { get; init; } = TimeSpan.FromMinutes(10);
}
