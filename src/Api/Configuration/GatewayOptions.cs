using System.ComponentModel.DataAnnotations;

namespace Gateway.Api.Configuration;

/// <summary>The section <c>Gateway</c> of the configuration.</summary>
internal sealed class GatewayOptions
{
    /// <summary>The name of the connection for requests that name none.</summary>
    public const string DefaultConnection = "default";

    /// <summary>
    /// Gets the connections by name. The environment variable <c>DSN</c> is the DSN of the connection <c>default</c>.
    /// </summary>
    public Dictionary<string, ConnectionOptions> Connections { get; init; } = new(StringComparer.Ordinal);

    /// <summary>Gets the settings of Neon's SQL-over-HTTP protocol at <c>/sql</c>.</summary>
    public SqlOptions Sql { get; init; } = new();

    /// <summary>Gets the settings of the traces that <c>OTEL_EXPORTER_OTLP_ENDPOINT</c> switches on.</summary>
    public TracingOptions Tracing { get; init; } = new();

    /// <summary>Gets the callers by name. With no caller the gateway serves this machine only.</summary>
    public Dictionary<string, CallerOptions> Callers { get; init; } = new(StringComparer.Ordinal);

    /// <summary>Gets the trusted token issuers, by the name that the callers' subjects refer to.</summary>
    public Dictionary<string, IssuerOptions> Issuers { get; init; } = new(StringComparer.Ordinal);

    /// <summary>Gets or sets the maximum size of a request body, in bytes.</summary>
    [Range(1024, 1 << 30)]
    public int BodyLimitBytes { get; set; } = 4 << 20;

    /// <summary>Gets or sets the maximum size of an answer that is not streamed, in bytes.</summary>
    [Range(1024, 1 << 30)]
    public int ResponseLimitBytes { get; set; } = 4 << 20;

    /// <summary>
    /// Gets or sets the memory that all requests may hold together, for their bodies and their answers, in bytes. The
    /// default is a third of the memory that the runtime may use, at most 256 MiB.
    /// </summary>
    [Range(1 << 20, int.MaxValue)]
    public int? MemoryBudgetBytes { get; set; }

    /// <summary>
    /// Gets or sets the maximum number of callers' connections to this replica. Each further one is closed when it
    /// comes.
    /// </summary>
    [Range(1, 100_000)]
    public int MaxConnections { get; set; } = 1000;

    /// <summary>
    /// Gets or sets the maximum number of rows of an answer, streamed or not; the statements of a transaction count
    /// together. Null for no limit.
    /// </summary>
    [Range(1, int.MaxValue)]
    public int? RowLimit { get; set; }

    /// <summary>Gets or sets the timeout of a request that names none, in milliseconds.</summary>
    [Range(1, 300_000)]
    public int DefaultTimeoutMs { get; set; } = 15_000;

    /// <summary>Gets or sets the maximum timeout that a request may name, in milliseconds.</summary>
    [Range(1, 300_000)]
    public int MaxTimeoutMs { get; set; } = 300_000;

    /// <summary>
    /// Gets or sets how long the gateway still accepts requests after it was told to stop, in seconds. Readiness
    /// already fails then; load balancers need this time to notice.
    /// </summary>
    [Range(0, 300)]
    public int DrainSeconds { get; set; }

    /// <summary>
    /// Gets or sets the minimum time that an activity's record is kept, in seconds. A later attempt takes effect again.
    /// </summary>
    [Range(1, 366 * 24 * 60 * 60)]
    public int RetentionSeconds { get; set; } = 7 * 24 * 60 * 60;

    /// <summary>Gets or sets the interval at which this replica looks for expired records, in milliseconds.</summary>
    [Range(50, 24 * 60 * 60 * 1000)]
    public int PurgeIntervalMs { get; set; } = 60_000;

    /// <summary>
    /// Gets or sets the folder with the data of Development's private PostgreSQL. The default is <c>.local/postgres</c>
    /// in the repository; for the installed tool, <c>gateway/postgres</c> in the user's data folder.
    /// </summary>
    public string? DevelopmentFolder { get; set; }

    /// <summary>
    /// Gets or sets whether callers see PostgreSQL's errors complete, with the values in them. Allowed in Development
    /// only.
    /// </summary>
    public bool ShowErrorValues { get; set; }

    /// <summary>
    /// Gets or sets a folder whose files are settings, named by their files. They override all other sources
    /// (<see cref="Configuration.SecretsFolder"/>).
    /// </summary>
    public string? SecretsFolder { get; set; }

    /// <summary>Gets or sets the interval at which readiness checks each connection, in milliseconds.</summary>
    [Range(50, 60_000)]
    public int ReadinessIntervalMs { get; set; } = 2_000;

    /// <summary>
    /// Gets or sets the number of consecutive failed checks after which a connection counts as unreachable: one short
    /// fault must not make all replicas unready at once.
    /// </summary>
    [Range(1, 100)]
    public int ReadinessFailures { get; set; } = 3;
}

/// <summary>The settings of a named connection.</summary>
internal sealed class ConnectionOptions
{
    /// <summary>
    /// Gets or sets the DSN with the server, the database and the role, in any form that <see cref="Dsns.Dsn"/> reads.
    /// </summary>
    public string? Dsn { get; set; }

    /// <summary>
    /// Gets or sets a mounted file that contains the role's password, instead of a password in the DSN. It is read
    /// again for each new session.
    /// </summary>
    public string? PasswordFile { get; set; }

    /// <summary>
    /// Gets or sets the DSN of the same database with the control role. Its sessions make checks that callers' SQL
    /// can't falsify, and they watch and cancel that SQL (docs/database-roles.md).
    /// </summary>
    public string? ControlDsn { get; set; }

    /// <summary>
    /// Gets or sets a mounted file that contains the control role's password, instead of a password in
    /// <see cref="ControlDsn"/>.
    /// </summary>
    public string? ControlPasswordFile { get; set; }

    /// <summary>
    /// Gets or sets a mounted file that contains the journal key, for a database that can't have a control role.
    /// </summary>
    public string? JournalKeyFile { get; set; }

    /// <summary>
    /// Gets or sets whether the gateway serves the connection although its role can reach the server's files or
    /// programs. In Development the gateway serves it in any case, and logs a warning.
    /// </summary>
    public bool AllowPrivilegedRole { get; set; }

    /// <summary>Gets or sets the maximum number of sessions that this replica has on the server.</summary>
    [Range(1, 1000)]
    public int PoolSize { get; set; } = 16;

    /// <summary>
    /// Gets or sets the maximum number of requests that wait for a session. Further requests are refused at once.
    /// </summary>
    [Range(0, 100_000)]
    public int QueueLimit { get; set; } = 256;

    /// <summary>
    /// Gets or sets whether a request may use a session that another request had. By default it may use a session of
    /// the same caller, unless the database has an extension that keeps a request's state in the session
    /// (docs/database-roles.md).
    /// </summary>
    public bool? ReuseSessions { get; set; }

    /// <summary>Gets or sets whether the connection refuses writes, independent of its role's rights.</summary>
    public bool ReadOnly { get; set; }

    /// <summary>Gets or sets where a write must be stored before it is answered (docs/high-availability.md).</summary>
    public Durability Durability { get; set; }
}

/// <summary>Where a write must be stored before it is answered.</summary>
internal enum Durability
{
    /// <summary>
    /// On the server; also on its synchronous standbys, if it has any and <c>synchronous_commit</c> says so.
    /// </summary>
    Local,

    /// <summary>
    /// On the server and its synchronous standbys, whatever <c>synchronous_commit</c> says. Writes are refused while
    /// there are none.
    /// </summary>
    Synchronous,
}

/// <summary>The settings of <c>/sql</c>.</summary>
internal sealed class SqlOptions
{
    /// <summary>
    /// Gets the origins whose pages may call <c>/sql</c> from a browser, such as <c>https://app.example.org</c>;
    /// <c>*</c> for all.
    /// </summary>
    public string[] AllowedOrigins { get; init; } = [];
}
