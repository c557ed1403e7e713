using Gateway.LocalPostgres;
using Npgsql;

namespace Gateway.Bench;

/// <summary>A benchmark's own way to its PostgreSQL, beside those that it measures.</summary>
internal static class Database
{
    /// <summary>For Npgsql.</summary>
    public static string ConnectionString(LocalPostgresServer postgres, string? database = null) => new NpgsqlConnectionStringBuilder
    {
        Host = postgres.Host,
        Port = postgres.Port,
        Database = database ?? postgres.Database,
        Username = postgres.Username,
        Password = postgres.Password,
    }.ConnectionString;

    public static async Task RunAsync(NpgsqlConnection connection, params string[] statements)
    {
        foreach (var sql in statements)
        {
            await using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 60 };
            await command.ExecuteNonQueryAsync();
        }
    }
}
