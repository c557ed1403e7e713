using System.Data.Common;
using Npgsql;

namespace Gateway.Api.Dsns;

/// <summary>
/// Reads Npgsql's own form, with Npgsql's builder. Settings that the gateway decides itself, or that have no effect,
/// are refused.
/// </summary>
internal static class DsnNpgsql
{
    /// <summary>Represents a key.</summary>
    /// <param name="Spellings">All spellings that Npgsql accepts, the name first.</param>
    /// <param name="Takes">The valid values; null if any text is valid.</param>
    /// <param name="Refused">Why the key can't be in a DSN, and the fix; null if it is honoured.</param>
    private sealed record Keyword(string[] Spellings, string? Takes = null, string? Refused = null)
    {
        public string Name => Spellings[0];
    }

    private const string Flag = "true or false";
    private const string Count = "a whole number, 0 or more";
    private const string PoolSize = "set Gateway__Connections__NAME__PoolSize in its place";
    private const string Pooled = "the gateway resets and pools connections by its own rules; remove it";
    private const string NoAutoPrepare = "prepared statements would outlive the request that made them; remove it";
    private const string Deadline =
        "the deadline of each request decides; remove it, and send timeoutMs with the request";
    private const string ErrorDetail = "the gateway decides which parts of an error callers see; remove it";
    private const string TypeLoading = "the gateway reads results as text, so Npgsql loads no types; remove it";

    private static readonly Keyword[] Keywords =
    [
        new(["Host", "Server"]),
        new(["Port"], "a number from 1 to 65535"),
        new(["Database", "DB"]),
        new(["Username", "User Name", "UserId", "User Id", "UID"]),
        new(["Password", "PSW", "PWD"]),
        new(["Passfile"]),
        new(["Application Name", "ApplicationName"]),
        new(["Search Path", "SearchPath"]),
        new(["Timezone"]),
        new(["Options"]),
        new(["Client Encoding", "ClientEncoding"]),
        new(["Encoding"]),

        new(["SSL Mode", "SslMode"], "Disable, Allow, Prefer, Require, VerifyCA or VerifyFull"),
        new(["SSL Negotiation", "SslNegotiation"], "Postgres or Direct"),
        new(["SSL Certificate", "SslCertificate"]),
        new(["SSL Key", "SslKey"]),
        new(["SSL Password", "SslPassword"]),
        new(["Root Certificate", "RootCertificate"]),
        new(["Check Certificate Revocation", "CheckCertificateRevocation"], Flag),
        new(["Channel Binding", "ChannelBinding"], "Disable, Prefer or Require"),
        new(["GSS Encryption Mode", "GssEncryptionMode"], "Disable, Prefer or Require"),
        new(["Kerberos Service Name", "KerberosServiceName", "Krbsrvname"]),
        new(["Include Realm", "IncludeRealm"], Flag),
        new(
            ["Require Auth", "RequireAuth"],
            "a list of Password, MD5, GSS, SSPI, ScramSHA256 and None, either all or none of them with ! before it"),

        new(["Timeout"], "seconds from 0 (endless) to 1024"),
        new(
            ["Target Session Attributes", "TargetSessionAttributes"],
            "any, primary, standby, prefer-primary, prefer-standby, read-write or read-only"),
        new(["Load Balance Hosts", "LoadBalanceHosts"], Flag),
        new(["Host Recheck Seconds", "HostRecheckSeconds"], Count),
        new(["Keepalive"], Count),
        new(["TCP Keepalive", "TcpKeepAlive"], Flag),
        new(["TCP Keepalive Time", "TcpKeepAliveTime"], Count),
        new(["TCP Keepalive Interval", "TcpKeepAliveInterval"], Count),
        new(["Read Buffer Size", "ReadBufferSize"], Count),
        new(["Write Buffer Size", "WriteBufferSize"], Count),
        new(["Socket Receive Buffer Size", "SocketReceiveBufferSize"], Count),
        new(["Socket Send Buffer Size", "SocketSendBufferSize"], Count),
        new(["Connection Idle Lifetime", "ConnectionIdleLifetime"], Count),
        new(["Connection Pruning Interval", "ConnectionPruningInterval"], Count),
        new(["Connection Lifetime", "ConnectionLifetime", "Load Balance Timeout"], Count),

        new(["Pooling"], Refused: Pooled),
        new(["Minimum Pool Size", "MinPoolSize"], Refused: PoolSize),
        new(["Maximum Pool Size", "MaxPoolSize"], Refused: PoolSize),
        new(["No Reset On Close", "NoResetOnClose"], Refused: Pooled),
        new(["Multiplexing"], Refused: "each request has its own session; remove it"),
        new(
            ["Write Coalescing Buffer Threshold Bytes", "WriteCoalescingBufferThresholdBytes"],
            Refused: "it is for multiplexing, which the gateway doesn't use; remove it"),
        new(["Enlist"], Refused: "the gateway's transactions are PostgreSQL's own; remove it"),
        new(["Max Auto Prepare", "MaxAutoPrepare"], Refused: NoAutoPrepare),
        new(["Auto Prepare Min Usages", "AutoPrepareMinUsages"], Refused: NoAutoPrepare),
        new(["Command Timeout", "CommandTimeout"], Refused: Deadline),
        new(["Internal Command Timeout", "InternalCommandTimeout"], Refused: Deadline),
        new(["Cancellation Timeout", "CancellationTimeout"], Refused: Deadline),
        new(["Include Error Detail", "IncludeErrorDetail"], Refused: ErrorDetail),
        new(["Include Failed Batched Command", "IncludeFailedBatchedCommand"], Refused: ErrorDetail),
        new(["Log Parameters", "LogParameters"], Refused: "parameters are never logged; remove it"),
        new(
            ["Persist Security Info", "PersistSecurityInfo"],
            Refused: "the gateway never passes the password on; remove it"),
        new(
            ["Trust Server Certificate", "TrustServerCertificate"],
            Refused: "Npgsql ignores it; remove it, and choose by SSL Mode: "
                + "Require checks no certificate, VerifyFull does"),
        new(["Array Nullability Mode", "ArrayNullabilityMode"], Refused: TypeLoading),
        new(["Load Table Composites", "LoadTableComposites"], Refused: TypeLoading),
        new(["Server Compatibility Mode", "ServerCompatibilityMode"], Refused: TypeLoading),
        new(
            ["Replication Mode", "ReplicationMode"],
            Refused: "the gateway runs statements, not replication; remove it"),
    ];

    private static readonly Dictionary<string, Keyword> BySpelling = Keywords
        .SelectMany(keyword => keyword.Spellings
            .Distinct(StringComparer.OrdinalIgnoreCase)
            .Select(spelling => (spelling, keyword)))
        .ToDictionary(pair => pair.spelling, pair => pair.keyword, StringComparer.OrdinalIgnoreCase);

    /// <summary>Gets all known spellings, including those of refused keys.</summary>
    public static IEnumerable<string> Spellings => BySpelling.Keys;

    public static bool Knows(string key) => BySpelling.ContainsKey(key);

    public static bool IsHost(string key) => BySpelling.GetValueOrDefault(key)?.Name == "Host";

    /// <summary>
    /// Splits the text by ADO.NET's rules, to decide between the forms. ADO.NET itself reads the values that are used.
    /// </summary>
    public static DsnReading Read(string dsn)
    {
        var settings = new List<DsnSetting>();
        int? separator = null;
        for (var at = SkipSpace(dsn, 0); at < dsn.Length; at = SkipSpace(dsn, at))
        {
            if (dsn[at] == ';')
            {
                separator ??= at;
                at++;
                continue;
            }
            var equals = dsn.IndexOf('=', at);
            if (equals < 0 || dsn.AsSpan(at, equals - at).Contains(';'))
                return new(settings, separator, "not key=value");

            var key = dsn[at..equals].Trim();
            var from = SkipSpace(dsn, equals + 1);
            if (from < dsn.Length && dsn[from] is '"' or '\'')
            {
                var end = QuoteEnd(dsn, from);
                if (end < 0)
                    return new(settings, separator, "no closing quote");
                settings.Add(new(key, dsn[(from + 1)..(end - 1)], at, from, end));
                at = SkipSpace(dsn, end);
                if (at < dsn.Length && dsn[at] != ';')
                    return new(settings, separator, "no separator");
            }
            else
            {
                var end = dsn.IndexOf(';', from) is var semicolon and >= 0 ? semicolon : dsn.Length;
                settings.Add(new(key, dsn[from..end].TrimEnd(), at));
                at = end;
            }
        }
        return new(settings, separator, null);
    }

    public static void Fill(
        NpgsqlConnectionStringBuilder builder, string dsn, Func<string, string?> environment, List<string> faults)
    {
        var values = new DbConnectionStringBuilder();
        try
        {
            values.ConnectionString = dsn;
        }
        catch (ArgumentException)
        {
            faults.Add(
                "The DSN looks like Npgsql's form, but can't be split into Key=Value pairs; separate them by ; "
                + "and put a value that contains ; or quotes in double quotes, with \" inside it doubled.");
            return;
        }

        var afterBarePassword = false;
        foreach (var setting in Read(dsn).Settings)
        {
            if (BySpelling.TryGetValue(setting.Key, out var keyword))
            {
                // To ADO.NET an empty value is absent.
                if (values.TryGetValue(setting.Key, out var value))
                    Set(builder, keyword, (string)value, faults);
                afterBarePassword = keyword.Name is "Password" or "SSL Password" && !setting.IsQuoted;
            }
            else
            {
                faults.Add(DsnNames.Unknown(setting.Key, Spellings, afterBarePassword, "put it in double quotes"));
            }
        }
        Check(builder, environment, faults);
    }

    private static void Set(NpgsqlConnectionStringBuilder builder, Keyword keyword, string value, List<string> faults)
    {
        if (keyword.Refused is { } reason)
        {
            faults.Add($"{keyword.Name}: can't be set in a DSN: {reason}.");
            return;
        }
        if (DsnNames.LosesItsEnd(value))
            faults.Add($"{keyword.Name}: {DsnNames.LostEnd}.");
        try
        {
            builder[keyword.Name] = value;
            // Npgsql's setters accept numbers without an enum member, and negative sizes.
            if (builder[keyword.Name] is < 0
                || (builder[keyword.Name] is Enum member && !Enum.IsDefined(member.GetType(), member)))
                throw new ArgumentOutOfRangeException(nameof(value));
        }
        catch (ArgumentException)
        {
            faults.Add(
                $"{keyword.Name}: must be {keyword.Takes ?? "another value"}"
                + $"{DsnNames.Shown(value, builder.Password)}.");
        }
    }

    // Reports faults that Npgsql would report, in its own words, at the first connection only.
    private static void Check(
        NpgsqlConnectionStringBuilder builder, Func<string, string?> environment, List<string> faults)
    {
        var hosts = DsnHosts.FromNpgsql(builder.Host ?? DsnHosts.Default, builder.Port, faults);
        if (hosts.Count > 0)
            DsnHosts.Set(builder, hosts);
        if (builder.Port > ushort.MaxValue)
            faults.Add("Port: must be a number from 1 to 65535.");
        if (hosts.Count == 1 && builder.TargetSessionAttributes is not null and not "any")
        {
            faults.Add(
                "Target Session Attributes: chooses among several hosts; remove it, or list the others (Host=a,b).");
        }

        if (string.IsNullOrEmpty(builder.Username) && environment("PGUSER") is { Length: > 0 } user)
            builder.Username = user;
        if (string.IsNullOrEmpty(builder.Username))
            faults.Add("Username: missing; add it to the DSN, or set PGUSER.");
        else if (string.IsNullOrEmpty(builder.Database))
            builder.Database = builder.Username;

        if (!IsUtf8(builder.ClientEncoding) || !IsUtf8(builder.Encoding))
        {
            faults.Add(
                "Client Encoding: can't be honoured: the gateway speaks UTF-8, and the server converts; remove it.");
        }
        builder.ClientEncoding = "UTF8";

        if (builder.SslNegotiation == SslNegotiation.Direct && builder.SslMode < SslMode.Require)
            faults.Add("SSL Negotiation: Direct needs SSL Mode=Require, VerifyCA or VerifyFull; add it.");
        if (builder.TcpKeepAliveInterval > 0 && builder.TcpKeepAliveTime == 0)
            faults.Add("TCP Keepalive Interval: can't be set alone; add TCP Keepalive Time.");
    }

    private static bool IsUtf8(string? encoding) =>
        string.IsNullOrEmpty(encoding) || encoding.ToUpperInvariant() is "UTF8" or "UTF-8" or "UNICODE";

    private static int QuoteEnd(string dsn, int from)
    {
        for (var at = from + 1; at < dsn.Length; at++)
        {
            if (dsn[at] != dsn[from])
                continue;
            if (at + 1 >= dsn.Length || dsn[at + 1] != dsn[from])
                return at + 1;
            at++;
        }
        return -1;
    }

    private static int SkipSpace(string dsn, int at)
    {
        while (at < dsn.Length && char.IsWhiteSpace(dsn[at]))
            at++;
        return at;
    }
}
