using Gateway.Api.Connections;
using Npgsql;

namespace Gateway.Api.Replay;

/// <summary>
/// <c>journal install --connection NAME [--simple] [--dry-run]</c>: installs the journal in a connection's database, or
/// prints the SQL for whoever may. Safe to run again, and run again for each role that the gateway connects as.
/// </summary>
internal static class JournalCommand
{
    /// <summary>The DSN of a role that may create roles and schemas, where the connection's own may not.</summary>
    private const string AdminDsn = "ADMIN_DSN";

    private const string Usage = "journal install [--connection NAME] [--simple] [--dry-run] [--SETTING=VALUE …]";

    public static bool Is(string[] args) => args is ["journal", ..];

    /// <summary>Runs the command.</summary>
    /// <returns>The exit code.</returns>
    /// <exception cref="StartupException">Why it can't, a sentence for each fault.</exception>
    public static async Task<int> RunAsync(string[] args)
    {
        ConnectionStartup.SendStatementsAsTheyCome();
        var (name, simple, dryRun, settings) = Parse(args);
        var configuration = new ConfigurationManager();
        configuration.AddEnvironmentVariables().AddCommandLine(settings);
        configuration.AddSecretsFolder();
        // What only Development may have does no harm here.
        var dsn = GatewayConfiguration.Read(configuration, isDevelopment: true).Dsns.GetValueOrDefault(name)
            ?? throw new StartupException($"No connection is named \"{name}\"; Gateway__Connections__{name}__Dsn configures it.");
        var mayTakeOver = false;
        var role = dsn.Value.Username
            ?? throw new StartupException($"{dsn.Setting} names no user: the journal is opened to the role that the gateway connects as.");
        try
        {
            var script = await JournalScript.ReadAsync(role, simple);
            if (dryRun)
            {
                await Console.Out.WriteLineAsync($"{script};");
                return 0;
            }
            var (installer, setting) = ReadInstaller(configuration, dsn);
            await InstallAsync(script, installer, setting);
            mayTakeOver = await CheckAsync(dsn, name, role);
        }
        catch (ArgumentException error)
        {
            throw new StartupException(error.Message, error);
        }
        await Console.Out.WriteLineAsync(
            $"The journal of connection \"{name}\" is installed, version {JournalScript.Version}, and open to role \"{role}\"."
            + (simple ? " That role owns it: callers' SQL can read and change the records."
                : mayTakeOver ? " Warning: that role is a superuser or may create roles, so callers' SQL can make itself the owner."
                : ""));
        return 0;
    }

    /// <summary>Installs the journal.</summary>
    /// <param name="script">The statement.</param>
    /// <param name="installer">Who may run it.</param>
    /// <param name="setting">Where that was read from.</param>
    /// <exception cref="StartupException">The server can't be reached, or refuses.</exception>
    private static async Task InstallAsync(string script, NpgsqlConnectionStringBuilder installer, string setting)
    {
        try
        {
            await using var connection = new NpgsqlConnection(installer.ConnectionString);
            await connection.OpenAsync();
            await InstallAsync(script, connection);
        }
        catch (NpgsqlException error)
        {
            var reason = error is PostgresException refusal
                ? $"{refusal.MessageText} (SQLSTATE {refusal.SqlState}){(refusal.Hint is null ? "" : $". {refusal.Hint}")}"
                : (error.InnerException ?? error).Message;
            var cure = error is PostgresException { SqlState: PostgresErrorCodes.InsufficientPrivilege }
                ? $" Name a role that may create roles and schemas in {AdminDsn}, give the output of --dry-run to whoever may, or install it with --simple."
                : "";
            throw new StartupException($"The journal can't be installed by {setting} ({Dsn.Describe(installer)}): {reason.TrimEnd('.')}.{cure}", error);
        }
    }

    /// <summary>Installs the journal through an open connection.</summary>
    public static async Task InstallAsync(string script, NpgsqlConnection connection)
    {
        await using var command = new NpgsqlCommand(script, connection);
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>
    /// Tries it as the gateway will: by the connection's own DSN, which might lead to another database than the installer's.
    /// </summary>
    /// <returns>Whether the role could make itself the journal's owner.</returns>
    private static async Task<bool> CheckAsync(ConnectionDsn dsn, string name, string role)
    {
        try
        {
            await using var connection = new NpgsqlConnection(Unpooled(dsn.Value).ConnectionString);
            await connection.OpenAsync();
            if (await new Journal(TimeSpan.Zero, TimeProvider.System).EnterAsync(connection, CancellationToken.None) is not null)
            {
                await using var rights = new NpgsqlCommand(
                    "SELECT rolsuper OR rolcreaterole FROM pg_catalog.pg_roles WHERE rolname OPERATOR(pg_catalog.=) session_user", connection);
                return await rights.ExecuteScalarAsync() is true;
            }
        }
        catch (NpgsqlException error)
        {
            throw new StartupException(
                $"The journal is installed, but connection \"{name}\" ({dsn.Setting}) can't be reached to try it: {(error.InnerException ?? error).Message}", error);
        }
        throw new StartupException(
            $"The journal is installed, but role \"{role}\" can't use it by connection \"{name}\" ({Dsn.Describe(dsn.Value)}): is "
            + $"{AdminDsn} another database, or the connection's server a standby?");
    }

    private static (NpgsqlConnectionStringBuilder Dsn, string Setting) ReadInstaller(ConfigurationManager configuration, ConnectionDsn own)
    {
        if (configuration[AdminDsn] is not { Length: > 0 } admin)
            return (Unpooled(own.Value), own.Setting);
        try
        {
            return (Unpooled(Dsn.Parse(admin)), AdminDsn);
        }
        catch (DsnException error)
        {
            throw new StartupException([.. error.Faults.Select(fault => $"{AdminDsn}: {fault}")], error);
        }
    }

    private static NpgsqlConnectionStringBuilder Unpooled(NpgsqlConnectionStringBuilder dsn) =>
        new(dsn.ConnectionString) { Pooling = false };

    private static (string Connection, bool Simple, bool DryRun, string[] Settings) Parse(string[] args)
    {
        if (args is not ["journal", "install", .. var options])
            throw new StartupException($"The command is {Usage}.");
        var (connection, simple, dryRun, settings) = (GatewayConfiguration.DefaultConnection, false, false, new List<string>());
        for (var i = 0; i < options.Length; i++)
        {
            switch (options[i])
            {
                case "--connection" when i + 1 < options.Length:
                    connection = options[++i];
                    break;
                case "--simple":
                    simple = true;
                    break;
                case "--dry-run":
                    dryRun = true;
                    break;
                case var setting when setting.StartsWith("--", StringComparison.Ordinal) && setting.Contains('='):
                    settings.Add(setting);
                    break;
                default:
                    throw new StartupException($"\"{options[i]}\" is not known; the command is {Usage}.");
            }
        }
        return (connection, simple, dryRun, [.. settings]);
    }
}
