using Gateway.Api.Configuration;
using Gateway.Api.Dsns;
using Gateway.Api.Journal;
using Gateway.Api.Postgres;
using Npgsql;

namespace Gateway.Api.Connections;

/// <summary>All that belongs to one connection of the configuration; nothing of it is shared with another.</summary>
internal sealed class NamedConnection : IAsyncDisposable
{
    /// <summary>
    /// What every session begins with, whatever the role's or the database's defaults are: start-up options win over
    /// them. The scan of a statement takes strings as the standard has them, and the rows' JSON takes dates as ISO 8601
    /// has them. A null in a parameter's array is a NULL, and a type's name is quoted only where it must be. The
    /// journal writes outside of the transactions that say themselves whether they may, and it fails on purpose where
    /// there is a record, which must not end the session.
    /// </summary>
    private const string StatementOptions =
        "-c standard_conforming_strings=on -c DateStyle=ISO -c array_nulls=on -c quote_all_identifiers=off "
        + "-c default_transaction_read_only=off -c exit_on_error=off";

    /// <summary>
    /// The watchdog ends what takes too long, and the pool keeps idle sessions. Before the DSN's options, which may say
    /// otherwise. transaction_timeout is not among them: a server before version 17 would refuse the session.
    /// </summary>
    private const string TimeoutOptions =
        "-c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0 -c idle_session_timeout=0";

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

    /// <summary>The control role's functions and operators are PostgreSQL's own, whatever else has their names.</summary>
    private const string ControlOptions = "-c search_path=pg_catalog";

    /// <summary>
    /// Sessions of the control role for looking activities up: so many requests may at a time. Replays, purges and the reading of
    /// the journal's key have the rest of the pool.
    /// </summary>
    private const int LookUpPlaces = 2;

    private const int LookUpSessions = 3;

    /// <summary>For the watchdog and the readiness checks.</summary>
    private const int WatchSessions = 2;

    /// <summary>A cancel holds a session, most often for less than a tenth of a second.</summary>
    private const int CancelPlaces = 1;

    /// <summary>The callers' role's, for reading types. With the readiness check's there are eight sessions beside the pool's.</summary>
    private const int OwnSessions = 1;

    /// <summary>Requests that wait for one of these places.</summary>
    private const int WaitingForPlaces = 256;

    // By the role of the DSN, for what is that role's: its types and its privileges.
    private readonly NpgsqlDataSource _own;

    // By the control role, where there is one. Callers' SQL can end no session of it, and no caller's request waits for the first.
    private readonly NpgsqlDataSource _watch;
    private readonly NpgsqlDataSource _lookUps;
    private readonly NpgsqlDataSource _cancels;

    public NamedConnection(string name, GatewayOptions gateway, ConnectionDsn dsn, ILoggerFactory logs, TimeProvider clock)
    {
        var options = gateway.Connections[name];
        Name = name;
        ApplicationName = dsn.Value.ApplicationName ?? OwnApplicationName;
        Database = dsn.Value.Database ?? dsn.Value.Username ?? "";
        Server = DsnHosts.FromNpgsql(dsn.Value.Host ?? DsnHosts.Default, dsn.Value.Port, []) is [var server] ? server : null;
        ReadOnly = options.ReadOnly;
        AllowsPrivilegedRole = options.AllowPrivilegedRole;
        ShowsErrorValues = gateway.ShowErrorValues;
        Setting = dsn.Setting;
        Description = Dsn.Describe(dsn.Value);
        Queue = new ConnectionQueue(name, options.PoolSize, options.QueueLimit);
        var passwords = Passwords(dsn, logs);
        var control = dsn.Control ?? dsn;
        var controlPasswords = control == dsn ? passwords : Passwords(control, logs);
        _own = Source(dsn.Value, passwords, logs, OwnSessions);
        _watch = Source(control.Value, controlPasswords, logs, WatchSessions, ControlOptions);
        _lookUps = Source(control.Value, controlPasswords, logs, LookUpSessions, ControlOptions);
        // What a cancel holds ends with its session.
        _cancels = Source(control.Value, controlPasswords, logs, sessions: 0, ControlOptions);
        var callers = Source(dsn.Value, passwords, logs, sessions: 0);
        var role = dsn.Value.Username!;
        HasControlRole = control != dsn;
        Role = role;
        var lookUps = new ControlSessions(_lookUps, clock);
        Journal = new ActivityJournal(lookUps, role, dsn.JournalKey, TimeSpan.FromSeconds(gateway.RetentionSeconds), clock);
        Sessions = new SessionPool(callers, Queue, new Watchdog(_watch, _own, clock), options.ReuseSessions, clock);
        Activities = new Activities(Journal, lookUps, _cancels, role, clock);
        LookUps = new ConnectionQueue(name, LookUpPlaces, WaitingForPlaces, "places for looking activities up");
        Cancels = new ConnectionQueue(name, CancelPlaces, WaitingForPlaces, "places for cancels");
        Types = new TypeCatalog(_own, clock);
        Descriptions = new StatementDescriptions(Types);
        Reachability = new Reachability(_watch, callers, role, Sessions, clock);
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

    /// <summary>The role that callers' SQL runs as.</summary>
    public string Role { get; }

    /// <summary>Whether another role vouches for sessions and watches them.</summary>
    public bool HasControlRole { get; }

    /// <summary>Whether PostgreSQL's errors are shown whole, with the values that they hold.</summary>
    public bool ShowsErrorValues { get; }

    public ConnectionQueue Queue { get; }

    /// <summary>The places of requests that look an activity up.</summary>
    public ConnectionQueue LookUps { get; }

    /// <summary>The places of requests that cancel an activity.</summary>
    public ConnectionQueue Cancels { get; }

    public SessionPool Sessions { get; }
    public ActivityJournal Journal { get; }
    public Activities Activities { get; }
    public TypeCatalog Types { get; }
    public StatementDescriptions Descriptions { get; }
    public Reachability Reachability { get; }

    /// <summary>What its role may do that no caller's SQL should; <see cref="RolePrivileges"/>.</summary>
    public Task<IReadOnlyList<string>> FindPrivilegesAsync(CancellationToken cancellation) => RolePrivileges.FindAsync(_own, cancellation);

    /// <summary>What is wrong with its control role; null where nothing is, or where it has none.</summary>
    public Task<string?> FindControlFaultAsync(CancellationToken cancellation) =>
        HasControlRole ? ControlRole.FindFaultAsync(_watch, _own, Role, cancellation) : Task.FromResult<string?>(null);

    /// <summary>Ends the sessions of its role whose transactions are older; how many.</summary>
    public Task<long> EndTransactionsAsync(TimeSpan oldest, CancellationToken cancellation) =>
        ControlRole.EndTransactionsAsync(_watch, Role, oldest, cancellation);

    public async ValueTask DisposeAsync()
    {
        await Sessions.DisposeAsync();
        await _own.DisposeAsync();
        await _watch.DisposeAsync();
        await _lookUps.DisposeAsync();
        await _cancels.DisposeAsync();
        Descriptions.Dispose();
        Types.Dispose();
    }

    private static PasswordFile? Passwords(ConnectionDsn dsn, ILoggerFactory logs) => dsn.PasswordFile is { } path
        ? new PasswordFile(path, dsn.Value.Password!, logs.CreateLogger<PasswordFile>())
        : null;

    /// <param name="dsn">Where, and by which role.</param>
    /// <param name="passwords">The role's password, where it is in a file.</param>
    /// <param name="logs">For what Npgsql logs.</param>
    /// <param name="sessions">Maximum number that Npgsql pools; 0 for sessions that are not pooled.</param>
    /// <param name="options">Further settings of PostgreSQL's, as <c>-c name=value</c>.</param>
    private static NpgsqlDataSource Source(
        NpgsqlConnectionStringBuilder dsn, PasswordFile? passwords, ILoggerFactory logs, int sessions, string options = "")
    {
        var settings = new NpgsqlConnectionStringBuilder(dsn.ConnectionString)
        {
            Pooling = sessions > 0,
            // The gateway's own statements leave nothing in a session.
            NoResetOnClose = sessions > 0,
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
            Options = $"{TimeoutOptions} {dsn.Options} {StatementOptions} {LivenessOptions} {options}".Trim(),
        };
        if (!IsGiven(dsn, "Timeout"))
            settings.Timeout = ConnectSeconds;
        if (sessions > 0)
        {
            settings.MaxPoolSize = sessions;
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
