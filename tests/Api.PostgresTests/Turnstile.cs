using Npgsql;

namespace Gateway.Api.PostgresTests;

/// <summary>
/// Holds up the statements that pass it, on the server and until it is opened: so who runs and who waits is known, and
/// not a matter of time.
/// </summary>
public sealed class Turnstile : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly NpgsqlConnection _connection;
    private readonly int _key = Random.Shared.Next();

    private Turnstile(NpgsqlConnection connection) => _connection = connection;

    /// <summary>A set-returning expression of one row, for a statement's FROM.</summary>
    public string Pass => $"pg_advisory_xact_lock_shared({_key})";

    public static async Task<Turnstile> CloseAsync(string dsn)
    {
        var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(dsn) { Pooling = false }.ConnectionString);
        await connection.OpenAsync();
        var turnstile = new Turnstile(connection);
        await turnstile.ReadAsync($"SELECT pg_advisory_lock({turnstile._key})");
        return turnstile;
    }

    /// <summary>Returns once that many statements stand before it.</summary>
    /// <exception cref="TimeoutException">There are fewer.</exception>
    public async Task HoldsAsync(int statements)
    {
        using var limit = new CancellationTokenSource(Patience);
        while (true)
        {
            var held = (long)(await ReadAsync(
                $"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = {_key}"))!;
            if (held == statements)
                return;
            if (limit.IsCancellationRequested)
                throw new TimeoutException($"{held} statements stand at the turnstile, and not {statements}.");
            await Task.Delay(5);
        }
    }

    public async Task OpenAsync() => await ReadAsync($"SELECT pg_advisory_unlock({_key})");

    public ValueTask DisposeAsync() => _connection.DisposeAsync();

    private async Task<object?> ReadAsync(string sql)
    {
        await using var command = new NpgsqlCommand(sql, _connection);
        return await command.ExecuteScalarAsync();
    }
}
