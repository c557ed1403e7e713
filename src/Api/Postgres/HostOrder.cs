using Gateway.Api.Dsns;
using Npgsql;

namespace Gateway.Api.Postgres;

/// <summary>
/// Remembers which of the hosts of a DSN has opened the last session. It is tried first. So a host that does not
/// answer, and takes the whole connect timeout, delays few sessions.
/// </summary>
internal sealed class HostOrder
{
    private volatile string? _last;

    /// <summary>Returns the hosts with the last one that has opened a session first.</summary>
    /// <param name="hosts">The hosts, as in Npgsql's DSN: <c>a:1,b:2</c>.</param>
    public string Sort(string hosts)
    {
        var all = hosts.Split(',');
        return _last is { } last && all[0] != last && all.Contains(last)
            ? string.Join(',', all.OrderBy(host => host != last))
            : hosts;
    }

    /// <summary>Remembers the host of a new session.</summary>
    public void Remember(NpgsqlConnection session) =>
        // Npgsql leaves the brackets of an IPv6 address in a list of hosts.
        _last = new DsnHost(session.Host!.Trim('[', ']'), session.Port).ToString();
}
