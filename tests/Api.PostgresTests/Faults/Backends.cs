using System.Diagnostics;
using Npgsql;

namespace Gateway.Api.PostgresTests.Faults;

/// <summary>
/// The server's own view of one application's sessions, over a direct connection that stays open so that a look takes
/// no longer than it must.
/// </summary>
public sealed class Backends : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(15);

    /// <summary>All that is not free: what runs, and what waits within a transaction, where it can hold a lock.</summary>
    private const string Busy =
        "FROM pg_stat_activity WHERE starts_with(application_name, $1) AND state IS NOT NULL AND state <> 'idle'";

    private readonly NpgsqlConnection _connection;

    private Backends(NpgsqlConnection connection) => _connection = connection;

    /// <summary>
    /// A name of its own, to be the gateway's in the DSN; so short that it is whole in the tag of a running activity too.
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

    /// <summary>That DSN with the application's name.</summary>
    public string Named(string dsn) =>
        new NpgsqlConnectionStringBuilder(Dsns.Dsn.Parse(dsn).ConnectionString) { ApplicationName = Application }
            .ConnectionString;

    /// <summary>Asks for one value, by the watching session.</summary>
    public async Task<T> ReadAsync<T>(string sql)
    {
        await using var command = new NpgsqlCommand(sql, _connection);
        return (T)(await command.ExecuteScalarAsync())!;
    }

    /// <summary>Runs a statement in the watching session, which keeps what it takes hold of.</summary>
    public async Task ExecuteAsync(string sql)
    {
        await using var command = new NpgsqlCommand(sql, _connection);
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>
    /// Waits until a session that runs an activity is in that state. The gateway's own sessions, which check readiness say, don't count:
    /// their names have no tag behind the application's.
    /// </summary>
    /// <returns>Its process ID.</returns>
    public async Task<int> UntilAsync(string state)
    {
        using var limit = new CancellationTokenSource(Patience);
        while (true)
        {
            await using var command = new NpgsqlCommand(
                "SELECT pid FROM pg_stat_activity WHERE starts_with(application_name, $1 || ':') AND state = $2 AND query NOT LIKE 'DISCARD%'",
                _connection)
            {
                Parameters = { new() { Value = Application }, new() { Value = state } },
            };
            if (await command.ExecuteScalarAsync(limit.Token) is int pid)
                return pid;
            await Task.Delay(5, limit.Token);
        }
    }

    /// <summary>Waits until every session of the application is free or gone.</summary>
    /// <param name="clock">Runs since whatever the time is counted from.</param>
    /// <returns>When that was first seen to be so; else, what is still busy after a long while.</returns>
    public async Task<(TimeSpan Since, string StillBusy)> UntilFreeAsync(Stopwatch clock)
    {
        for (var patience = Stopwatch.StartNew(); ;)
        {
            var look = clock.Elapsed;
            await using var command = new NpgsqlCommand($"SELECT string_agg(state || ': ' || left(query, 60), '; ') {Busy}", _connection)
            {
                Parameters = { new() { Value = Application } },
            };
            var busy = await command.ExecuteScalarAsync() as string;
            if (busy is null || patience.Elapsed > TimeSpan.FromSeconds(3))
                return (look, busy ?? "nothing");
            await Task.Delay(10);
        }
    }

    /// <summary>Terminates the application's sessions and waits until they are gone.</summary>
    public async Task TerminateAsync()
    {
        using var limit = new CancellationTokenSource(Patience);
        var sessions = $"FROM pg_stat_activity WHERE starts_with(application_name, '{Application}')";
        // A gateway that is looking after its server may open another meanwhile.
        while (await ReadAsync<long>($"SELECT count(pg_terminate_backend(pid)) {sessions}") > 0)
            await Task.Delay(5, limit.Token);
    }

    public ValueTask DisposeAsync() => _connection.DisposeAsync();
}
