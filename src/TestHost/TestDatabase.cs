using System.Security.Cryptography;
using Gateway.Api.Hosting;
using Gateway.Api.Journal;
using Gateway.LocalPostgres;
using Npgsql;

namespace Gateway.TestHost;

/// <summary>Represents the database that the gateway serves, with the journal.</summary>
/// <param name="Dsn">The DSN of the role that callers' SQL runs as, as Npgsql takes it.</param>
/// <param name="Settings">The gateway's settings for it, as arguments.</param>
internal sealed record TestDatabase(string Dsn, string[] Settings)
{
    /// <summary>The role that owns the database, and the database.</summary>
    private const string Owner = "app";

    private const string ControlRole = "app_control";

    /// <summary>
    /// Creates a database. As in production, callers' SQL runs as a role that is no superuser, and can't reach the
    /// journal.
    /// </summary>
    public static async Task<TestDatabase> CreateAsync(LocalPostgresServer server)
    {
        var (password, controlPassword) = (NewPassword(), NewPassword());
        await using (var connection = await ConnectAsync(server, server.Database))
        {
            // Neither takes parameters; hexadecimal digits need no quoting.
            await RunAsync(connection, $"CREATE ROLE {Owner} LOGIN PASSWORD '{password}'");
            await RunAsync(connection, $"CREATE ROLE {ControlRole} LOGIN PASSWORD '{controlPassword}'");
            await RunAsync(connection, $"CREATE DATABASE {Owner} OWNER {Owner}");
        }

        var journal = await JournalScript.ReadAsync(Owner, JournalGuard.By(ControlRole));
        await using (var connection = await ConnectAsync(server, Owner))
            await JournalCommand.InstallAsync(journal, connection);

        var dsn = DsnOf(server, Owner, password, Owner);
        var control = DsnOf(server, ControlRole, controlPassword, Owner);
        return new TestDatabase(dsn, [$"--DSN={dsn}", $"--Gateway:Connections:default:ControlDsn={control}"]);
    }

    /// <summary>
    /// Takes a database that exists, and installs the journal if its role can't use one. The role may be a superuser,
    /// as that of a container is.
    /// </summary>
    public static async Task<TestDatabase> OpenAsync(string dsn)
    {
        // Both read the variable DSN.
        if (await CommandLine.RunAsync(["journal", "status"]) != 0)
            await CommandLine.RunAsync(["journal", "install", "--simple"]);
        return new TestDatabase(dsn, ["--Gateway:Connections:default:AllowPrivilegedRole=true"]);
    }

    private static string NewPassword() => Convert.ToHexString(RandomNumberGenerator.GetBytes(16));

    /// <summary>Connects as the superuser. The sessions are few, so none is pooled.</summary>
    private static async Task<NpgsqlConnection> ConnectAsync(LocalPostgresServer server, string database)
    {
        var connection = new NpgsqlConnection(
            $"{DsnOf(server, server.Username, server.Password, database)};Pooling=false");
        await connection.OpenAsync();
        return connection;
    }

    private static string DsnOf(LocalPostgresServer server, string role, string password, string database) =>
        new NpgsqlConnectionStringBuilder
        {
            Host = server.Host,
            Port = server.Port,
            Username = role,
            Password = password,
            Database = database,
        }.ConnectionString;

    private static async Task RunAsync(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }
}
