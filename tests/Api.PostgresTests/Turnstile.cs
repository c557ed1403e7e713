using Npgsql;

namespace Gateway.Api.PostgresTests;

/// <summary>
/// Blocks statements on the server until it is opened. So a test knows which statements run and which wait, without
/// timing.
/// </summary>
public sealed class Turnstile : IAsyncDisposable
{
    private readonly NpgsqlConnection _connection;
    private readonly int _key = Random.Shared.Next();

    private Turnstile(NpgsqlConnection connection) => _connection = connection;

    /// <summary>Gets a set-returning expression with one row, for a statement's FROM.</summary>
    public string Pass => $"pg_advisory_xact_lock_shared({_key})";

    public static async Task<Turnstile> CloseAsync(string dsn)
    {
        var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(dsn) { Pooling = false }.ConnectionString);
        await connection.OpenAsync();
        var turnstile = new Turnstile(connection);
        await turnstile.ReadAsync($"SELECT pg_advisory_lock({turnstile._key})");
        return turnstile;
    }

    /// <summary>Returns when the given number of statements wait at the turnstile.</summary>
    /// <exception cref="TimeoutException">There are fewer.</exception>
    public async Task HoldsAsync(int statements)
    {
        await Poll.ReadAsync(
            async () => (long)(await ReadAsync(
                $"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = {_key}"))!,
            held => held == statements, what: $"{statements} statements stand at the turnstile");
    }

    public async Task OpenAsync() => await ReadAsync($"SELECT pg_advisory_unlock({_key})");

    public ValueTask DisposeAsync() => _connection.DisposeAsync();

    private async Task<object?> ReadAsync(string sql)
    {
        await using var command = new NpgsqlCommand(sql, _connection);
        return await command.ExecuteScalarAsync();
    }
}
