using System.Collections.Concurrent;
using Npgsql;

namespace Gateway.Api.Postgres;

/// <summary>
/// Opens sessions of one role, with their settings: PostgreSQL gets them at the start of a session, and behind a pooler
/// by SQL (docs/decisions/0018).
/// </summary>
/// <param name="settings">The settings.</param>
/// <param name="pooler">Whether there is a pooler; other sources of the same server may share it.</param>
/// <param name="hosts">
/// Several hosts, as in Npgsql's DSN, if the last one that opened a session is to be tried first; null otherwise.
/// </param>
/// <param name="order">Their order; other sources of the same servers may share it.</param>
/// <param name="build">
/// Builds a data source, with or without the settings at the start of a session. Gets the hosts, if they have an order,
/// and how to prepare a new session; null if nothing is to be done.
/// </param>
internal sealed class SessionSource(
    SessionSettings settings, Pooler pooler, string? hosts, HostOrder order,
    Func<bool, string?, Func<NpgsqlConnection, Task>?, NpgsqlDataSource> build)
    : IAsyncDisposable
{
    /// <summary>
    /// The data sources, with or without settings at the start of a session, and with each order of the hosts.
    /// </summary>
    private readonly ConcurrentDictionary<(bool IsDirect, string? Hosts), Lazy<NpgsqlDataSource>> _sources = new();

    private readonly string _localSettings = settings.ToSql(isLocal: true);

    /// <summary>
    /// Gets a query that makes the settings again at the start of a transaction; null if that is not needed. Cleaning
    /// a session resets it to the settings that it started with.
    /// </summary>
    public string? LocalSettings => pooler.IsPresent ? _localSettings : null;

    /// <summary>Gets whether a pooler stands before the server.</summary>
    public Pooler Pooler => pooler;

    /// <summary>Returns a source without settings other than the data source's.</summary>
    public static SessionSource Plain(NpgsqlDataSource source) =>
        new(SessionSettings.Parse(""), new Pooler(), hosts: null, new HostOrder(), (_, _, _) => source);

    /// <summary>Opens a session.</summary>
    /// <exception cref="NpgsqlException">The server can't be reached, or refuses the session.</exception>
    /// <exception cref="OperationCanceledException">The token came first.</exception>
    public async ValueTask<NpgsqlConnection> OpenConnectionAsync(CancellationToken cancellation) =>
        await TryOpenDirectAsync(cancellation) ?? await OpenAsync(isDirect: false, cancellation);

    /// <summary>
    /// Opens a session with settings at its start, or behind a pooler without. It changes nothing in a session that a
    /// pooler shares.
    /// </summary>
    /// <exception cref="NpgsqlException">The server can't be reached, or refuses the session.</exception>
    public async ValueTask<NpgsqlConnection> OpenWithoutSqlAsync(CancellationToken cancellation) =>
        await TryOpenDirectAsync(cancellation) ?? await OpenBareAsync(cancellation);

    /// <summary>Opens a session without settings.</summary>
    /// <exception cref="NpgsqlException">The server can't be reached, or refuses the session.</exception>
    public async ValueTask<NpgsqlConnection> OpenBareAsync(CancellationToken cancellation)
    {
        await using var bare = build(false, Hosts, null);
        return await bare.OpenConnectionAsync(cancellation);
    }

    /// <summary>Returns the fault of the settings behind a pooler; null if there is none.</summary>
    public string? FindSettingsFault() => settings.Unsettable is { } option
        ? $"the pooler takes no options, and \"{option}\" of the DSN's options can't be set by SQL"
        : null;

    /// <summary>Closes the idle sessions.</summary>
    public void Clear()
    {
        foreach (var source in _sources.Values)
            source.Value.Clear();
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var source in _sources.Values)
            await source.Value.DisposeAsync();
    }

    private string? Hosts => hosts is null ? null : order.Sort(hosts);

    /// <summary>Opens a session with settings at its start. Returns null behind a pooler.</summary>
    private async ValueTask<NpgsqlConnection?> TryOpenDirectAsync(CancellationToken cancellation)
    {
        if (pooler.IsPresent)
            return null;
        try
        {
            return await OpenAsync(isDirect: true, cancellation);
        }
        catch (PostgresException error) when (Pooler.RefusesOptions(error))
        {
            pooler.IsPresent = true;
            return null;
        }
    }

    private async ValueTask<NpgsqlConnection> OpenAsync(bool isDirect, CancellationToken cancellation)
    {
        var chosen = Hosts;
        var source = _sources.GetOrAdd(
            (isDirect, chosen),
            key => new(() => build(key.IsDirect, key.Hosts, key.IsDirect ? null : settings.ApplyAsync)));
        var session = await source.Value.OpenConnectionAsync(cancellation);
        if (hosts is null)
            return session;
        order.Remember(session);
        // Sessions that idle in another order would come on top of the maximum.
        if (Hosts != chosen)
            Clear();
        return session;
    }
}
