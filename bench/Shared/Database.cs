using Gateway.LocalPostgres;
using Npgsql;

namespace Gateway.Bench;

/// <summary>Gives a benchmark its own access to its PostgreSQL, besides the access that it measures.</summary>
internal static class Database
{
    /// <summary>Returns Npgsql's connection string.</summary>
    public static string ConnectionString(LocalPostgresServer postgres, string? database = null) =>
        new NpgsqlConnectionStringBuilder
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
