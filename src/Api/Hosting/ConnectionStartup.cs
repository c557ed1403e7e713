using Gateway.Api.Callers;
using Gateway.Api.Configuration;
using Gateway.Api.Connections;
using Npgsql;

namespace Gateway.Api.Hosting;

/// <summary>Adds the connections, and checks each of them before the first request.</summary>
internal static partial class ConnectionStartup
{
    /// <summary>
    /// The maximum time to check a connection: long enough for a server that has to wake up, and half of what the
    /// manifests' startup probe allows.
    /// </summary>
    private static readonly TimeSpan ConnectTime = TimeSpan.FromSeconds(30);

    /// <summary>
    /// The maximum number of bytes that Kestrel reads ahead of a client's requests: enough for the largest headers, and
    /// to read a body at the network's speed.
    /// </summary>
    private const int ConnectionBuffer = 64 * 1024;

    /// <summary>Reads all settings, and adds the connections.</summary>
    /// <returns>All settings, also those of other parts.</returns>
    /// <exception cref="StartupException">The configuration has faults; a message for each.</exception>
    public static GatewayConfiguration AddConnections(this WebApplicationBuilder builder)
    {
        SendStatementsAsTheyCome();
        var configuration = GatewayConfiguration.Read(builder.Configuration, builder.Environment.IsDevelopment());
        builder.Services.AddSingleton(TimeProvider.System);
        builder.Services.AddSingleton(configuration.Options);
        builder.Services.AddSingleton(configuration.Dsns);
        builder.Services.AddSingleton(MemoryBudget.Of(configuration.Options));
        builder.Services.AddSingleton<ConnectionRegistry>();
        builder.Services.AddHostedService<ReachabilityWatch>();
        builder.Services.AddHostedService<TransactionReaper>();
        builder.Services.AddHostedService<IdleSessionCleaning>();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            // The endpoint enforces BodyLimitBytes and answers. Kestrel then reads on for a while, so that a caller
            // that is still sending gets the answer and not a broken pipe. This limit bounds how much it reads.
            kestrel.Limits.MaxRequestBodySize = 16L * configuration.Options.BodyLimitBytes;
            kestrel.Limits.MaxConcurrentConnections = configuration.Options.MaxConnections;
            // The memory budget does not count these buffers, so they are small.
            kestrel.Limits.MaxRequestBufferSize = ConnectionBuffer;
            kestrel.Limits.Http2.InitialConnectionWindowSize = ConnectionBuffer;
            kestrel.Limits.Http2.InitialStreamWindowSize = ConnectionBuffer;
        });
        return configuration;
    }

    /// <summary>
    /// Stops Npgsql from splitting statements at semicolons: PostgreSQL refuses several statements in one text only if
    /// it gets the text unsplit (docs/decisions/0001).
    /// </summary>
    public static void SendStatementsAsTheyCome() => AppContext.SetSwitch("Npgsql.EnableSqlRewriting", false);

    /// <summary>
    /// Connects once to each connection, so that a fault shows at the start and not at the first request. In
    /// Development, a role with too many privileges causes a warning only.
    /// </summary>
    /// <exception cref="StartupException">
    /// A connection can't be reached, or its role has privileges that callers' SQL must not have; a message for each,
    /// with its setting.
    /// </exception>
    public static async Task ConnectAsync(this WebApplication gateway)
    {
        var connections = gateway.Services.GetRequiredService<ConnectionRegistry>();
        var faults = await Task.WhenAll(connections.All.Select(connection => ConnectAsync(connection, gateway)));
        if (faults.OfType<string>().ToArray() is { Length: > 0 } found)
            throw new StartupException(found);
    }

    private static async Task<string?> ConnectAsync(NamedConnection connection, WebApplication gateway)
    {
        using var limit = new CancellationTokenSource(ConnectTime);
        var isSlow = false;
        while (true)
        {
            try
            {
                return await CheckAsync(connection, gateway, limit.Token);
            }
            // One attempt to connect has a shorter limit, for requests.
            catch (NpgsqlException error) when (HasTimedOut(error) && !limit.IsCancellationRequested)
            {
                if (!isSlow)
                {
                    SlowServer(
                        gateway.Logger, connection.Name, connection.Setting, connection.Description,
                        ConnectTime.TotalSeconds);
                }
                isSlow = true;
            }
            catch (Exception error) when (error is NpgsqlException or OperationCanceledException)
            {
                var reason = error switch
                {
                    OperationCanceledException => $"no answer within {ConnectTime.TotalSeconds:0} s",
                    // Every session sets client_connection_check_interval, which PostgreSQL has from version 14 on.
                    PostgresException { SqlState: PostgresErrorCodes.UndefinedObject } refusal =>
                        $"{refusal.MessageText} (PostgreSQL 14 or later is needed)",
                    _ => (error.InnerException ?? error).Message,
                };
                return $"Connection \"{connection.Name}\" ({connection.Setting}) can't be reached: "
                    + $"{connection.Description}: {reason.ReplaceLineEndings(" ").TrimEnd('.')}.";
            }
        }
    }

    /// <summary>Checks a connection once, and reads what the gateway needs to know of its server.</summary>
    /// <returns>The fault that prevents a start; null if there is none.</returns>
    private static async Task<string?> CheckAsync(
        NamedConnection connection, WebApplication gateway, CancellationToken cancellation)
    {
        // Before the settings of a session are made, which a pooler may share with other clients.
        if (await connection.FindPoolerFaultAsync(cancellation) is { } poolerFault)
            return $"Connection \"{connection.Name}\" ({connection.Setting}): {poolerFault}.";
        await connection.Types.LoadAsync(cancellation);
        if (await connection.FindControlFaultAsync(cancellation) is { } fault)
        {
            return $"Connection \"{connection.Name}\" (Gateway__Connections__{connection.Name}__ControlDsn), "
                + $"the control role: {fault}";
        }
        if (connection.Standbys is { } standbys)
        {
            if (await standbys.FindFaultAsync(connection.Role, cancellation) is { } standbyFault)
            {
                return $"Connection \"{connection.Name}\" "
                    + $"(Gateway__Connections__{connection.Name}__Durability=synchronous): {standbyFault}.";
            }
            await standbys.LookAsync(cancellation);
        }
        // The first write then does not depend on another session. Without a journal, writes report that.
        if (!connection.ReadOnly)
            await connection.Journal.FindKeyAsync(cancellation);
        var privileges = await connection.FindPrivilegesAsync(cancellation);
        if (privileges.Count == 0)
            return null;
        var found = $"Connection \"{connection.Name}\" ({connection.Setting}): its role "
            + $"{string.Join(", and ", privileges)}. Callers' SQL runs as that role, and could reach the server's "
            + "files and programs; give the gateway a role of its own (docs/database-roles.md).";
        if (!gateway.Environment.IsDevelopment() && !connection.AllowsPrivilegedRole)
        {
            return $"{found} To serve it with this role, set "
                + $"Gateway__Connections__{connection.Name}__AllowPrivilegedRole=true.";
        }
        PrivilegedRole(gateway.Logger, found);
        return null;
    }

    /// <summary>Returns whether an attempt to connect took too long; with several hosts, all of the attempts.</summary>
    private static bool HasTimedOut(Exception? error) => error switch
    {
        null => false,
        TimeoutException => true,
        AggregateException several => several.InnerExceptions.All(HasTimedOut),
        _ => HasTimedOut(error.InnerException),
    };

    [LoggerMessage(
        29, LogLevel.Warning,
        "Connection {Connection} ({Setting}) does not answer: {Server}. The start tries for up to {Seconds} s")]
    private static partial void SlowServer(
        ILogger log, string connection, string setting, string server, double seconds);

    [LoggerMessage(23, LogLevel.Warning, "{Found}")]
    private static partial void PrivilegedRole(ILogger log, string found);
}
