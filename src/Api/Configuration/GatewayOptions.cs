using System.ComponentModel.DataAnnotations;

namespace Gateway.Api.Configuration;

/// <summary>The section <c>Gateway</c> of the configuration.</summary>
internal sealed class GatewayOptions
{
    /// <summary>The name of the connection that a request uses when it names none.</summary>
    public const string DefaultConnection = "default";

    /// <summary>The named connections; <c>DSN</c> in the environment is the DSN of <c>default</c>.</summary>
    public Dictionary<string, ConnectionOptions> Connections { get; init; } = new(StringComparer.Ordinal);

    /// <summary>Neon's SQL-over-HTTP protocol, at <c>/sql</c>.</summary>
    public SqlOptions Sql { get; init; } = new();

    /// <summary>The traces that <c>OTEL_EXPORTER_OTLP_ENDPOINT</c> asks for.</summary>
    public TracingOptions Tracing { get; init; } = new();

    /// <summary>The callers by name; with none the gateway serves this machine only.</summary>
    public Dictionary<string, CallerOptions> Callers { get; init; } = new(StringComparer.Ordinal);

    /// <summary>Whose tokens are believed, by a name that callers' subjects refer to.</summary>
    public Dictionary<string, IssuerOptions> Issuers { get; init; } = new(StringComparer.Ordinal);

    /// <summary>The largest body of a request, in bytes.</summary>
    [Range(1024, 1 << 30)]
    public int BodyLimitBytes { get; set; } = 4 << 20;

    /// <summary>The largest answer that is held whole, in bytes.</summary>
    [Range(1024, 1 << 30)]
    public int ResponseLimitBytes { get; set; } = 4 << 20;

    /// <summary>
    /// The memory that requests may hold together, for what they have sent and what they are answered, in bytes; null for a third
    /// of what the runtime may use, and no more than 256 MiB.
    /// </summary>
    [Range(1 << 20, int.MaxValue)]
    public int? MemoryBudgetBytes { get; set; }

    /// <summary>The most connections of callers to this replica; past it one is closed as it comes.</summary>
    [Range(1, 100_000)]
    public int MaxConnections { get; set; } = 1000;

    /// <summary>The most rows of an answer, held or streamed, those of a transaction's statements together; null for any number.</summary>
    [Range(1, int.MaxValue)]
    public int? RowLimit { get; set; }

    /// <summary>The budget of a request that names none, in milliseconds.</summary>
    [Range(1, 300_000)]
    public int DefaultTimeoutMs { get; set; } = 15_000;

    /// <summary>The largest budget that a request may name, in milliseconds.</summary>
    [Range(1, 300_000)]
    public int MaxTimeoutMs { get; set; } = 300_000;

    /// <summary>
    /// How long requests are still taken after the gateway was told to stop, in seconds, while readiness says that it is going:
    /// load balancers need that long to notice.
    /// </summary>
    [Range(0, 300)]
    public int DrainSeconds { get; set; }

    /// <summary>How long an activity's record is kept at least, in seconds; a re-run after that takes effect again.</summary>
    [Range(1, 366 * 24 * 60 * 60)]
    public int RetentionSeconds { get; set; } = 7 * 24 * 60 * 60;

    /// <summary>How often this replica looks for records that have expired, in milliseconds.</summary>
    [Range(50, 24 * 60 * 60 * 1000)]
    public int PurgeIntervalMs { get; set; } = 60_000;

    /// <summary>
    /// Where Development's private PostgreSQL keeps its data; by default <c>.local/postgres</c> in the repository.
    /// </summary>
    public string? DevelopmentFolder { get; set; }

    /// <summary>Whether PostgreSQL's errors are shown whole, with the values that they hold; in Development only.</summary>
    public bool ShowErrorValues { get; set; }

    /// <summary>A folder whose files are settings, by name; read before all others (<see cref="Configuration.SecretsFolder"/>).</summary>
    public string? SecretsFolder { get; set; }

    /// <summary>How often readiness checks each connection, in milliseconds.</summary>
    [Range(50, 60_000)]
    public int ReadinessIntervalMs { get; set; } = 2_000;

    /// <summary>
    /// The checks in a row that must fail before a connection counts as unreachable: one hiccup must not take every
    /// replica out at once.
    /// </summary>
    [Range(1, 100)]
    public int ReadinessFailures { get; set; } = 3;
}

/// <summary>A named connection's settings.</summary>
internal sealed class ConnectionOptions
{
    /// <summary>Where the database is and who the gateway is there, in any form that <see cref="Dsns.Dsn"/> reads.</summary>
    public string? Dsn { get; set; }

    /// <summary>A mounted file that holds the role's password, in place of one in the DSN; it is read again for each new session.</summary>
    public string? PasswordFile { get; set; }

    /// <summary>
    /// The same database by the control role: it vouches for what callers' SQL can't, and watches and ends that SQL
    /// (docs/database-roles.md).
    /// </summary>
    public string? ControlDsn { get; set; }

    /// <summary>A mounted file that holds the control role's password, in place of one in <see cref="ControlDsn"/>.</summary>
    public string? ControlPasswordFile { get; set; }

    /// <summary>A mounted file with the journal key, for a database where there can be no control role.</summary>
    public string? JournalKeyFile { get; set; }

    /// <summary>
    /// Whether it is served though its role may reach the server's files or programs, which in Development is only warned of.
    /// </summary>
    public bool AllowPrivilegedRole { get; set; }

    /// <summary>The most sessions that this replica holds on the server.</summary>
    [Range(1, 1000)]
    public int PoolSize { get; set; } = 16;

    /// <summary>The most requests that wait for a session; past it a request is refused at once.</summary>
    [Range(0, 100_000)]
    public int QueueLimit { get; set; } = 256;

    /// <summary>
    /// Whether a request may get a session that another one had. Where it is not said: one of the same caller's, unless the database has
    /// an extension by which something of a request stays in a session (docs/database-roles.md).
    /// </summary>
    public bool? ReuseSessions { get; set; }

    /// <summary>Whether this connection takes no writes, whatever its role may do.</summary>
    public bool ReadOnly { get; set; }
}

/// <summary>The settings of <c>/sql</c>.</summary>
internal sealed class SqlOptions
{
    /// <summary>The origins whose pages may call it from a browser, as in <c>https://app.example.org</c>; <c>*</c> for all.</summary>
    public string[] AllowedOrigins { get; init; } = [];
}
