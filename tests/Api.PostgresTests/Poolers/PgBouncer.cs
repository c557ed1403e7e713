using Npgsql;

namespace Gateway.Api.PostgresTests.Poolers;

/// <summary>
/// Runs Debian's PgBouncer before a server, on a free loopback port. Any role can log in through it with its own
/// password.
/// </summary>
internal sealed class PgBouncer : IAsyncDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("gateway-pgbouncer-").FullName;
    private readonly NpgsqlConnectionStringBuilder _server;
    private readonly string _settings;
    private ClientProcess? _process;

    private PgBouncer(string dsn, string settings)
    {
        _server = Dsns.Dsn.Parse(dsn);
        _settings = settings;
    }

    public int Port { get; } = Ports.PickFree();

    /// <summary>Starts PgBouncer.</summary>
    /// <param name="dsn">The DSN of the server, of a role that may read passwords.</param>
    /// <param name="mode">Its <c>pool_mode</c>.</param>
    /// <param name="settings">More lines for its configuration.</param>
    public static async Task<PgBouncer> StartAsync(string dsn, string mode = "session", string settings = "")
    {
        var pooler = new PgBouncer(dsn, $"pool_mode = {mode}\n{settings}");
        try
        {
            await pooler.StartAsync();
            return pooler;
        }
        catch
        {
            await pooler.DisposeAsync();
            throw;
        }
    }

    /// <summary>Returns the DSN that leads through PgBouncer, with everything else as in the given one.</summary>
    public string Through(string dsn)
    {
        var through = Dsns.Dsn.Parse(dsn);
        through.Host = "127.0.0.1";
        through.Port = Port;
        return through.ConnectionString;
    }

    /// <summary>Kills it, and starts it again.</summary>
    public async Task RestartAsync()
    {
        await _process!.DisposeAsync();
        await StartAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (_process is not null)
            await _process.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private async Task StartAsync()
    {
        var file = Path.Combine(_folder, "pgbouncer.ini");
        var users = Path.Combine(_folder, "users.txt");
        await File.WriteAllTextAsync(users, $"\"{_server.Username}\" \"{_server.Password}\"\n");
        await File.WriteAllTextAsync(file, $"""
            [databases]
            * = host={_server.Host} port={_server.Port}

            [pgbouncer]
            listen_addr = 127.0.0.1
            listen_port = {Port}
            unix_socket_dir =
            auth_type = scram-sha-256
            auth_file = {users}
            auth_user = {_server.Username}
            max_client_conn = 500
            default_pool_size = 60
            server_login_retry = 1
            {_settings}

            """);
        // It refuses to run as root.
        string[] asUser = Environment.IsPrivilegedProcess ? ["-u", "nobody"] : [];
        await using (var open = new ClientProcess(_folder, "chmod", ["755", _folder]))
            Assert.Equal(0, await open.WaitForExitAsync());
        _process = new ClientProcess(
            _folder, "timeout", [.. ClientProcess.Bound, DebianProgram.PathOf("pgbouncer"), .. asUser, file],
            DebianProgram.Environment);
        await _process.WaitForAsync("process up");
    }
}
