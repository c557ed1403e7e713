using Gateway.Api.Dsns;
using Npgsql;

namespace Gateway.Api.Postgres;

/// <summary>Represents the hosts of a DSN, and which of them new sessions go to.</summary>
/// <remarks>
/// If <c>target_session_attrs</c> names one kind of server, the host that opened the last session is tried first. So a
/// host that does not answer, and takes the whole connect timeout, delays few sessions.
/// </remarks>
internal sealed class ServerHosts
{
    private readonly string? _list;
    private readonly LastHost _last;

    /// <param name="dsn">The DSN.</param>
    /// <param name="last">The host of the last session; other DSNs with the same hosts may share it.</param>
    public ServerHosts(NpgsqlConnectionStringBuilder dsn, LastHost last)
    {
        var all = DsnHosts.FromNpgsql(dsn.Host ?? DsnHosts.Default, dsn.Port, []);
        Only = all is [var only] ? only : null;
        Several = all.Count > 1 ? all : [];
        var attributes = dsn.TargetSessionAttributes;
        PrefersStandby = attributes switch
        {
            "prefer-standby" or "standby" => true,
            "prefer-primary" => false,
            _ => null,
        };
        Spread = attributes is "primary" or "read-write" ? [] : Several;
        MayBeOnPrimary = attributes is not ("standby" or "read-only");
        // Without a condition, any host that lets the gateway in is as good as another, also a standby: it must not
        // stay the first choice.
        IsOrdered = Several.Count > 0 && attributes is not (null or "any") && !dsn.LoadBalanceHosts;
        (_list, _last) = (dsn.Host, last);
    }

    private ServerHosts()
    {
        (Several, Spread) = ([], []);
        _last = new LastHost();
    }

    /// <summary>Gets the hosts of a data source that chooses by itself.</summary>
    public static ServerHosts Unknown => new();

    /// <summary>Gets the host, if there is only one.</summary>
    public DsnHost? Only { get; }

    /// <summary>Gets the hosts; none if there is only one.</summary>
    public IReadOnlyList<DsnHost> Several { get; }

    /// <summary>Gets the hosts that sessions are on at the same time; none if all of them are on the primary.</summary>
    public IReadOnlyList<DsnHost> Spread { get; }

    /// <summary>Gets whether a session may be on the primary.</summary>
    public bool MayBeOnPrimary { get; }

    /// <summary>
    /// Gets whether sessions are to be on a standby rather than on the primary, or the reverse; null if neither.
    /// </summary>
    public bool? PrefersStandby { get; }

    /// <summary>Gets whether the host of the last session is tried first.</summary>
    public bool IsOrdered { get; }

    /// <summary>Gets the hosts that a new session goes to.</summary>
    public HostChoice Choice => new(
        IsOrdered && _last.Name is { } last && _list!.Split(',') is var all && all[0] != last && all.Contains(last)
            ? string.Join(',', all.OrderBy(host => host != last))
            : null);

    /// <summary>Returns the choice of one host; <see cref="Choice"/> if the DSN does not name it.</summary>
    public HostChoice ChoiceOf(DsnHost? host) =>
        host is not null && Several.Contains(host) ? new HostChoice(One: host) : Choice;

    /// <summary>Returns whether the last session was opened at the host.</summary>
    public bool IsLast(DsnHost host) => _last.Name == host.ToString();

    /// <summary>Returns the host of a session; null if there is only one.</summary>
    public DsnHost? HostOf(NpgsqlConnection session) => Several.Count > 0 ? NameOf(session) : null;

    /// <summary>Asks each host that sessions are on, all at the same time.</summary>
    /// <param name="ask">Asks one host; null for the one that the DSN chooses.</param>
    /// <param name="isEnough">
    /// Whether an answer is enough, so that other hosts need not have answered.
    /// </param>
    /// <returns>The answers of the hosts that could be asked.</returns>
    /// <exception cref="NpgsqlException">A host can't be asked, and no answer of another one is enough.</exception>
    public async Task<IReadOnlyList<T>> AskEachAsync<T>(Func<DsnHost?, Task<T>> ask, Func<T, bool> isEnough)
    {
        if (Spread.Count == 0)
            return [await ask(null)];
        Task<T>[] asked = [.. Spread.Select(ask)];
        var answers = new List<T>();
        NpgsqlException? fault = null;
        foreach (var one in asked)
        {
            try
            {
                answers.Add(await one);
            }
            catch (NpgsqlException error)
            {
                fault = error;
            }
        }
        return fault is null || answers.Any(isEnough) ? answers : throw fault;
    }

    /// <summary>Remembers the host of a new session.</summary>
    public void Remember(NpgsqlConnection session) => _last.Name = NameOf(session).ToString();

    // Npgsql leaves the brackets of an IPv6 address in a list of hosts.
    private static DsnHost NameOf(NpgsqlConnection session) => new(session.Host!.Trim('[', ']'), session.Port);
}

/// <summary>Represents the host that opened the last session.</summary>
internal sealed class LastHost
{
    private volatile string? _name;

    /// <summary>Gets or sets the host, as in Npgsql's lists of hosts; null if there was none yet.</summary>
    public string? Name
    {
        get => _name;
        set => _name = value;
    }
}

/// <summary>Represents where a session is to be: without values, where the DSN says.</summary>
/// <param name="Order">The hosts in this order, as in Npgsql's DSN; null for the order of the DSN.</param>
/// <param name="One">The only host; null for all of them.</param>
/// <param name="IsPrimary">Whether it is to be on the primary, whatever the DSN says.</param>
internal readonly record struct HostChoice(string? Order = null, DsnHost? One = null, bool IsPrimary = false)
{
    /// <summary>Gets the primary among all hosts.</summary>
    public static HostChoice Primary => new(IsPrimary: true);

    /// <summary>Makes the choice in a connection string.</summary>
    public void ApplyTo(NpgsqlConnectionStringBuilder settings)
    {
        if (One is { } host)
        {
            (settings.Host, settings.Port) = (host.Name, host.Port);
            // Npgsql refuses both for one host.
            settings.Remove("Target Session Attributes");
            settings.Remove("Load Balance Hosts");
            return;
        }
        if (Order is { } order)
            settings.Host = order;
        if (IsPrimary)
            settings.TargetSessionAttributes = "primary";
    }
}
