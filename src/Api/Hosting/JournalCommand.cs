using System.CommandLine;
using Dapper;
using Gateway.Api.Configuration;
using Gateway.Api.Connections;
using Gateway.Api.Dsns;
using Gateway.Api.Journal;
using Npgsql;

namespace Gateway.Api.Hosting;

/// <summary>
/// The command <c>journal install --connection NAME [--journal-key | --simple] [--dry-run]</c>: installs the journal in
/// a connection's database, or prints the SQL. It is run once for each role that a gateway connects as, and is safe to
/// run again. <see cref="JournalInspection"/> has the commands <c>journal status</c> and <c>journal purge</c>.
/// </summary>
internal static class JournalCommand
{
    /// <summary>The DSN of a role that may create roles and schemas, if the connection's own role may not.</summary>
    private const string AdminDsn = "ADMIN_DSN";

    public static Command Create()
    {
        var connection = new Option<string>("--connection")
        {
            Description = "The connection whose database has the journal, or gets it.",
            DefaultValueFactory = _ => GatewayOptions.DefaultConnection,
        };
        var journalKey = new Option<bool>("--journal-key")
        {
            Description = "Makes a journal key, for a database with one role only.",
        };
        var simple = new Option<bool>("--simple")
        {
            Description = "Makes the connection's role the owner; callers' SQL can then read and change records.",
        };
        var dryRun = new Option<bool>("--dry-run") { Description = "Prints the SQL and contacts no server." };
        var install = new Command(
            "install", "Installs the journal in a connection's database, or migrates it. It is safe to run again.")
        {
            connection, journalKey, simple, dryRun,
        };
        install.Validators.Add(line =>
        {
            if (line.GetValue(simple) && line.GetValue(journalKey))
                line.AddError("--simple and --journal-key exclude each other: with --simple the role needs no key.");
        });
        install.SetAction(line => RunAsync(
            new InstallOptions(
                line.GetRequiredValue(connection),
                line.GetValue(journalKey),
                line.GetValue(simple),
                line.GetValue(dryRun)),
            CommandLine.SettingsOf(line)));
        return new Command("journal", "Administers the journal.")
        {
            install,
            CreateInspection(
                "status", "Shows the journal's version and state, and what it holds. Exit code 1 if it can't be used.",
                connection, inspection => inspection.PrintStatusAsync(Console.Out)),
            CreateInspection(
                "purge", "Deletes the expired records, which the gateways also do from time to time.",
                connection, inspection => inspection.PurgeAsync(Console.Out)),
        };
    }

    private static Command CreateInspection(
        string name, string description, Option<string> connection, Func<JournalInspection, Task<int>> run)
    {
        var command = new Command(name, description) { connection };
        command.SetAction(async line =>
        {
            var (dsn, role, _) = Read(line.GetRequiredValue(connection), CommandLine.SettingsOf(line));
            await using var inspection = new JournalInspection(line.GetRequiredValue(connection), dsn, role);
            return await run(inspection);
        });
        return command;
    }

    /// <summary>Reads the settings of a connection.</summary>
    /// <exception cref="StartupException">There is no such connection, or a setting has a fault.</exception>
    private static (ConnectionDsn Dsn, string Role, ConfigurationManager Configuration) Read(
        string name, string[] settings)
    {
        ConnectionStartup.SendStatementsAsTheyCome();
        var configuration = new ConfigurationManager();
        configuration.AddEnvironmentVariables().AddCommandLine(settings);
        configuration.AddSecretsFolder();
        // The settings that are for Development only do no harm here.
        var dsn = GatewayConfiguration.Read(configuration, isDevelopment: true).Dsns.GetValueOrDefault(name)
            ?? throw new StartupException(
                $"No connection is named \"{name}\"; Gateway__Connections__{name}__Dsn configures it.");
        var role = dsn.Value.Username
            ?? throw new StartupException(
                $"{dsn.Setting} names no user; add it: the journal is opened to the role that the gateway connects "
                + "as.");
        return (dsn, role, configuration);
    }

    /// <summary>Runs the command.</summary>
    /// <returns>The exit code.</returns>
    /// <exception cref="StartupException">The command can't run; a sentence for each fault.</exception>
    private static async Task<int> RunAsync(InstallOptions command, string[] settings)
    {
        var name = command.Connection;
        var (dsn, role, configuration) = Read(name, settings);
        var newKey = command.WithJournalKey ? JournalKey.Create() : null;
        var guard = GuardOf(command, dsn, newKey);
        try
        {
            if (command.DryRun)
            {
                await Console.Out.WriteLineAsync($"{await JournalScript.ReadAsync(role, Require(guard, name))};");
                await PrintKeyAsync(Console.Error, newKey, name);
                return 0;
            }
            var (installer, setting) = ReadInstaller(configuration, dsn);
            var mayTakeOver = await MayTakeOverAsync(dsn, name);
            // No guard protects the journal from a superuser's SQL.
            if (guard is null && mayTakeOver)
                guard = JournalGuard.None;
            await InstallAsync(await JournalScript.ReadAsync(role, Require(guard, name)), installer, setting);
            await CheckAsync(dsn with { JournalKey = newKey ?? dsn.JournalKey }, name, role);
            await Console.Out.WriteLineAsync(
                $"The journal of connection \"{name}\" is installed, version {JournalScript.Version}, and open to role "
                + $"\"{role}\"."
                + (command.IsSimple ? " That role owns it: callers' SQL can read and change the records."
                    : mayTakeOver ? " Warning: that role is a superuser or may create roles, so callers' SQL can make "
                        + "itself the owner."
                    : guard!.ControlRole is { } control ? $" The control role is \"{control}\"."
                    : ""));
            await PrintKeyAsync(Console.Out, newKey, name);
            return 0;
        }
        catch (ArgumentException error)
        {
            throw new StartupException(error.Message, error);
        }
    }

    /// <summary>
    /// Returns the guard that keeps callers' SQL from the journal; null if neither the command nor the settings choose
    /// one.
    /// </summary>
    private static JournalGuard? GuardOf(InstallOptions command, ConnectionDsn dsn, JournalKey? newKey)
    {
        if (command.IsSimple)
            return JournalGuard.Simple;
        if ((newKey ?? dsn.JournalKey) is { } key)
            return JournalGuard.By(key);
        return dsn.Control?.Value.Username is { } control ? JournalGuard.By(control) : null;
    }

    private static JournalGuard Require(JournalGuard? guard, string name) => guard ?? throw new StartupException(
        $"Gateway__Connections__{name}__ControlDsn is not set: name the control role there, which keeps callers' SQL "
        + "from the journal (docs/journal.md). If there can be no other role, use --journal-key or --simple.");

    /// <summary>Prints a new journal key. It can't be shown again: the database keeps its hash only.</summary>
    private static async Task PrintKeyAsync(TextWriter output, JournalKey? key, string name)
    {
        if (key is null)
            return;
        await output.WriteLineAsync(
            "The journal key is shown only once: put it into a file of its own, and name the file in "
            + $"Gateway__Connections__{name}__JournalKeyFile.{Environment.NewLine}{key}");
    }

    /// <summary>Installs the journal.</summary>
    /// <param name="script">The SQL.</param>
    /// <param name="installer">The DSN of the role that runs it.</param>
    /// <param name="setting">The setting that contains the DSN.</param>
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
                ? $"{refusal.MessageText} (SQLSTATE {refusal.SqlState})"
                    + (refusal.Hint is null ? "" : $". {refusal.Hint}")
                : (error.InnerException ?? error).Message;
            var cure = error is PostgresException { SqlState: PostgresErrorCodes.InsufficientPrivilege }
                ? $" Name a role that may create roles and schemas in {AdminDsn}, give the output of --dry-run to "
                    + "somebody with such a role, or install it with --simple."
                : "";
            throw new StartupException(
                $"The journal can't be installed by {setting} ({Dsn.Describe(installer)}): "
                + $"{reason.TrimEnd('.')}.{cure}",
                error);
        }
    }

    /// <summary>Installs the journal through an open connection.</summary>
    public static Task InstallAsync(string script, NpgsqlConnection connection) => connection.ExecuteAsync(script);

    /// <summary>
    /// Tries the journal as the gateway uses it: with the connection's own DSNs, which may lead to another database
    /// than the installer's.
    /// </summary>
    private static async Task CheckAsync(ConnectionDsn dsn, string name, string role)
    {
        var control = dsn.Control ?? dsn;
        try
        {
            await using var sessions = new JournalSessions(dsn, role);
            if (await sessions.Journal.FindKeyAsync(CancellationToken.None) is not null)
                return;
        }
        catch (NpgsqlException error)
        {
            throw new StartupException(
                $"The journal is installed, but connection \"{name}\" ({control.Setting}) can't be reached to try it: "
                + (error.InnerException ?? error).Message,
                error);
        }
        throw new StartupException(
            $"The journal is installed, but role \"{role}\" can't use it by connection \"{name}\" "
            + $"({Dsn.Describe(control.Value)}): is {AdminDsn} another database, or the connection's server a "
            + "standby?");
    }

    /// <summary>Returns whether the role that callers' SQL runs as can make itself the journal's owner.</summary>
    private static async Task<bool> MayTakeOverAsync(ConnectionDsn dsn, string name)
    {
        try
        {
            await using var connection = new NpgsqlConnection(JournalSessions.Unpooled(dsn.Value).ConnectionString);
            await connection.OpenAsync();
            return await connection.ExecuteScalarAsync<bool>(
                "SELECT rolsuper OR rolcreaterole FROM pg_catalog.pg_roles "
                + "WHERE rolname OPERATOR(pg_catalog.=) session_user");
        }
        catch (NpgsqlException error)
        {
            throw new StartupException(
                $"Connection \"{name}\" ({dsn.Setting}) can't be reached: {(error.InnerException ?? error).Message}",
                error);
        }
    }

    private static (NpgsqlConnectionStringBuilder Dsn, string Setting) ReadInstaller(
        ConfigurationManager configuration, ConnectionDsn own)
    {
        if (configuration[AdminDsn] is not { Length: > 0 } admin)
            return (JournalSessions.Unpooled(own.Value), own.Setting);
        try
        {
            return (JournalSessions.Unpooled(Dsn.Parse(admin)), AdminDsn);
        }
        catch (DsnException error)
        {
            throw new StartupException([.. error.Faults.Select(fault => $"{AdminDsn}: {fault}")], error);
        }
    }

    /// <param name="Connection">The name of the connection.</param>
    /// <param name="WithJournalKey">Whether to make a journal key.</param>
    /// <param name="IsSimple">Whether the connection's role owns the journal.</param>
    /// <param name="DryRun">Whether to print the SQL and do nothing.</param>
    private sealed record InstallOptions(string Connection, bool WithJournalKey, bool IsSimple, bool DryRun);
}
