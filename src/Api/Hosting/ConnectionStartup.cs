using Gateway.Api.Callers;
using Gateway.Api.Configuration;
using Gateway.Api.Connections;
using Npgsql;

namespace Gateway.Api.Hosting;

/// <summary>How the connections come up, before the first request.</summary>
internal static partial class ConnectionStartup
{
    /// <summary>Long enough for a server that is slow, short enough for somebody who waits.</summary>
    private static readonly TimeSpan ConnectTime = TimeSpan.FromSeconds(10);

    /// <summary>
    /// What is read ahead of a connection's requests, in bytes: as much as their heads may have, and enough to read a body at
    /// the network's speed.
    /// </summary>
    private const int ConnectionBuffer = 64 * 1024;

    /// <returns>All settings, of which the connections are a part.</returns>
    /// <exception cref="StartupException">Every fault of the configuration.</exception>
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
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            // The limit of a body is the endpoint's to keep, which answers at its own; Kestrel reads on for a while after
            // that, so that a caller which is still sending gets the answer rather than a broken pipe. This bounds it.
            kestrel.Limits.MaxRequestBodySize = 16L * configuration.Options.BodyLimitBytes;
            kestrel.Limits.MaxConcurrentConnections = configuration.Options.MaxConnections;
            // What a connection may make the server hold besides is counted by nobody, so it is small.
            kestrel.Limits.MaxRequestBufferSize = ConnectionBuffer;
            kestrel.Limits.Http2.InitialConnectionWindowSize = ConnectionBuffer;
            kestrel.Limits.Http2.InitialStreamWindowSize = ConnectionBuffer;
        });
        return configuration;
    }

    /// <summary>
    /// The server refuses multiple statements only as it gets them: Npgsql must not split them (docs/decisions/0001).
    /// </summary>
    public static void SendStatementsAsTheyCome() => AppContext.SetSwitch("Npgsql.EnableSqlRewriting", false);

    /// <summary>
    /// Connects once to each, so that what is wrong shows now and not at the first request. In Development a role with too many
    /// privileges is no more than warned of.
    /// </summary>
    /// <exception cref="StartupException">
    /// Each connection that can't be reached, or whose role may do what callers' SQL should not, with its setting.
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
        try
        {
            await connection.Types.LoadAsync(limit.Token);
            if (await connection.FindControlFaultAsync(limit.Token) is { } fault)
                return $"Connection \"{connection.Name}\" (Gateway__Connections__{connection.Name}__ControlDsn), the control role: {fault}";
            // So that the first write does not depend on another session. Where there is no journal, writes say so.
            if (!connection.ReadOnly)
                await connection.Journal.FindKeyAsync(limit.Token);
            var privileges = await connection.FindPrivilegesAsync(limit.Token);
            if (privileges.Count == 0)
                return null;
            var found = $"Connection \"{connection.Name}\" ({connection.Setting}): its role {string.Join(", and ", privileges)}. Callers' SQL runs "
                + "as that role, and could reach the server's files and programs; give the gateway a role of its own (docs/database-roles.md).";
            if (!gateway.Environment.IsDevelopment() && !connection.AllowsPrivilegedRole)
                return $"{found} Gateway__Connections__{connection.Name}__AllowPrivilegedRole=true serves it all the same.";
            PrivilegedRole(gateway.Logger, found);
            return null;
        }
        catch (Exception error) when (error is NpgsqlException or OperationCanceledException)
        {
            var reason = error switch
            {
                OperationCanceledException => $"no answer within {ConnectTime.TotalSeconds:0} s",
                // A session begins with client_connection_check_interval, which came with version 14.
                PostgresException { SqlState: PostgresErrorCodes.UndefinedObject } refusal =>
                    $"{refusal.MessageText} (PostgreSQL 14 or later is needed)",
                _ => (error.InnerException ?? error).Message,
            };
            return $"Connection \"{connection.Name}\" ({connection.Setting}) can't be reached: {connection.Description}: "
                + $"{reason.ReplaceLineEndings(" ").TrimEnd('.')}.";
        }
    }

    [LoggerMessage(23, LogLevel.Warning, "{Found}")]
    private static partial void PrivilegedRole(ILogger log, string found);
}
