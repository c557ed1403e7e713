using System.Collections.Concurrent;
using Gateway.Api.Hosting;
using Gateway.Api.Journal;
using Gateway.Api.PostgresTests;
using Gateway.Api.PostgresTests.Servers;
using Microsoft.AspNetCore.Builder;
using Npgsql;

[assembly: AssemblyFixture(typeof(GatewayFixture))]

namespace Gateway.Api.PostgresTests;

/// <summary>
/// Provides a real PostgreSQL (the one in <c>TEST_DSN</c>, or a server of its own), a new database in it with the demo
/// data, and a gateway that serves it over real HTTP.
/// </summary>
public sealed class GatewayFixture : IAsyncLifetime
{
    private readonly ConcurrentBag<string> _databases = [];
    private TestServer? _server;
    private RunningGateway? _gateway;

    /// <summary>Gets the DSN of the tests' database; its role has all rights there.</summary>
    public string Dsn { get; private set; } = "";

    public Uri Address => _gateway!.Address;

    public GatewayClient Client => _gateway!.Client;

    public async ValueTask InitializeAsync()
    {
        _server = await TestServer.StartSharedAsync();
        Dsn = await CreateDatabaseAsync();
        // It runs for as long as the tests, and each check of its readiness opens a session.
        _gateway = await StartGatewayAsync("--Gateway:ReadinessIntervalMs=60000");
    }

    public async ValueTask DisposeAsync()
    {
        if (_gateway is not null)
            await _gateway.DisposeAsync();
        if (_server is null)
            return;
        // Another server goes with all of its data.
        foreach (var database in _server is GivenServer ? _databases : [])
            await ExecuteAsync(_server.Dsn, $"DROP DATABASE {database} WITH (FORCE)");
        await _server.DisposeAsync();
    }

    /// <summary>Creates another database with the demo data and the journal, dropped at the end.</summary>
    /// <returns>Its DSN.</returns>
    public async Task<string> CreateDatabaseAsync()
    {
        var dsn = await CreateEmptyDatabaseAsync();
        await using var connection = await OpenAsync(dsn);
        await CreateDemoAsync(connection);
        // The role has all rights there, also on the journal.
        await InstallJournalAsync(connection, Dsns.Dsn.Parse(dsn).Username!, JournalGuard.None);
        return dsn;
    }

    /// <summary>Installs the journal for a role.</summary>
    /// <param name="dsn">The DSN of a role that may install it.</param>
    /// <param name="role">The role that callers' SQL runs as.</param>
    /// <param name="guard">The protection of the journal from that SQL.</param>
    internal static async Task InstallJournalAsync(string dsn, string role, JournalGuard guard)
    {
        await using var connection = await OpenAsync(dsn);
        await InstallJournalAsync(connection, role, guard);
    }

    /// <summary>Creates another database with the demo data, dropped at the end.</summary>
    /// <returns>Its DSN.</returns>
    public async Task<string> CreateDatabaseWithoutJournalAsync()
    {
        var dsn = await CreateEmptyDatabaseAsync();
        await CreateDemoAsync(dsn);
        return dsn;
    }

    /// <summary>Starts another gateway on the same database, with its own settings.</summary>
    public Task<RunningGateway> StartGatewayAsync(params string[] settings) =>
        RunningGateway.StartAsync([$"--DSN={Dsn}", .. settings]);

    /// <summary>Runs one statement directly on the server.</summary>
    public Task ExecuteAsync(string sql) => ExecuteAsync(Dsn, sql);

    /// <summary>Reads one value directly from the server.</summary>
    public async Task<T> ReadAsync<T>(string sql)
    {
        await using var connection = await OpenAsync(Dsn);
        await using var command = new NpgsqlCommand(sql, connection);
        return (T)(await command.ExecuteScalarAsync())!;
    }

    /// <summary>Creates the demo's tables and roles.</summary>
    internal static async Task CreateDemoAsync(string dsn)
    {
        await using var connection = await OpenAsync(dsn);
        await CreateDemoAsync(connection);
    }

    /// <summary>Runs one statement in a new session.</summary>
    internal static async Task ExecuteAsync(string dsn, string sql)
    {
        await using var connection = await OpenAsync(dsn);
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>Reads rows of a name and a count.</summary>
    internal static async Task<IReadOnlyDictionary<string, long>> ReadCountsAsync(NpgsqlConnection session, string sql)
    {
        await using var command = new NpgsqlCommand(sql, session);
        await using var reader = await command.ExecuteReaderAsync();
        var counts = new Dictionary<string, long>();
        while (await reader.ReadAsync())
            counts.Add(reader.GetString(0), reader.GetInt64(1));
        return counts;
    }

    /// <summary>Opens a session directly on the server.</summary>
    internal static async Task<NpgsqlConnection> OpenAsync(string dsn)
    {
        var settings = Dsns.Dsn.Parse(dsn);
        settings.Pooling = false;
        var connection = new NpgsqlConnection(settings.ConnectionString);
        await connection.OpenAsync();
        return connection;
    }

    private static async Task CreateDemoAsync(NpgsqlConnection connection)
    {
        foreach (var statement in await DevelopmentDatabase.ReadDemoAsync())
        {
            await using var command = new NpgsqlCommand(statement, connection);
            await command.ExecuteNonQueryAsync();
        }
    }

    private static async Task InstallJournalAsync(NpgsqlConnection connection, string role, JournalGuard guard) =>
        await JournalCommand.InstallAsync(await JournalScript.ReadAsync(role, guard), connection);

    private async Task<string> CreateEmptyDatabaseAsync()
    {
        var database = $"gateway_test_{Guid.NewGuid():N}";
        await ExecuteAsync(_server!.Dsn, $"CREATE DATABASE {database}");
        _databases.Add(database);
        return new NpgsqlConnectionStringBuilder(Dsns.Dsn.Parse(_server.Dsn).ConnectionString)
        {
            Database = database,
        }.ConnectionString;
    }
}

/// <summary>Runs a gateway in this process, on a free loopback port.</summary>
public sealed class RunningGateway : IAsyncDisposable
{
    private readonly WebApplication _application;

    private RunningGateway(WebApplication application)
    {
        _application = application;
        Address = new Uri(application.Urls.First());
        Client = new GatewayClient(Address);
    }

    public Uri Address { get; }

    public GatewayClient Client { get; }

    public static async Task<RunningGateway> StartAsync(params string[] settings) => new(await Program.StartAsync(
    [
        "--urls=http://127.0.0.1:0", "--environment=Production", "--Serilog:MinimumLevel:Default=Error",
        .. PrivilegedRoles.Allow(settings), .. settings,
    ]));

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await _application.StopAsync();
        await _application.DisposeAsync();
    }
}
