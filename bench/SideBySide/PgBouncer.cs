using System.Globalization;
using Gateway.LocalPostgres;

namespace Gateway.SideBySide;

/// <summary>Represents PgBouncer in front of the accounts' PostgreSQL, with its files in a temporary folder.</summary>
internal sealed class PgBouncer : IAsyncDisposable
{
    /// <summary>The user to run as, because PgBouncer refuses to run as root. Debian's package creates it.</summary>
    private const string User = "postgres";

    private readonly DirectoryInfo _folder;
    private readonly ServerProcess _server;

    private PgBouncer(DirectoryInfo folder, ServerProcess server, LocalPostgresServer postgres)
    {
        _folder = folder;
        _server = server;
        Dsn = new UriBuilder(postgres.Dsn) { Port = server.Port }.Uri;
    }

    public int? ProcessId => _server.ProcessId;

    /// <summary>Gets PostgreSQL's DSN with PgBouncer's port.</summary>
    public Uri Dsn { get; }

    public static async Task<PgBouncer> StartAsync(LocalPostgresServer postgres, CancellationToken ct)
    {
        // Other users must not be able to read this folder: it has a password.
        var folder = Directory.CreateTempSubdirectory("gateway-bench-pgbouncer-");
        var settings = Path.Combine(folder.FullName, "pgbouncer.ini");
        var users = Path.Combine(folder.FullName, "users");
        try
        {
            await File.WriteAllTextAsync(users, $"\"{postgres.Username}\" \"{postgres.Password}\"\n", ct);
            string[] asUser = [];
            if (Environment.IsPrivilegedProcess)
            {
                asUser = ["--user", User];
                await ProgramRun.RunAsync(["chown", "-R", User, folder.FullName], TimeSpan.Zero, ct);
            }
            var server = ServerProcess.Start(port =>
            {
                File.WriteAllText(settings, Settings(postgres, users, port));
                return ["pgbouncer", "--quiet", .. asUser, settings];
            });
            return new PgBouncer(folder, await server.ListeningAsync(ct), postgres);
        }
        catch
        {
            folder.Delete(recursive: true);
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    private static string Settings(LocalPostgresServer postgres, string users, int port) => string.Create(
        CultureInfo.InvariantCulture, $"""
        [databases]
        {postgres.Database} = host={postgres.Host} port={postgres.Port}

        [pgbouncer]
        listen_addr = 127.0.0.1
        listen_port = {port}
        unix_socket_dir =
        auth_type = scram-sha-256
        auth_file = {users}
        pool_mode = transaction
        default_pool_size = {Wrk.Clients}
        max_client_conn = 1000

        """);
}
