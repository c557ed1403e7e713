using System.Buffers;
using System.Globalization;
using System.Net;
using Npgsql;

namespace Gateway.Api.Dsns;

/// <summary>
/// Represents a host name, an address, or a socket directory (<c>/…</c>, or <c>@…</c> in the abstract namespace), with
/// its port.
/// </summary>
internal sealed record DsnHost(string Name, int Port)
{
    public bool IsSocket => Name.StartsWith('/') || Name.StartsWith('@');

    public override string ToString() =>
        Name.Contains(':', StringComparison.Ordinal) && !IsSocket ? $"[{Name}]:{Port}" : $"{Name}:{Port}";
}

/// <summary>Reads and writes lists of hosts and ports, in libpq's form and in Npgsql's.</summary>
internal static class DsnHosts
{
    /// <summary>
    /// The host of a DSN without a host. libpq would connect to its socket directory; its path is compiled in, and
    /// containers seldom have it. The gateway does not, so that a DSN means the same on every machine.
    /// </summary>
    public const string Default = "localhost";

    /// <summary>Reads libpq's lists: one port for all hosts, or one for each. An empty item is the default.</summary>
    public static List<DsnHost> FromLibpq(string hosts, string key, string ports, List<string> faults)
    {
        var names = hosts.Split(',');
        var numbers = ports.Split(',');
        if (numbers.Length != 1 && numbers.Length != names.Length)
        {
            faults.Add(
                $"port: there are {numbers.Length} ports for {names.Length} hosts; "
                + "give one for all of them, or one for each.");
            return [];
        }
        var result = new List<DsnHost>();
        for (var i = 0; i < names.Length; i++)
        {
            var port = NpgsqlConnection.DefaultPort;
            var number = numbers[numbers.Length == 1 ? 0 : i];
            if (number.Length > 0 && !TryPort(number, ref port))
                faults.Add(BadPort("port"));
            if (CheckName(names[i].Length == 0 ? Default : names[i], key, faults) is { } name)
                result.Add(new(name, port));
        }
        CheckList(result, key, faults);
        return result;
    }

    /// <summary>Reads Npgsql's list, <c>a:1,[::1]:2</c>. Hosts without a port get the given one.</summary>
    public static List<DsnHost> FromNpgsql(string hosts, int port, List<string> faults)
    {
        var items = hosts.Split(',', StringSplitOptions.TrimEntries);
        var result = new List<DsnHost>();
        foreach (var item in items)
        {
            var (name, itsPort) = (item, port);
            // Npgsql takes a single socket directory as one path, colons included.
            var splits = !item.StartsWith('/') && !item.StartsWith('@') || items.Length > 1;
            var colon = item.LastIndexOf(':');
            if (splits && colon >= 0
                && (item.IndexOf(':', StringComparison.Ordinal) == colon || item[..colon].EndsWith(']')))
            {
                name = item[..colon];
                if (!TryPort(item[(colon + 1)..], ref itsPort))
                    faults.Add(BadPort("Host"));
            }
            if (name.Length == 0)
                faults.Add("Host: the list has an empty item; remove the comma or write the host.");
            else if (CheckName(name, "Host", faults) is { } checkedName)
                result.Add(new(checkedName, itsPort));
        }
        CheckList(result, "Host", faults);
        return result;
    }

    /// <summary>
    /// Sets the hosts as Npgsql expects them: a single host has a separate port, and several hosts contain theirs.
    /// </summary>
    public static void Set(NpgsqlConnectionStringBuilder builder, List<DsnHost> hosts)
    {
        if (hosts.Count == 1)
            (builder.Host, builder.Port) = (hosts[0].Name, hosts[0].Port);
        else
            builder.Host = string.Join(',', hosts);
    }

    // A port that can't be read leaves the default, because Npgsql's setter throws at an invalid one.
    private static bool TryPort(string text, ref int port)
    {
        if (!int.TryParse(text.Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            || number is < 1 or > ushort.MaxValue)
            return false;
        port = number;
        return true;
    }

    // The message shows no part of a port or a host: after an unescaped / or @ in a URI's password, they contain parts
    // of it.
    private static string BadPort(string key) =>
        $"{key}: a port is a number from 1 to 65535; "
        + "if it is a part of a URI's password, write / there as %2F and @ as %40.";

    private static string? CheckName(string name, string key, List<string> faults)
    {
        if (name[0] is '/' or '@')
            return name;
        var address = name.StartsWith('[') && name.EndsWith(']') ? name[1..^1] : name;
        if (address.Contains(':', StringComparison.Ordinal))
        {
            if (IPAddress.TryParse(address, out _))
                return address;
            faults.Add(
                $"{key}: neither a name nor an IPv6 address; write the port in port=, or in the URI after the host.");
        }
        else if (address.Contains('@', StringComparison.Ordinal))
        {
            faults.Add($"{key}: contains an @; in the user or the password of a URI write it as %40.");
        }
        else if (address.Length == 0 || address.AsSpan().ContainsAny(NotInNames))
        {
            faults.Add(
                $"{key}: contains a character that a host can't have; check the separators and quotes around it.");
        }
        else
        {
            return address;
        }
        return null;
    }

    private static readonly SearchValues<char> NotInNames = SearchValues.Create(" \t\r\n;='\"\\/?#[]");

    // Npgsql splits a list at each comma, and a socket directory in a list at its last colon.
    private static void CheckList(List<DsnHost> hosts, string key, List<string> faults)
    {
        if (hosts.Count > 1 && hosts.Any(host => host.IsSocket && host.Name.Contains(':', StringComparison.Ordinal)))
        {
            faults.Add(
                $"{key}: a socket directory whose name contains a colon can't be in a list of hosts; give it alone.");
        }
        if (hosts.Count > 1 && hosts.Any(host => host.IsSocket) && !hosts.All(host => host.IsSocket))
        {
            faults.Add(
                $"{key}: socket directories and TCP hosts can't be in one list, since TLS is for TCP only; "
                + "choose one kind.");
        }
    }
}
