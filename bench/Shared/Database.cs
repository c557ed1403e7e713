using Gateway.LocalPostgres;
using Npgsql;

namespace Gateway.Bench;

/// <summary>Gives a benchmark its own access to its PostgreSQL, besides the access that it measures.</summary>
internal static class Database
{
    /// <summary>Returns Npgsql's connection string.</summary>
    public static string ConnectionString(LocalPostgresServer postgres) => new NpgsqlConnectionStringBuilder
    {
        Host = postgres.Host,
        Port = postgres.Port,
        Database = postgres.Database,
        Username = postgres.Username,
        Password = postgres.Password,
    }.ConnectionString;

    public static async Task<NpgsqlConnection> OpenAsync(LocalPostgresServer postgres, CancellationToken ct)
    {
        var connection = new NpgsqlConnection(ConnectionString(postgres));
        await connection.OpenAsync(ct);
        return connection;
    }

    public static async Task RunAsync(NpgsqlConnection connection, params string[] statements)
    {
        foreach (var sql in statements)
        {
            await using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 60 };
            await command.ExecuteNonQueryAsync();
        }
    }

    /// <summary>Counts the other sessions that run a statement or have an open transaction.</summary>
    public static async Task<long> CountActiveAsync(NpgsqlConnection connection)
    {
        await using var command = new NpgsqlCommand(
            "SELECT count(*) FROM pg_stat_activity "
            + "WHERE backend_type = 'client backend' AND state <> 'idle' AND pid <> pg_backend_pid()",
            connection);
        return (long)(await command.ExecuteScalarAsync())!;
    }
}
