using System.Collections.Concurrent;
using Gateway.Api.Dsns;
using Npgsql;

namespace Gateway.Api.Postgres;

/// <summary>
/// Opens sessions of one role, with their settings: PostgreSQL gets them at the start of a session, and behind a pooler
/// by SQL (docs/decisions/0018).
/// </summary>
/// <param name="settings">The settings.</param>
/// <param name="pooler">Whether there is a pooler; other sources of the same server may share it.</param>
/// <param name="hosts">The hosts of the server.</param>
/// <param name="build">
/// Builds a data source, with or without the settings at the start of a session. Gets the hosts, and how to prepare a
/// new session; null if nothing is to be done.
/// </param>
internal sealed class SessionSource(
    SessionSettings settings, Pooler pooler, ServerHosts hosts,
    Func<bool, HostChoice, Func<NpgsqlConnection, Task>?, NpgsqlDataSource> build)
    : IAsyncDisposable
{
    /// <summary>
    /// The data sources, with or without settings at the start of a session, and with each choice of the hosts.
    /// </summary>
    private readonly ConcurrentDictionary<(bool IsDirect, HostChoice Hosts), Lazy<NpgsqlDataSource>> _sources = new();

    private readonly string _localSettings = settings.ToSql(isLocal: true);

    /// <summary>
    /// Gets a query that makes the settings again at the start of a transaction; null if that is not needed. Cleaning
    /// a session resets it to the settings that it started with.
    /// </summary>
    public string? LocalSettings => pooler.IsPresent ? _localSettings : null;

    /// <summary>Gets whether a pooler stands before the server.</summary>
    public Pooler Pooler => pooler;

    /// <summary>Gets the hosts of the server.</summary>
    public ServerHosts Hosts => hosts;

    /// <summary>Returns a source without settings other than the data source's.</summary>
    public static SessionSource Plain(NpgsqlDataSource source) =>
        new(SessionSettings.Parse(""), new Pooler(), ServerHosts.Unknown, (_, _, _) => source);

    /// <summary>Opens a session.</summary>
    /// <exception cref="NpgsqlException">The server can't be reached, or refuses the session.</exception>
    /// <exception cref="OperationCanceledException">The token came first.</exception>
    public ValueTask<NpgsqlConnection> OpenConnectionAsync(CancellationToken cancellation) =>
        OpenConnectionAsync(hosts.Choice, cancellation);

    /// <summary>Opens a session at one host of several; anywhere if the DSN does not name it.</summary>
    /// <exception cref="NpgsqlException">The server can't be reached, or refuses the session.</exception>
    /// <exception cref="OperationCanceledException">The token came first.</exception>
    public async ValueTask<NpgsqlConnection> OpenConnectionAsync(DsnHost? host, CancellationToken cancellation)
    {
        // If all sessions are on the primary, there most likely is an idle one at that host.
        if (host is not null && hosts.IsLast(host) && hosts.Spread.Count == 0)
        {
            var session = await OpenConnectionAsync(cancellation);
            if (hosts.HostOf(session) == host)
                return session;
            await session.DisposeAsync();
        }
        return await OpenConnectionAsync(hosts.ChoiceOf(host), cancellation);
    }

    /// <summary>Opens a session at the chosen hosts.</summary>
    /// <exception cref="NpgsqlException">The server can't be reached, or refuses the session.</exception>
    /// <exception cref="OperationCanceledException">The token came first.</exception>
    public async ValueTask<NpgsqlConnection> OpenConnectionAsync(HostChoice choice, CancellationToken cancellation) =>
        await TryOpenDirectAsync(choice, cancellation) ?? await OpenAsync(isDirect: false, choice, cancellation);

    /// <summary>
    /// Opens a session with settings at its start, or behind a pooler without. It changes nothing in a session that a
    /// pooler shares.
    /// </summary>
    /// <exception cref="NpgsqlException">The server can't be reached, or refuses the session.</exception>
    public async ValueTask<NpgsqlConnection> OpenWithoutSqlAsync(CancellationToken cancellation) =>
        await TryOpenDirectAsync(hosts.Choice, cancellation) ?? await OpenBareAsync(cancellation);

    /// <summary>Opens a session without settings.</summary>
    /// <exception cref="NpgsqlException">The server can't be reached, or refuses the session.</exception>
    public async ValueTask<NpgsqlConnection> OpenBareAsync(CancellationToken cancellation)
    {
        await using var bare = build(false, hosts.Choice, null);
        return await bare.OpenConnectionAsync(cancellation);
    }

    /// <summary>Returns the fault of the settings behind a pooler; null if there is none.</summary>
    public string? FindSettingsFault() => settings.Unsettable is { } option
        ? $"the pooler takes no options, and \"{option}\" of the DSN's options can't be set by SQL"
        : null;

    /// <summary>Closes the idle sessions; those at one host of several, if it is given.</summary>
    public void Clear(DsnHost? host = null)
    {
        foreach (var (key, source) in _sources)
        {
            if (host is null || key.Hosts.One == host)
                source.Value.Clear();
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var source in _sources.Values)
            await source.Value.DisposeAsync();
    }

    /// <summary>Opens a session with settings at its start. Returns null behind a pooler.</summary>
    private async ValueTask<NpgsqlConnection?> TryOpenDirectAsync(HostChoice choice, CancellationToken cancellation)
    {
        if (pooler.IsPresent)
            return null;
        try
        {
            return await OpenAsync(isDirect: true, choice, cancellation);
        }
        catch (PostgresException error) when (Pooler.RefusesOptions(error))
        {
            pooler.IsPresent = true;
            return null;
        }
    }

    private async ValueTask<NpgsqlConnection> OpenAsync(
        bool isDirect, HostChoice choice, CancellationToken cancellation)
    {
        var source = _sources.GetOrAdd(
            (isDirect, choice),
            key => new(() => build(key.IsDirect, key.Hosts, key.IsDirect ? null : settings.ApplyAsync)));
        var session = await source.Value.OpenConnectionAsync(cancellation);
        if (!hosts.IsOrdered || choice.One is not null || choice.IsPrimary)
            return session;
        hosts.Remember(session);
        // Sessions that idle in another order would come on top of the maximum.
        if (hosts.Choice != choice)
            Clear();
        return session;
    }
}
