using System.Text;

namespace Gateway.Api.Dsns;

/// <summary>
/// Reads libpq's URI grammar, <c>postgresql://user:password@h1:1,[::1]:2/db?key=value</c>, as settings of libpq's
/// keywords.
/// </summary>
internal static class DsnUri
{
    public static bool Matches(string dsn) => Prefix(dsn) > 0;

    /// <summary>
    /// Returns whether an unescaped / in the password may have moved the rest of it into the path and the query.
    /// </summary>
    public static bool MaySplitPassword(string dsn)
    {
        var slash = Until(dsn, Prefix(dsn), "@/");
        return slash < dsn.Length && dsn[slash] == '/' && dsn.AsSpan(slash).Contains('@');
    }

    private static int Prefix(string dsn) =>
        dsn.StartsWith("postgresql://", StringComparison.OrdinalIgnoreCase) ? "postgresql://".Length
        : dsn.StartsWith("postgres://", StringComparison.OrdinalIgnoreCase) ? "postgres://".Length
        : 0;

    /// <summary>Returns the settings in order. As in libpq, later ones win.</summary>
    public static List<DsnSetting> Read(string dsn, List<string> faults)
    {
        var settings = new List<DsnSetting>();
        var at = ReadCredentials(dsn, Prefix(dsn), settings, faults);
        at = ReadHosts(dsn, at, settings, faults);
        if (at < dsn.Length && dsn[at] == '/')
        {
            var end = Until(dsn, at + 1, "?");
            Store(settings, "dbname", dsn[(at + 1)..end], at + 1, faults);
            at = end;
        }
        if (at < dsn.Length && dsn[at] == '?')
            ReadParameters(dsn, at + 1, settings, faults);
        return settings;
    }

    // The first @ before the first / ends the credentials. So a password may contain an unescaped : ? or #, but no
    // unescaped / or @.
    private static int ReadCredentials(string dsn, int at, List<DsnSetting> settings, List<string> faults)
    {
        var end = Until(dsn, at, "@/");
        if (end >= dsn.Length || dsn[end] != '@')
            return at;
        var colon = Until(dsn, at, ":@");
        Store(settings, "user", dsn[at..colon], at, faults);
        if (colon < end)
            Store(settings, "password", dsn[(colon + 1)..end], colon + 1, faults);
        return end + 1;
    }

    private static int ReadHosts(string dsn, int start, List<DsnSetting> settings, List<string> faults)
    {
        var hosts = new StringBuilder();
        var ports = new StringBuilder();
        for (var at = start; ; at++)
        {
            int end;
            if (at < dsn.Length && dsn[at] == '[')
            {
                end = Until(dsn, at, "]");
                var next = end + 1 < dsn.Length ? dsn[end + 1] : '/';
                if (end >= dsn.Length || end == at + 1 || !":/?,".Contains(next, StringComparison.Ordinal))
                {
                    faults.Add(
                        "host: an IPv6 address in a URI is written [address], then : or / "
                        + "(postgresql://[::1]:5432/dbname).");
                    return dsn.Length;
                }
                hosts.Append(dsn.AsSpan((at + 1)..end++));
            }
            else
            {
                end = Until(dsn, at, ":/?,");
                hosts.Append(dsn.AsSpan(at..end));
            }

            at = end;
            if (at < dsn.Length && dsn[at] == ':')
            {
                at = Until(dsn, end + 1, "/?,");
                ports.Append(dsn.AsSpan((end + 1)..at));
            }
            if (at >= dsn.Length || dsn[at] != ',')
            {
                Store(settings, "host", hosts.ToString(), start, faults);
                Store(settings, "port", ports.ToString(), start, faults);
                return at;
            }
            hosts.Append(',');
            ports.Append(',');
        }
    }

    private static void ReadParameters(string dsn, int start, List<DsnSetting> settings, List<string> faults)
    {
        for (int at = start, end; at < dsn.Length; at = end + 1)
        {
            end = Until(dsn, at, "&");
            var parameter = dsn[at..end];
            var equals = parameter.IndexOf('=', StringComparison.Ordinal);
            if (equals < 0 || parameter.IndexOf('=', equals + 1) >= 0)
            {
                faults.Add("A query parameter of the URI isn't key=value; write = inside a value as %3D and & as %26.");
                continue;
            }
            if (Decode(parameter[..equals]) is not { } key)
                faults.Add("The key of a query parameter: " + BadPercent);
            else if (key != "ssl")
                Store(settings, key, parameter[(equals + 1)..], at, faults, evenIfEmpty: true);
            else if (parameter[(equals + 1)..] == "true")
                settings.Add(new("sslmode", "require", at));
            else
            {
                faults.Add(
                    "ssl: only ssl=true is supported, for compatibility with JDBC; "
                    + "write sslmode=disable, require, verify-ca or verify-full.");
            }
        }
    }

    private const string BadPercent =
        "% must be followed by two hexadecimal digits that make UTF-8 and are not 00; write % itself as %25.";

    private static void Store(
        List<DsnSetting> settings, string key, string text, int at, List<string> faults, bool evenIfEmpty = false)
    {
        if (Decode(text) is not { } value)
            faults.Add($"{(DsnLibpq.Knows(key) ? key : "A query parameter")}: {BadPercent}");
        else if (value.Length > 0 || evenIfEmpty)
            settings.Add(new(key, value, at));
    }

    // A + is a plus: this is the percent-encoding of RFC 3986, not that of HTML forms.
    private static string? Decode(string text)
    {
        if (!text.Contains('%', StringComparison.Ordinal))
            return text;
        var source = Encoding.UTF8.GetBytes(text);
        var bytes = new List<byte>(source.Length);
        for (var i = 0; i < source.Length; i++)
        {
            if (source[i] != '%')
            {
                bytes.Add(source[i]);
                continue;
            }
            if (i + 2 >= source.Length
                || !char.IsAsciiHexDigit((char)source[i + 1]) || !char.IsAsciiHexDigit((char)source[i + 2]))
                return null;
            var value = Convert.ToByte(Encoding.ASCII.GetString(source, i + 1, 2), 16);
            if (value == 0)
                return null;
            bytes.Add(value);
            i += 2;
        }
        try
        {
            return StrictUtf8.GetString([.. bytes]);
        }
        catch (DecoderFallbackException)
        {
            return null;
        }
    }

    private static readonly UTF8Encoding StrictUtf8 =
        new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private static int Until(string dsn, int at, string any) =>
        at < dsn.Length && dsn.AsSpan(at).IndexOfAny(any) is var length and >= 0 ? at + length : dsn.Length;
}
