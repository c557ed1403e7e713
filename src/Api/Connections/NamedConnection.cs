using Gateway.Api.Configuration;
using Gateway.Api.Dsns;
using Gateway.Api.Journal;
using Gateway.Api.Postgres;
using Npgsql;

namespace Gateway.Api.Connections;

/// <summary>Represents one connection of the configuration. It shares nothing with other connections.</summary>
internal sealed class NamedConnection : IAsyncDisposable
{
    /// <summary>
    /// The settings that every session starts with. Start-up options override the defaults of the role and the
    /// database.
    /// </summary>
    /// <remarks>
    /// The scan of a statement expects standard strings, and the rows' JSON expects dates in ISO 8601. A null in an
    /// array parameter is NULL, and the name of a type is quoted only if necessary. The journal also writes outside of
    /// the transactions that state their access mode, so transactions are not read-only by default. The journal fails
    /// on purpose if there is a record; that error must not end the session.
    /// </remarks>
    private const string StatementOptions =
        "-c standard_conforming_strings=on -c DateStyle=ISO -c array_nulls=on -c quote_all_identifiers=off "
        + "-c default_transaction_read_only=off -c exit_on_error=off";

    /// <summary>
    /// Turns timeouts off: the watchdog ends work that takes too long, and the pool keeps idle sessions. These options
    /// come before the DSN's, which may set other values. transaction_timeout is missing, because a server before
    /// version 17 would refuse the session.
    /// </summary>
    private const string TimeoutOptions =
        "-c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0 -c idle_session_timeout=0";

    private const string OwnApplicationName = "gateway";

    /// <summary>
    /// Makes the server notice that the gateway is gone: almost at once if it was killed, within half a minute if the
    /// network was cut. The check interval is in milliseconds, the keepalive times are in seconds.
    /// </summary>
    private const string LivenessOptions =
        "-c client_connection_check_interval=1000 "
        + "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3";

    /// <summary>The connect timeout of pooled sessions, which the gateway uses for its own queries.</summary>
    private const int OwnConnectSeconds = 2;

    /// <summary>The connect timeout of other sessions, if the DSN has no connect_timeout.</summary>
    private const int ConnectSeconds = 5;

    /// <summary>
    /// The same for each of several hosts: if one does not answer, a request must have time left for the next.
    /// </summary>
    private const int ConnectSecondsOfSeveral = 2;

    /// <summary>
    /// Makes the control role's sessions use PostgreSQL's own functions and operators, whatever other objects have the
    /// same names.
    /// </summary>
    private const string ControlOptions = "-c search_path=pg_catalog";

    /// <summary>
    /// Maximum number of requests that look an activity up at a time, in the control role's sessions. Replays, purges
    /// and reading the journal's key use the rest of that pool.
    /// </summary>
    private const int LookUpPlaces = 2;

    private const int LookUpSessions = 3;

    /// <summary>Maximum number of sessions for the watchdog and the readiness checks.</summary>
    private const int WatchSessions = 2;

    /// <summary>
    /// Maximum number of requests that cancel an activity at a time. Each holds a session, most often for little more
    /// than a tenth of a second.
    /// </summary>
    private const int CancelPlaces = 1;

    /// <summary>
    /// Maximum number of sessions of the callers' role for reading types. With the session of the readiness check there
    /// are eight sessions besides those of the pool. If the DSN names several hosts, there are six more on each, which
    /// were opened at that host; and one more if the durability is synchronous.
    /// </summary>
    private const int OwnSessions = 1;

    /// <summary>Maximum number of requests that wait for a place to look up, or to cancel.</summary>
    private const int WaitingForPlaces = 256;

    // Sessions of the DSN's role, to read its types and its privileges.
    private readonly SessionSource _own;

    // Sessions of the control role, if there is one: callers' SQL can't end these. No caller's request waits for
    // _watch.
    private readonly SessionSource _watch;
    private readonly SessionSource _lookUps;
    private readonly SessionSource _cancels;

    // Sessions of the control role that look after the standbys; null unless the durability is synchronous.
    private readonly SessionSource? _standbys;

    private readonly ServerHosts _hosts;

    public NamedConnection(
        string name, GatewayOptions gateway, ConnectionDsn dsn, ILoggerFactory logs, TimeProvider clock)
    {
        var options = gateway.Connections[name];
        Name = name;
        ApplicationName = dsn.Value.ApplicationName ?? OwnApplicationName;
        Database = dsn.Value.Database ?? dsn.Value.Username ?? "";
        var last = new LastHost();
        var hosts = _hosts = new ServerHosts(dsn.Value, last);
        Server = hosts.Only;
        ReadOnly = options.ReadOnly;
        AllowsPrivilegedRole = options.AllowPrivilegedRole;
        ShowsErrorValues = gateway.ShowErrorValues;
        Setting = dsn.Setting;
        Description = Dsn.Describe(dsn.Value);
        Queue = new ConnectionQueue(name, options.PoolSize, options.QueueLimit);
        var passwords = Passwords(dsn, logs);
        var control = dsn.Control ?? dsn;
        var controlPasswords = control == dsn ? passwords : Passwords(control, logs);
        var pooler = new Pooler();
        var controlPooler = control == dsn ? pooler : new Pooler();
        var areSame = control.Value.Host == dsn.Value.Host
            && control.Value.TargetSessionAttributes == dsn.Value.TargetSessionAttributes;
        var controlHosts = new ServerHosts(control.Value, areSame ? last : new LastHost());
        _own = Source(dsn.Value, pooler, hosts, passwords, logs, OwnSessions);
        _watch =
            Source(control.Value, controlPooler, controlHosts, controlPasswords, logs, WatchSessions, ControlOptions);
        _lookUps =
            Source(control.Value, controlPooler, controlHosts, controlPasswords, logs, LookUpSessions, ControlOptions);
        // Not pooled: a cancel is announced by the name of its session, and the announcement must end with it.
        _cancels =
            Source(control.Value, controlPooler, controlHosts, controlPasswords, logs, sessions: 0, ControlOptions);
        var callers = Source(dsn.Value, pooler, hosts, passwords, logs, sessions: 0);
        var role = dsn.Value.Username!;
        HasControlRole = control != dsn;
        Role = role;
        var lookUps = new ControlSessions(_lookUps, clock);
        if (options.Durability == Durability.Synchronous)
        {
            // One session: the looks are shared, and no other work must hold them up.
            _standbys = Source(
                control.Value, controlPooler, controlHosts, controlPasswords, logs, sessions: 1, ControlOptions);
            Standbys = new SynchronousStandbys(new ControlSessions(_standbys, clock), name, clock);
        }
        var retention = TimeSpan.FromSeconds(gateway.RetentionSeconds);
        Journal = new ActivityJournal(lookUps, role, dsn.JournalKey, retention, clock);
        Sessions = new SessionPool(callers, Queue, new Watchdog(_watch, _own, clock), options.ReuseSessions, clock);
        InFlight = new InFlightActivities(Journal, lookUps, role, clock);
        Activities = new Activities(Journal, InFlight, lookUps, _cancels, hosts, role, clock);
        LookUps = new ConnectionQueue(name, LookUpPlaces, WaitingForPlaces, "places for looking activities up");
        Cancels = new ConnectionQueue(name, CancelPlaces, WaitingForPlaces, "places for cancels");
        Types = new TypeCatalog(_own, clock);
        Descriptions = new StatementDescriptions(Types);
        Reachability = new Reachability(_watch, callers, role, !ReadOnly, Sessions, clock);
    }

    public string Name { get; }

    /// <summary>Gets the setting that the DSN was read from.</summary>
    public string Setting { get; }

    /// <summary>Gets the host, port, database and role, without secrets.</summary>
    public string Description { get; }

    /// <summary>Gets the sessions' <c>application_name</c> while no activity runs in them.</summary>
    public string ApplicationName { get; }

    /// <summary>Gets the database's name on its server.</summary>
    public string Database { get; }

    /// <summary>Gets the server; null if the DSN names several.</summary>
    public DsnHost? Server { get; }

    public bool ReadOnly { get; }

    /// <summary>Gets whether the connection is served even if its role has dangerous privileges.</summary>
    public bool AllowsPrivilegedRole { get; }

    /// <summary>Gets the role that callers' SQL runs as.</summary>
    public string Role { get; }

    /// <summary>Gets whether there is a control role.</summary>
    public bool HasControlRole { get; }

    /// <summary>Gets whether PostgreSQL's errors are shown with the values that they hold.</summary>
    public bool ShowsErrorValues { get; }

    /// <summary>Gets the queue of requests that run statements.</summary>
    public ConnectionQueue Queue { get; }

    /// <summary>Gets the queue of requests that look an activity up.</summary>
    public ConnectionQueue LookUps { get; }

    /// <summary>Gets the queue of requests that cancel an activity.</summary>
    public ConnectionQueue Cancels { get; }

    public SessionPool Sessions { get; }
    public ActivityJournal Journal { get; }

    /// <summary>Gets the standbys that confirm writes; null unless the durability is synchronous.</summary>
    public SynchronousStandbys? Standbys { get; }

    /// <summary>
    /// Gets the journal's state as seen last; null before the first look, or if the connection takes no writes.
    /// </summary>
    public JournalState? JournalState => ReadOnly ? null : Journal.State;

    public Activities Activities { get; }

    /// <summary>Gets the requests that wait for an activity's end.</summary>
    public InFlightActivities InFlight { get; }

    public TypeCatalog Types { get; }
    public StatementDescriptions Descriptions { get; }
    public Reachability Reachability { get; }

    /// <summary>
    /// Returns the privileges of the role that callers' SQL must not have, as <see cref="RolePrivileges"/> finds them.
    /// </summary>
    public Task<IReadOnlyList<string>> FindPrivilegesAsync(CancellationToken cancellation) =>
        RolePrivileges.FindAsync(_own, cancellation);

    /// <summary>
    /// Returns the fault of a pooler before the server, as the end of a sentence; null if there is no fault, or no
    /// pooler.
    /// </summary>
    public async Task<string?> FindPoolerFaultAsync(CancellationToken cancellation) =>
        await _own.Pooler.FindFaultAsync(_own, cancellation)
        ?? (HasControlRole ? await _cancels.Pooler.FindFaultAsync(_cancels, cancellation) : null);

    /// <summary>Returns a fault of the control role; null if there is no fault, or no control role.</summary>
    public Task<string?> FindControlFaultAsync(CancellationToken cancellation) =>
        HasControlRole ? ControlRole.FindFaultAsync(_watch, _own, Role, cancellation) : Task.FromResult<string?>(null);

    /// <summary>Ends the role's sessions whose transactions are older than a limit. Returns their number.</summary>
    public async Task<long> EndTransactionsAsync(TimeSpan oldest, CancellationToken cancellation) =>
        (await _hosts.AskEachAsync(
            host => ControlRole.EndTransactionsAsync(_watch, Role, oldest, host, cancellation), _ => true)).Sum();

    public async ValueTask DisposeAsync()
    {
        await Sessions.DisposeAsync();
        await _own.DisposeAsync();
        await _watch.DisposeAsync();
        await _lookUps.DisposeAsync();
        await _cancels.DisposeAsync();
        if (_standbys is not null)
            await _standbys.DisposeAsync();
        Descriptions.Dispose();
        Types.Dispose();
    }

    private static PasswordFile? Passwords(ConnectionDsn dsn, ILoggerFactory logs) => dsn.PasswordFile is { } path
        ? new PasswordFile(path, dsn.Value.Password!, logs.CreateLogger<PasswordFile>())
        : null;

    /// <summary>Creates a source of sessions.</summary>
    /// <param name="dsn">The server, the database and the role.</param>
    /// <param name="pooler">Whether there is a pooler.</param>
    /// <param name="hosts">The hosts of the server.</param>
    /// <param name="passwords">The file with the role's password; null if the DSN has it.</param>
    /// <param name="logs">Gets Npgsql's log.</param>
    /// <param name="sessions">
    /// The maximum number of sessions that Npgsql pools; 0 for sessions that are not pooled.
    /// </param>
    /// <param name="options">More settings for PostgreSQL, as <c>-c name=value</c>.</param>
    private static SessionSource Source(
        NpgsqlConnectionStringBuilder dsn,
        Pooler pooler,
        ServerHosts hosts,
        PasswordFile? passwords,
        ILoggerFactory logs,
        int sessions,
        string options = "")
    {
        var settings = new NpgsqlConnectionStringBuilder(dsn.ConnectionString)
        {
            Pooling = sessions > 0,
            // The gateway's own statements leave nothing in a session.
            NoResetOnClose = sessions > 0,
            // The request's deadline limits a statement. Npgsql's timeout is for each read.
            CommandTimeout = 0,
            // A session is abandoned only if the server does not answer, so a wait for its answer to a cancel is
            // useless.
            CancellationTimeout = -1,
            // One caller's error must not mark a host as down for the others.
            HostRecheckSeconds = 0,
            Enlist = false,
            // The failed command tells an error of COMMIT from an error of the commands after it.
            IncludeFailedBatchedCommand = true,
            // The code that answers an error decides which parts of it are shown, in each protocol.
            IncludeErrorDetail = true,
            ApplicationName = dsn.ApplicationName ?? OwnApplicationName,
        };
        if (!dsn.Sets("Timeout"))
            settings.Timeout = hosts.Several.Count > 0 ? ConnectSecondsOfSeveral : ConnectSeconds;
        if (sessions > 0)
        {
            settings.MaxPoolSize = sessions;
            // A connection attempt that hangs ends after this time, so that it does not hold a session of the pool when
            // the server is back.
            settings.Timeout = OwnConnectSeconds;
        }
        settings.DisableGssByDefault();
        if (passwords is not null)
            settings.Password = null;

        var made = SessionSettings.Parse(
            $"{TimeoutOptions} {dsn.Options} {StatementOptions} {LivenessOptions} {options}".Trim());
        // Start-up parameters of their own, which a pooler sets by SQL, or refuses.
        made.AddForSql("client_encoding", "UTF8");
        made.AddForSql("application_name", settings.ApplicationName);
        if (dsn.Timezone is { Length: > 0 } zone)
            made.AddForSql("TimeZone", zone);
        if (dsn.SearchPath is { Length: > 0 } path)
            made.AddForSql("search_path", path);
        return new SessionSource(made, pooler, hosts, Build);

        NpgsqlDataSource Build(bool withOptions, HostChoice choice, Func<NpgsqlConnection, Task>? prepare)
        {
            var start = new NpgsqlConnectionStringBuilder(settings.ConnectionString)
            {
                Options = withOptions ? made.Options : null,
                SearchPath = withOptions ? dsn.SearchPath : null,
            };
            choice.ApplyTo(start);
            var builder = new NpgsqlDataSourceBuilder(start.ConnectionString);
            if (passwords is not null)
            {
                builder.UsePasswordProvider(
                    _ => passwords.ReadAgain(), (_, _) => ValueTask.FromResult(passwords.ReadAgain()));
            }
            ParameterTextFactory.AddTo(builder);
            MessageLimit.AddTo(builder, prepare);
            return builder
                // TypeCatalog reads the types. Npgsql would read all of pg_type for each data source.
                .ConfigureTypeLoading(types => types.EnableTypeLoading(false))
                .UseLoggerFactory(logs)
                .Build();
        }
    }
}
