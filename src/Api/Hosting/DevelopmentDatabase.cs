using System.Reflection;
using Dapper;
using Gateway.Api.Configuration;
using Gateway.Api.Dsns;
using Gateway.Api.Journal;
using Gateway.Api.Postgres;
using Npgsql;

namespace Gateway.Api.Hosting;

/// <summary>
/// Starts a private PostgreSQL with demo data, in Development if no DSN is set, so that the first command works on a
/// machine without a database. The server keeps its data between runs, and stops with the gateway.
/// </summary>
internal static class DevelopmentDatabase
{
    /// <summary>The role that demo-roles.sql creates.</summary>
    private const string DemoRole = "gateway_demo";

    private const string ControlRole = "gateway_demo_control";

    /// <summary>
    /// The assembly that starts the server. A build copies it beside the gateway, and the installed tool contains it;
    /// <c>dotnet publish</c> leaves it out.
    /// </summary>
    private static readonly string LocalPostgres = Path.Combine(AppContext.BaseDirectory, "Gateway.LocalPostgres.dll");

    /// <summary>
    /// Starts the server and sets the connection <c>default</c> to it. Does nothing outside of Development, or if a
    /// database is configured.
    /// </summary>
    /// <exception cref="StartupException">A private PostgreSQL can't be started on this machine.</exception>
    public static async Task AddDevelopmentDatabaseAsync(this WebApplicationBuilder builder)
    {
        if (!builder.Environment.IsDevelopment() || GatewayConfiguration.HasDsn(builder.Configuration)
            || !File.Exists(LocalPostgres))
        {
            return;
        }

        await Console.Out.WriteLineAsync("No DSN is set: starting a private PostgreSQL with demo data.");
        var folder = builder.Configuration["Gateway:DevelopmentFolder"] ?? FindFolder();
        var (server, dsn) = await StartServerAsync(folder);
        try
        {
            (builder.Configuration["DSN"], builder.Configuration["Gateway:Connections:default:ControlDsn"]) =
                await LoadDemoAsync(dsn);
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
        builder.Services.AddSingleton(_ => server);
    }

    /// <summary>
    /// Resolves the server before any other service. The container disposes of services in reverse order, so the server
    /// stops last.
    /// </summary>
    public static void OwnDevelopmentDatabase(this WebApplication gateway) =>
        gateway.Services.GetService<IAsyncDisposable>();

    /// <summary>Calls <c>DevelopmentServer.StartAsync</c> in <c>src/LocalPostgres</c>.</summary>
    /// <returns>The server, and the DSN of its superuser.</returns>
    private static async Task<(IAsyncDisposable Server, string Dsn)> StartServerAsync(string folder)
    {
        var start = Assembly.LoadFrom(LocalPostgres)
            .GetType("Gateway.LocalPostgres.DevelopmentServer", throwOnError: true)!
            .GetMethod("StartAsync")!
            .CreateDelegate<Func<string, Action<string>, Task<(IAsyncDisposable Server, string Dsn)>>>();
        try
        {
            return await start(folder, Console.Out.WriteLine);
        }
        catch (InvalidOperationException error)
        {
            throw new StartupException(
                $"DSN is not set, and a private PostgreSQL can't be started: {error.Message}", error);
        }
    }

    /// <summary>
    /// Creates the demo schema, the journal and the gateway's two roles, if they are missing. Neither role is a
    /// superuser.
    /// </summary>
    /// <returns>The DSN of the role that callers' SQL runs as, and that of the control role.</returns>
    private static async Task<(string Dsn, string ControlDsn)> LoadDemoAsync(string dsn)
    {
        var superuser = JournalSessions.Unpooled(Dsn.Parse(dsn));
        await using var connection = new NpgsqlConnection(superuser.ConnectionString);
        await connection.OpenAsync();
        foreach (var statement in await ReadDemoAsync())
            await connection.ExecuteAsync(statement);
        await JournalCommand.InstallAsync(
            await JournalScript.ReadAsync(DemoRole, JournalGuard.By(ControlRole)), connection);
        return (await NewDsnAsync(DemoRole), await NewDsnAsync(ControlRole));

        // Sets a new password at each start. ALTER ROLE takes no parameters; hexadecimal digits need no quoting.
        async Task<string> NewDsnAsync(string role)
        {
            var password = Convert.ToHexString(System.Security.Cryptography.RandomNumberGenerator.GetBytes(16));
            // Not by Dapper, which keeps each statement's text.
            await using var alter = new NpgsqlCommand($"ALTER ROLE {role} PASSWORD '{password}'", connection);
            await alter.ExecuteNonQueryAsync();
            return $"postgresql://{role}:{password}@{superuser.Host}:{superuser.Port}/{superuser.Database}";
        }
    }

    /// <summary>
    /// Returns the folder for the data: in the repository, whose .gitignore excludes it. The installed tool is in no
    /// repository, and an update deletes its own folder, so the data is among the user's.
    /// </summary>
    private static string FindFolder()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Gateway.sln")))
                return Path.Combine(folder.FullName, ".local", "postgres");
        }
        var users = Environment.GetFolderPath(
            Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.DoNotVerify);
        return Path.Combine(users, "gateway", "postgres");
    }

    /// <summary>Returns the statements that create the demo's tables, and then its roles.</summary>
    internal static Task<string[]> ReadDemoAsync() =>
        Task.WhenAll(EmbeddedSql.ReadAsync("demo.sql"), EmbeddedSql.ReadAsync("demo-roles.sql"));
}
