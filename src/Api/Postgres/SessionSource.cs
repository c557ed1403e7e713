using Npgsql;

namespace Gateway.Api.Postgres;

/// <summary>
/// Opens sessions of one role, with their settings: PostgreSQL gets them at the start of a session, and behind a pooler
/// by SQL (docs/decisions/0018).
/// </summary>
/// <param name="settings">The settings.</param>
/// <param name="pooler">Whether there is a pooler; other sources of the same server may share it.</param>
/// <param name="build">
/// Builds a data source, with or without the settings at the start of a session. Gets how to prepare a new session;
/// null if nothing is to be done.
/// </param>
internal sealed class SessionSource(
    SessionSettings settings, Pooler pooler, Func<bool, Func<NpgsqlConnection, Task>?, NpgsqlDataSource> build)
    : IAsyncDisposable
{
    private readonly NpgsqlDataSource _direct = build(true, null);
    private readonly Lazy<NpgsqlDataSource> _pooled = new(() => build(false, settings.ApplyAsync));
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
        new(SessionSettings.Parse(""), new Pooler(), (_, _) => source);

    /// <summary>Opens a session.</summary>
    /// <exception cref="NpgsqlException">The server can't be reached, or refuses the session.</exception>
    /// <exception cref="OperationCanceledException">The token came first.</exception>
    public async ValueTask<NpgsqlConnection> OpenConnectionAsync(CancellationToken cancellation) =>
        await TryOpenDirectAsync(cancellation) ?? await _pooled.Value.OpenConnectionAsync(cancellation);

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
        await using var bare = build(false, null);
        return await bare.OpenConnectionAsync(cancellation);
    }

    /// <summary>Returns the fault of the settings behind a pooler; null if there is none.</summary>
    public string? FindSettingsFault() => settings.Unsettable is { } option
        ? $"the pooler takes no options, and \"{option}\" of the DSN's options can't be set by SQL"
        : null;

    /// <summary>Closes the idle sessions.</summary>
    public void Clear()
    {
        _direct.Clear();
        if (_pooled.IsValueCreated)
            _pooled.Value.Clear();
    }

    public async ValueTask DisposeAsync()
    {
        await _direct.DisposeAsync();
        if (_pooled.IsValueCreated)
            await _pooled.Value.DisposeAsync();
    }

    /// <summary>Opens a session with settings at its start. Returns null behind a pooler.</summary>
    private async ValueTask<NpgsqlConnection?> TryOpenDirectAsync(CancellationToken cancellation)
    {
        if (pooler.IsPresent)
            return null;
        try
        {
            return await _direct.OpenConnectionAsync(cancellation);
        }
        catch (PostgresException error) when (Pooler.RefusesOptions(error))
        {
            pooler.IsPresent = true;
            return null;
        }
    }
}
