using Gateway.Api.Callers;
using Gateway.Api.Configuration;
using Gateway.Api.Connections;
using Gateway.Api.Dsns;
using Gateway.Api.Journal;
using Gateway.Api.Postgres;
using Gateway.Api.Telemetry;

namespace Gateway.Api.Hosting;

/// <summary>Represents all settings. They are read and validated together, before anything starts.</summary>
/// <param name="Options">The section <c>Gateway</c>.</param>
/// <param name="Dsns">Each connection's DSN, by the connection's name.</param>
/// <param name="Callers">The callers and their rights.</param>
internal sealed record GatewayConfiguration(
    GatewayOptions Options, IReadOnlyDictionary<string, ConnectionDsn> Dsns, CallerRegistry Callers)
{
    private const string DsnSetting = "DSN";
    private const string Section = "Gateway";

    /// <summary>Returns whether the configuration names a database.</summary>
    public static bool HasDsn(IConfiguration configuration) =>
        !string.IsNullOrWhiteSpace(configuration[DsnSetting])
        || configuration.GetSection($"{Section}:Connections").GetChildren().Any();

    /// <summary>Reads and validates the settings.</summary>
    /// <param name="configuration">The sources of the settings.</param>
    /// <param name="isDevelopment">Whether to accept the settings that are for Development only.</param>
    /// <exception cref="StartupException">The settings have faults; a message for each, with its setting.</exception>
    public static GatewayConfiguration Read(IConfiguration configuration, bool isDevelopment = false)
    {
        var faults = new List<string>();
        var section = configuration.GetSection(Section);
        var options = OptionsBinder.Bind<GatewayOptions>(section, faults);
        CheckOrigins(options.Sql.AllowedOrigins, faults);
        OtlpSettings.Check(configuration, faults);
        LogLevels.Check(configuration, faults);
        if (!string.IsNullOrWhiteSpace(configuration[DsnSetting]))
        {
            if (options.Connections.GetValueOrDefault(GatewayOptions.DefaultConnection)?.Dsn is not null)
            {
                faults.Add(
                    $"{DsnSetting} and {NameOf(GatewayOptions.DefaultConnection, "Dsn")} both name the default "
                    + "connection's database; set only one.");
            }
            options.Connections.TryAdd(GatewayOptions.DefaultConnection, new ConnectionOptions());
            options.Connections[GatewayOptions.DefaultConnection].Dsn = configuration[DsnSetting];
        }

        OptionsValidation.Check(options, $"{Section}__", faults);
        if (options.DefaultTimeoutMs > options.MaxTimeoutMs)
        {
            faults.Add(
                $"{Section}__DefaultTimeoutMs ({options.DefaultTimeoutMs}) is above {Section}__MaxTimeoutMs "
                + $"({options.MaxTimeoutMs}); set it to that or less.");
        }
        if (options.ShowErrorValues && !isDevelopment)
        {
            faults.Add(
                $"{Section}__ShowErrorValues is true: only Development may show the values in errors; remove it.");
        }
        if (options.MemoryBudgetBytes < MemoryBudget.LeastFor(options))
        {
            faults.Add(
                $"{Section}__MemoryBudgetBytes is {options.MemoryBudgetBytes}: with these {Section}__BodyLimitBytes "
                + $"and {Section}__ResponseLimitBytes it must be at least {MemoryBudget.LeastFor(options)}.");
        }

        var dsns = ReadDsns(options, configuration, faults);
        var callers = CallerSettings.Read(options, faults);
        return faults.Count == 0
            ? new GatewayConfiguration(options, dsns, callers)
            : throw new StartupException(faults);
    }

    private static Dictionary<string, ConnectionDsn> ReadDsns(
        GatewayOptions options, IConfiguration configuration, List<string> faults)
    {
        var dsns = new Dictionary<string, ConnectionDsn>(StringComparer.Ordinal);
        foreach (var (name, connection) in options.Connections)
        {
            OptionsValidation.Check(connection, NameOf(name, ""), faults);
            var setting = name == GatewayOptions.DefaultConnection && configuration[DsnSetting] is { Length: > 0 }
                ? DsnSetting
                : NameOf(name, "Dsn");
            if (string.IsNullOrWhiteSpace(connection.Dsn))
            {
                faults.Add($"{setting} is not set: connection \"{name}\" needs a DSN.");
                continue;
            }
            var passwordSetting = NameOf(name, nameof(connection.PasswordFile));
            if (ReadDsn(setting, connection.Dsn, connection.PasswordFile, passwordSetting, faults) is { } dsn)
            {
                dsns[name] = dsn with
                {
                    Control = ReadControl(name, connection, dsn, faults),
                    JournalKey = ReadJournalKey(name, connection, faults),
                };
                CheckDurability(name, connection, dsns[name], faults);
            }
        }
        if (options.Connections.Count == 0)
        {
            faults.Add(
                $"{DsnSetting} is not set: name the database, as in "
                + $"{DsnSetting}=postgresql://user:password@host:5432/database.");
        }
        return dsns;
    }

    private static ConnectionDsn? ReadDsn(
        string setting, string text, string? passwordFile, string passwordSetting, List<string> faults)
    {
        try
        {
            var dsn = new ConnectionDsn(setting, Dsn.Parse(text), passwordFile);
            ReadPassword(dsn, passwordSetting, faults);
            return dsn;
        }
        catch (DsnException error)
        {
            faults.AddRange(error.Faults.Select(fault => $"{setting}: {fault}"));
            return null;
        }
    }

    private static ConnectionDsn? ReadControl(
        string name, ConnectionOptions connection, ConnectionDsn dsn, List<string> faults)
    {
        var setting = NameOf(name, nameof(connection.ControlDsn));
        var passwordSetting = NameOf(name, nameof(connection.ControlPasswordFile));
        if (string.IsNullOrWhiteSpace(connection.ControlDsn))
        {
            if (connection.ControlPasswordFile is not null)
            {
                faults.Add(
                    $"{passwordSetting} is set, but {setting} is not; set that too: the password is the control "
                    + "role's.");
            }
            return null;
        }
        var control = ReadDsn(setting, connection.ControlDsn, connection.ControlPasswordFile, passwordSetting, faults);
        if (control is not null && control.Value.Username == dsn.Value.Username)
        {
            faults.Add(
                $"{setting} and {dsn.Setting} name the same role, {dsn.Value.Username}; name two roles: callers' SQL "
                + "runs as the one and must not be able to use the other (docs/database-roles.md).");
        }
        return control;
    }

    private static void CheckDurability(
        string name, ConnectionOptions connection, ConnectionDsn dsn, List<string> faults)
    {
        if (connection.Durability != Durability.Synchronous)
            return;
        var setting = $"{NameOf(name, nameof(connection.Durability))}=synchronous";
        if (connection.ReadOnly)
        {
            faults.Add(
                $"{setting} is about writes, and the connection takes none; remove it, or "
                + $"{NameOf(name, nameof(connection.ReadOnly))}.");
        }
        else if (string.IsNullOrWhiteSpace(connection.ControlDsn))
        {
            faults.Add(
                $"{setting} needs {NameOf(name, nameof(connection.ControlDsn))}: the control role looks after the "
                + "standbys, which callers' SQL must not see (docs/high-availability.md).");
        }
        else if (dsn.Control is { } control && new ServerHosts(control.Value, new LastHost()).Spread.Count > 0)
        {
            faults.Add(
                $"{setting} asks the primary: add target_session_attrs=primary to {control.Setting}, which names "
                + "several hosts.");
        }
    }

    private static JournalKey? ReadJournalKey(string name, ConnectionOptions connection, List<string> faults)
    {
        if (connection.JournalKeyFile is not { } path)
            return null;
        var setting = NameOf(name, nameof(connection.JournalKeyFile));
        if (!string.IsNullOrWhiteSpace(connection.ControlDsn))
        {
            faults.Add(
                $"{setting} and {NameOf(name, nameof(connection.ControlDsn))} are both set; set only one: the control "
                + "role needs no journal key.");
        }
        try
        {
            var key = JournalKey.Parse(PasswordFile.Read(path));
            if (key is null)
            {
                faults.Add(
                    $"{setting}: {path} must contain the 64 hexadecimal digits that journal install --journal-key "
                    + "printed.");
            }
            return key;
        }
        catch (DsnException error)
        {
            faults.AddRange(error.Faults.Select(fault => $"{setting}: {fault}"));
            return null;
        }
    }

    private static void ReadPassword(ConnectionDsn dsn, string setting, List<string> faults)
    {
        if (dsn.PasswordFile is null)
            return;
        if (dsn.Value.Password is not null)
            faults.Add($"{setting} and {dsn.Setting} both have a password; remove it from {dsn.Setting}.");
        try
        {
            dsn.Value.Password = PasswordFile.Read(dsn.PasswordFile);
        }
        catch (DsnException error)
        {
            faults.AddRange(error.Faults.Select(fault => $"{setting}: {fault}"));
        }
    }

    private static void CheckOrigins(string[] origins, List<string> faults)
    {
        foreach (var (index, origin) in origins.Index())
        {
            var isOrigin = Uri.TryCreate(origin, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https"
                && uri.GetLeftPart(UriPartial.Authority).Equals(origin, StringComparison.OrdinalIgnoreCase);
            if (origin != "*" && !isOrigin)
            {
                faults.Add(
                    $"{Section}__Sql__AllowedOrigins__{index} is \"{origin}\": it must be a scheme, a host and a port, "
                    + "as in https://app.example.org, or * for all origins.");
            }
        }
    }

    private static string NameOf(string connection, string setting) =>
        $"{Section}__Connections__{connection}__{setting}";
}
