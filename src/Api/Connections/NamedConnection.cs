using Gateway.Api.Admission;
using Gateway.Api.Execution;
using Gateway.Api.Replay;
using Gateway.Api.Rows;
using Npgsql;

namespace Gateway.Api.Connections;

/// <summary>All that belongs to one connection of the configuration; nothing of it is shared with another.</summary>
internal sealed class NamedConnection : IAsyncDisposable
{
    /// <summary>
    /// What every session begins with, whatever the role's or the database's defaults are: the scan of a statement
    /// takes strings as the standard has them, the rows' JSON takes dates as ISO 8601 has them, and the journal writes
    /// outside of the transactions that say themselves whether they may.
    /// </summary>
    private const string StatementOptions =
        "-c standard_conforming_strings=on -c DateStyle=ISO -c default_transaction_read_only=off";

    private const string OwnApplicationName = "gateway";

    /// <summary>
    /// How the server finds out that the gateway is gone: at once where it was killed, within half a minute where the
    /// network was cut, in milliseconds and seconds.
    /// </summary>
    private const string LivenessOptions =
        "-c client_connection_check_interval=1000 -c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3";

    private const int OwnConnectSeconds = 2;

    /// <summary>Where the DSN has no connect_timeout.</summary>
    private const int ConnectSeconds = 5;

    private readonly NpgsqlDataSource _own;

    public NamedConnection(string name, GatewayOptions gateway, ConnectionDsn dsn, ILoggerFactory logs, TimeProvider clock)
    {
        var options = gateway.Connections[name];
        Name = name;
        ApplicationName = dsn.Value.ApplicationName ?? OwnApplicationName;
        Database = dsn.Value.Database ?? dsn.Value.Username ?? "";
        Server = DsnHosts.FromNpgsql(dsn.Value.Host ?? DsnHosts.Default, dsn.Value.Port, []) is [var server] ? server : null;
        ReadOnly = options.ReadOnly;
        AllowsPrivilegedRole = options.AllowPrivilegedRole;
        Setting = dsn.Setting;
        Description = Dsn.Describe(dsn.Value);
        Queue = new ConnectionQueue(name, options.PoolSize, options.QueueLimit);
        // Probes, look-ups and the watchdog must not queue behind callers, nor callers behind them.
        var passwords = dsn.PasswordFile is { } path
            ? new PasswordFile(path, dsn.Value.Password!, logs.CreateLogger<PasswordFile>())
            : null;
        _own = Source(dsn.Value, passwords, logs, pool: 4);
        Journal = new Journal(TimeSpan.FromSeconds(gateway.RetentionSeconds), clock);
        var callers = Source(dsn.Value, passwords, logs, pool: 0);
        Sessions = new SessionPool(callers, Queue, Journal, new Watchdog(_own), clock);
        // A cancel takes as long as what it cancels, so it has a session to itself.
        Activities = new Activities(Journal, own: _own, unpooled: callers, clock);
        Types = new TypeCatalog(_own, clock);
        Descriptions = new StatementDescriptions(Types);
        Reachability = new Reachability(_own);
    }

    public string Name { get; }

    /// <summary>The setting that its DSN was read from.</summary>
    public string Setting { get; }

    /// <summary>Host, port, database and role; no secret.</summary>
    public string Description { get; }

    /// <summary>The sessions' <c>application_name</c> when no activity runs in them.</summary>
    public string ApplicationName { get; }

    /// <summary>The database's name on its server.</summary>
    public string Database { get; }

    /// <summary>Null where the DSN names several.</summary>
    public DsnHost? Server { get; }

    public bool ReadOnly { get; }

    /// <summary>Whether it is served whatever its role may do.</summary>
    public bool AllowsPrivilegedRole { get; }

    public ConnectionQueue Queue { get; }
    public SessionPool Sessions { get; }
    public Journal Journal { get; }
    public Activities Activities { get; }
    public TypeCatalog Types { get; }
    public StatementDescriptions Descriptions { get; }
    public Reachability Reachability { get; }

    /// <summary>What its role may do that no caller's SQL should; <see cref="RolePrivileges"/>.</summary>
    public Task<IReadOnlyList<string>> FindPrivilegesAsync(CancellationToken cancellation) => RolePrivileges.FindAsync(_own, cancellation);

    public async ValueTask DisposeAsync()
    {
        await Sessions.DisposeAsync();
        await _own.DisposeAsync();
        Descriptions.Dispose();
    }

    private static NpgsqlDataSource Source(NpgsqlConnectionStringBuilder dsn, PasswordFile? passwords, ILoggerFactory logs, int pool)
    {
        var settings = new NpgsqlConnectionStringBuilder(dsn.ConnectionString)
        {
            Pooling = pool > 0,
            // The request's deadline bounds a statement, not a time-out for each read of it.
            CommandTimeout = 0,
            // A session is abandoned only where the server does not answer: no waiting for its answer to a cancel.
            CancellationTimeout = -1,
            // One caller's error must not mark a host as down for the others.
            HostRecheckSeconds = 0,
            Enlist = false,
            // An error of COMMIT and one of what follows it are told apart by the command.
            IncludeFailedBatchedCommand = true,
            // What of it is shown, and in which protocol, is decided where an error is answered.
            IncludeErrorDetail = true,
            ApplicationName = dsn.ApplicationName ?? OwnApplicationName,
            Options = $"{dsn.Options} {StatementOptions} {LivenessOptions}".TrimStart(),
        };
        if (!IsGiven(dsn, "Timeout"))
            settings.Timeout = ConnectSeconds;
        if (pool > 0)
        {
            settings.MaxPoolSize = pool;
            // What hangs is given up within that, and is out of the way when the server is back.
            settings.Timeout = OwnConnectSeconds;
        }
        // Prefer costs a round trip for each new session; whoever needs it says so in the DSN.
        if (!IsGiven(dsn, "GSS Encryption Mode"))
            settings.GssEncryptionMode = GssEncryptionMode.Disable;
        if (passwords is not null)
            settings.Password = null;
        var builder = new NpgsqlDataSourceBuilder(settings.ConnectionString);
        if (passwords is not null)
            builder.UsePasswordProvider(_ => passwords.ReadAgain(), (_, _) => ValueTask.FromResult(passwords.ReadAgain()));
        ParameterTextFactory.AddTo(builder);
        MessageLimit.AddTo(builder);
        return builder
            // Types are the catalog's business; Npgsql would read all of pg_type for each data source.
            .ConfigureTypeLoading(types => types.EnableTypeLoading(false))
            .UseLoggerFactory(logs)
            .Build();
    }

    /// <summary>ContainsKey is true for every keyword that Npgsql knows.</summary>
    private static bool IsGiven(NpgsqlConnectionStringBuilder dsn, string keyword) => dsn.Keys.OfType<string>().Any(key => key == keyword);
}
