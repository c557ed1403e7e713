using System.Globalization;
using Npgsql;

namespace Gateway.Api.Dsns;

/// <summary>
/// Sets Npgsql's settings from libpq's keywords. A keyword is honoured, honoured for some values only, or refused.
/// </summary>
internal static class DsnLibpq
{
    // The keywords that are honoured for these values only, with the reason why other values are refused. All other
    // known keywords are in Mapped.
    private static readonly Dictionary<string, (string[] Only, string Reason)> Limited = new()
    {
        ["client_encoding"] = (
            ["utf8", "utf-8", "unicode", "auto"],
            "the gateway speaks UTF-8, and the server converts; remove it"),
        ["keepalives_count"] = (
            ["0"], "Npgsql can't set it; remove it, and use keepalives_idle and keepalives_interval"),
        ["tcp_user_timeout"] = (
            ["0"], "Npgsql can't set it; remove it, and use keepalives_idle or the request's timeoutMs"),
        ["sslcompression"] = (["0"], "TLS compression is unsafe and no longer supported; remove it"),
        ["sslsni"] = (["1"], "Npgsql always sends the host's name in the TLS handshake; remove it"),
        ["sslcertmode"] = (["allow"], "Npgsql sends the certificate when it has one and the server asks; remove it"),
        ["sslcrl"] = (
            [],
            "Npgsql reads no revocation list from a file; "
            + "remove it, or write Npgsql's form with Check Certificate Revocation=true"),
        ["sslcrldir"] = (
            [],
            "Npgsql reads no revocation lists from files; "
            + "remove it, or write Npgsql's form with Check Certificate Revocation=true"),
        ["sslkeylogfile"] = ([], "the gateway writes no TLS keys; remove it"),
        ["ssl_min_protocol_version"] = (
            [], "Npgsql takes it from the system; remove it, and set MinProtocol in OpenSSL's configuration"),
        ["ssl_max_protocol_version"] = (
            [], "Npgsql takes it from the system; remove it, and set MaxProtocol in OpenSSL's configuration"),
        ["min_protocol_version"] = (["3.0"], "Npgsql speaks protocol 3.0; remove it"),
        ["max_protocol_version"] = (["3.0", "3.2", "latest"], "Npgsql speaks protocol 3.0; remove it"),
        ["requirepeer"] = (
            [],
            "Npgsql can't check who owns the server's socket; "
            + "remove it, and use a directory that only the server may write to"),
        ["gsslib"] = ([], "Npgsql has one GSSAPI implementation only; remove it"),
        ["gssdelegation"] = (["0"], "Npgsql doesn't delegate credentials; remove it"),
        ["replication"] = (["false", "off", "no", "0"], "the gateway runs statements, not replication; remove it"),
        ["service"] = ([], "service files aren't read; write its settings into the DSN"),
        ["servicefile"] = ([], "service files aren't read; write its settings into the DSN"),
        ["scram_client_key"] = ([], "Npgsql authenticates with the password only; give password"),
        ["scram_server_key"] = ([], "Npgsql authenticates with the password only; give password"),
        ["oauth_issuer"] = ([], "Npgsql has no OAuth; remove it"),
        ["oauth_client_id"] = ([], "Npgsql has no OAuth; remove it"),
        ["oauth_client_secret"] = ([], "Npgsql has no OAuth; remove it"),
        ["oauth_scope"] = ([], "Npgsql has no OAuth; remove it"),
    };

    private static readonly string[] Mapped =
    [
        "host", "hostaddr", "port", "dbname", "user", "password", "passfile",
        "connect_timeout", "application_name", "fallback_application_name", "options",
        "sslmode", "sslrootcert", "sslcert", "sslkey", "sslpassword", "sslnegotiation", "channel_binding",
        "gssencmode", "krbsrvname", "require_auth",
        "target_session_attrs", "load_balance_hosts", "keepalives", "keepalives_idle", "keepalives_interval",
    ];

    // psycopg2.connect(database=…) means dbname, and people also write it in the DSN.
    private const string DatabaseAlias = "database";

    /// <summary>Gets all known keywords, including refused ones.</summary>
    public static IEnumerable<string> Names => Mapped.Concat(Limited.Keys).Append(DatabaseAlias);

    public static bool Knows(string key) => key == DatabaseAlias || Mapped.Contains(key) || Limited.ContainsKey(key);

    public static void Fill(
        NpgsqlConnectionStringBuilder builder,
        IReadOnlyList<DsnSetting> settings,
        Func<string, string?> environment,
        List<string> faults,
        bool maySplitPassword = false)
    {
        var isWhole = faults.Count == 0;
        var values = Collect(settings, faults, maySplitPassword);
        var reader = new Reader(values, environment, faults);

        // The hosts are set first: if all of them are sockets, other settings have another meaning.
        var mode = reader.SslMode();
        SetHosts(builder, reader, mode);
        SetLogin(builder, reader, isWhole);
        SetSession(builder, reader);
        SetSecurity(builder, reader, mode);
        SetKeepalives(builder, reader);
    }

    // As in libpq, the last of several settings with the same key wins. After a bare password, an unknown key may be a
    // part of the password; a known key after it ends that suspicion.
    private static Dictionary<string, string> Collect(
        IReadOnlyList<DsnSetting> settings, List<string> faults, bool maySplitPassword)
    {
        var values = new Dictionary<string, string>();
        var afterBarePassword = maySplitPassword;
        foreach (var setting in settings)
        {
            var key = setting.Key == DatabaseAlias ? "dbname" : setting.Key;
            if (!Knows(key))
            {
                faults.Add(DsnNames.Unknown(
                    key, Names, afterBarePassword, "write it in single quotes, or percent-encoded in a URI"));
                continue;
            }
            afterBarePassword = maySplitPassword || key is "password" or "sslpassword" && !setting.IsQuoted;
            values[key] = setting.Value;
            if (DsnNames.LosesItsEnd(setting.Value))
                faults.Add($"{key}: {DsnNames.LostEnd}.");
        }
        foreach (var (key, (only, reason)) in Limited)
        {
            if (!values.TryGetValue(key, out var value)
                || value.Length == 0 || only.Contains(value.ToLowerInvariant()))
                continue;
            var shown = only.Length > 0 ? DsnNames.Shown(value, values.GetValueOrDefault("password")) : "";
            faults.Add($"{key}: can't be honoured{shown}: {reason}.");
        }
        return values;
    }

    private static void SetHosts(NpgsqlConnectionStringBuilder builder, Reader reader, SslMode? mode)
    {
        var (host, address, ports) = (reader.Text("host"), reader.Text("hostaddr"), reader.Text("port") ?? "");
        if (host is not null && address is not null && host.Split(',').Length != address.Split(',').Length)
            reader.Fault("hostaddr", "has more or fewer items than host; give one address for each host");

        // Npgsql connects to the name that it checks in the certificate, so hostaddr can't differ from host if the name
        // is checked.
        if (address is not null && address != host && mode == Npgsql.SslMode.VerifyFull)
        {
            reader.Fault(
                "hostaddr",
                "sslmode=verify-full checks the host's name, and Npgsql connects to the name that it checks; "
                + "give host alone");
        }

        var hosts = DsnHosts.FromLibpq(
            address ?? host ?? DsnHosts.Default, address is null ? "host" : "hostaddr", ports, reader.Faults);
        if (hosts.Count > 0)
            DsnHosts.Set(builder, hosts);
        reader.OnlySockets = hosts.Count > 0 && hosts.All(h => h.IsSocket);

        var attributes = reader.Choice(
            "target_session_attrs", "any", "read-write", "read-only", "primary", "standby", "prefer-standby");
        if (attributes is not null)
        {
            if (hosts.Count == 1 && attributes != "any")
            {
                reader.Fault(
                    "target_session_attrs", "chooses among several hosts; remove it, or list the others (host=a,b)");
            }
            builder.TargetSessionAttributes = attributes;
        }
        // libpq chooses a host at random, and Npgsql in turn: both distribute the connections evenly.
        if (reader.Choice("load_balance_hosts", "disable", "random") is { } balance)
            builder.LoadBalanceHosts = balance == "random";
    }

    private static void SetLogin(NpgsqlConnectionStringBuilder builder, Reader reader, bool isWhole)
    {
        var user = reader.Text("user") ?? reader.Environment("PGUSER");
        if (!string.IsNullOrEmpty(user))
            builder.Username = user;
        else if (isWhole)
            reader.Fault("user", "missing; add it to the DSN, or set PGUSER");
        if ((reader.Text("dbname") ?? user) is { Length: > 0 } database)
            builder.Database = database;
        if (reader.Text("password") is { } password)
            builder.Password = password;
        if (reader.Text("passfile") is { } passfile)
            builder.Passfile = passfile;
    }

    private static void SetSession(NpgsqlConnectionStringBuilder builder, Reader reader)
    {
        // Set even if the DSN does not: Npgsql would otherwise take another encoding from PGCLIENTENCODING.
        builder.ClientEncoding = "UTF8";
        if ((reader.Text("application_name") ?? reader.Text("fallback_application_name")) is { } name)
            builder.ApplicationName = name;
        if (reader.Text("options") is { } options)
            builder.Options = options;

        // The default is Npgsql's 15 s. libpq's default, no timeout, would only outlast the requests.
        if (reader.Number("connect_timeout", NpgsqlTimeoutLimit) is { } timeout)
            builder.Timeout = Math.Max(0, timeout);
    }

    private const int NpgsqlTimeoutLimit = 1024;

    private static void SetSecurity(NpgsqlConnectionStringBuilder builder, Reader reader, SslMode? mode)
    {
        mode = SetRootCertificate(builder, reader, mode);
        if (mode is { } chosen)
            builder.SslMode = chosen;
        if (reader.Text("sslcert") is { } certificate)
            builder.SslCertificate = certificate;
        if (reader.Text("sslkey") is { } key)
        {
            builder.SslKey = key;
            // libpq reads "engine:key" as a key in an OpenSSL engine; a path does not look like that.
            if (key.Contains(':', StringComparison.Ordinal) && !Path.IsPathRooted(key))
                reader.Fault("sslkey", "keys in an OpenSSL engine can't be used; give the path of a key file");
        }
        if (reader.Text("sslpassword") is { } password)
            builder.SslPassword = password;
        if (reader.Enum<SslNegotiation>("sslnegotiation") is { } negotiation)
        {
            builder.SslNegotiation = negotiation;
            if (negotiation == SslNegotiation.Direct && mode is null or < SslMode.Require)
                reader.Fault("sslnegotiation", "direct needs sslmode=require, verify-ca or verify-full; add it");
        }
        if (reader.Enum<ChannelBinding>("channel_binding") is { } binding)
            builder.ChannelBinding = binding;
        if (reader.Enum<GssEncryptionMode>("gssencmode") is { } gss)
            builder.GssEncryptionMode = gss;
        if (reader.Text("krbsrvname") is { } service)
            builder.KerberosServiceName = service;
        SetRequireAuth(builder, reader);

        // Over a Unix socket libpq uses neither TLS nor GSSAPI encryption, whatever these settings say. Npgsql would
        // try, and fail.
        if (!reader.OnlySockets)
            return;
        if (builder.GssEncryptionMode == GssEncryptionMode.Require)
            reader.Fault("gssencmode", "require is not possible on a Unix socket; remove it, or give a TCP host");
        builder.SslMode = SslMode.Disable;
        builder.SslNegotiation = SslNegotiation.Postgres;
        builder.GssEncryptionMode = GssEncryptionMode.Disable;
    }

    // Npgsql reads PGSSLROOTCERT itself, but only in the modes VerifyCA and VerifyFull. libpq's rules also need it in
    // other modes.
    private static SslMode? SetRootCertificate(NpgsqlConnectionStringBuilder builder, Reader reader, SslMode? mode)
    {
        const string System = "system";
        var inherited = reader.Environment("PGSSLROOTCERT");
        var root = reader.Text("sslrootcert") ?? inherited;
        if (root == System)
        {
            // Npgsql uses the system's root certificates when no file is named. (A ~/.postgresql/root.crt takes
            // precedence, and fails closed.) libpq also requires the check of the name, because anyone can get a
            // certificate of a public root.
            if (mode is not null and not SslMode.VerifyFull)
                reader.Fault("sslrootcert", "system requires sslmode=verify-full; write that, or name a file");
            if (!string.IsNullOrEmpty(inherited))
                reader.Fault("sslrootcert", "system can't be honoured while PGSSLROOTCERT is set; unset that");
            return SslMode.VerifyFull;
        }
        if (!string.IsNullOrEmpty(root))
        {
            builder.RootCertificate = root;
            // As in libpq, `require` with a root certificate verifies the certificate.
            return mode == SslMode.Require ? SslMode.VerifyCA : mode;
        }
        if (mode == SslMode.VerifyCA)
        {
            reader.Fault(
                "sslmode",
                "verify-ca needs a root certificate; add sslrootcert=/path/to/root.crt, or write verify-full");
        }
        return mode;
    }

    private static void SetRequireAuth(NpgsqlConnectionStringBuilder builder, Reader reader)
    {
        if (reader.Text("require_auth") is not { } text)
            return;
        var methods = text.Split(',', StringSplitOptions.TrimEntries);
        var npgsql = methods.Select(method => method.TrimStart('!') switch
        {
            "password" => "Password",
            "md5" => "MD5",
            "gss" => "GSS",
            "sspi" => "SSPI",
            "scram-sha-256" => "ScramSHA256",
            "none" => "None",
            _ => null,
        }).ToList();
        if (npgsql.Contains(null) || methods.Select(method => method.StartsWith('!')).Distinct().Count() > 1)
        {
            reader.Fault(
                "require_auth",
                "must be a list of password, md5, gss, sspi, scram-sha-256 and none, "
                + "either all or none of them with ! before it");
            return;
        }
        builder.RequireAuth =
            string.Join(',', npgsql.Select((name, i) => methods[i].StartsWith('!') ? "!" + name : name));
    }

    private static void SetKeepalives(NpgsqlConnectionStringBuilder builder, Reader reader)
    {
        var on = (reader.Number("keepalives", int.MaxValue) ?? 1) != 0;
        var idle = reader.Number("keepalives_idle", int.MaxValue) ?? 0;
        var interval = reader.Number("keepalives_interval", int.MaxValue) ?? 0;

        // As in libpq, the other settings are ignored on a Unix socket, and if keepalives are off.
        if (!on || reader.OnlySockets)
            return;
        builder.TcpKeepAlive = true;
        if (idle > 0)
            builder.TcpKeepAliveTime = idle;
        if (interval > 0 && idle <= 0)
            reader.Fault("keepalives_interval", "Npgsql can't set it alone; add keepalives_idle");
        else if (interval > 0)
            builder.TcpKeepAliveInterval = interval;
    }

    /// <summary>
    /// Reads values by keyword. A value that can't be read is reported as a fault, and counts as absent.
    /// </summary>
    private sealed class Reader(
        Dictionary<string, string> values, Func<string, string?> environment, List<string> faults)
    {
        public List<string> Faults => faults;

        public bool OnlySockets { get; set; }

        public void Fault(string key, string reason) => faults.Add($"{key}: {reason}.");

        public string? Environment(string name) => environment(name);

        /// <summary>Returns a value; null if it is absent or, as in libpq, empty.</summary>
        public string? Text(string key) => values.GetValueOrDefault(key) is { Length: > 0 } value ? value : null;

        public int? Number(string key, int maximum)
        {
            if (Text(key) is not { } text)
                return null;
            if (int.TryParse(text.Trim(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number)
                && number <= maximum)
                return number;
            Fault(key, $"must be a whole number{(maximum < int.MaxValue ? $", at most {maximum}" : "")}{Shown(text)}");
            return null;
        }

        public string? Choice(string key, params string[] allowed)
        {
            // Unlike for other keywords, and as in libpq, an empty value is a fault: an unset variable must not weaken
            // TLS.
            if (!values.TryGetValue(key, out var value) || allowed.Contains(value))
                return value;
            Fault(key, $"must be {string.Join(", ", allowed[..^1])} or {allowed[^1]}{Shown(value)}");
            return null;
        }

        /// <summary>Returns the enum member with the value as its lower-case name.</summary>
        public T? Enum<T>(string key)
            where T : struct, Enum
        {
            var names = System.Enum.GetNames<T>();
            return Choice(key, [.. names.Select(name => name.ToLowerInvariant())]) is { } name
                ? System.Enum.Parse<T>(name, ignoreCase: true)
                : null;
        }

        public SslMode? SslMode()
        {
            var mode = Choice("sslmode", "disable", "allow", "prefer", "require", "verify-ca", "verify-full");
            return mode is null
                ? null
                : System.Enum.Parse<SslMode>(mode.Replace("-", "", StringComparison.Ordinal), ignoreCase: true);
        }

        private string Shown(string value) => DsnNames.Shown(value, values.GetValueOrDefault("password"));
    }
}
