using System.Diagnostics;
using Npgsql;

namespace Gateway.Api.PostgresTests.Faults;

/// <summary>
/// Inspects one application's sessions on the server, over a direct connection that stays open, so that each look is
/// fast.
/// </summary>
public sealed class Backends : IAsyncDisposable
{
    /// <summary>All that is not free: what runs, and what waits within a transaction, where it can hold a lock.</summary>
    private const string Busy =
        "FROM pg_stat_activity WHERE starts_with(application_name, $1) AND state IS NOT NULL AND state <> 'idle'";

    private readonly NpgsqlConnection _connection;

    private Backends(NpgsqlConnection connection) => _connection = connection;

    /// <summary>
    /// Gets a unique application name for the gateway's DSN. It is short enough to fit completely into the tag of a
    /// running activity.
    /// </summary>
    public string Application { get; } = $"t_{Guid.NewGuid():N}"[..20];

    public static async Task<Backends> WatchAsync(string dsn)
    {
        var settings = Dsns.Dsn.Parse(dsn);
        settings.Pooling = false;
        var connection = new NpgsqlConnection(settings.ConnectionString);
        await connection.OpenAsync();
        return new Backends(connection);
    }

    /// <summary>Returns a DSN with the application's name.</summary>
    public string Named(string dsn) =>
        new NpgsqlConnectionStringBuilder(Dsns.Dsn.Parse(dsn).ConnectionString) { ApplicationName = Application }
            .ConnectionString;

    /// <summary>Reads one value in the watching session.</summary>
    public async Task<T> ReadAsync<T>(string sql)
    {
        await using var command = new NpgsqlCommand(sql, _connection);
        return (T)(await command.ExecuteScalarAsync())!;
    }

    /// <summary>Runs a statement in the watching session, which keeps the locks it takes.</summary>
    public async Task ExecuteAsync(string sql)
    {
        await using var command = new NpgsqlCommand(sql, _connection);
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>
    /// Waits until a session that runs an activity is in the given state. The gateway's own sessions, such as those of
    /// readiness checks, don't count: their names have no tag after the application's.
    /// </summary>
    /// <returns>Its process ID.</returns>
    public async Task<int> UntilAsync(string state)
    {
        await using var command = new NpgsqlCommand(
            """
            SELECT pid FROM pg_stat_activity
            WHERE starts_with(application_name, $1 || ':') AND state = $2 AND query NOT LIKE 'DISCARD%'
            """,
            _connection)
        {
            Parameters = { new() { Value = Application }, new() { Value = state } },
        };
        var pid = await Poll.ReadAsync(
            () => command.ExecuteScalarAsync(), pid => pid is int, what: $"a session that runs an activity is {state}");
        return (int)pid!;
    }

    /// <summary>Waits until every session of the application is free or gone.</summary>
    /// <param name="clock">Runs since the start of the measurement.</param>
    /// <returns>When that was first seen; or, after a long wait, the sessions that are still busy.</returns>
    public async Task<(TimeSpan Since, string StillBusy)> UntilFreeAsync(Stopwatch clock)
    {
        await using var command = new NpgsqlCommand(
            $"SELECT string_agg(state || ': ' || left(query, 60), '; ') {Busy}", _connection)
        {
            Parameters = { new() { Value = Application } },
        };
        var (look, _) = await Poll.TryReadAsync(
            async () => (Since: clock.Elapsed, Busy: await command.ExecuteScalarAsync() as string),
            look => look.Busy is null, TimeSpan.FromSeconds(3));
        return (look.Since, look.Busy ?? "nothing");
    }

    /// <summary>Terminates the application's sessions, and waits until they are gone.</summary>
    public async Task TerminateAsync()
    {
        var sessions = $"FROM pg_stat_activity WHERE starts_with(application_name, '{Application}')";
        // The gateway may open another session meanwhile, to check its server.
        await Poll.ReadAsync(
            () => ReadAsync<long>($"SELECT count(pg_terminate_backend(pid)) {sessions}"), count => count == 0);
    }

    public ValueTask DisposeAsync() => _connection.DisposeAsync();
}
