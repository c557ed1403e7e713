using Gateway.LocalPostgres;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Gateway.Bench;

/// <summary>
/// Runs a server without guarantees, to show their cost: ASP.NET Core and Npgsql, and fixed statements. It has no
/// transaction of its own, no limits, no log and no activity IDs.
/// </summary>
internal static class BareServer
{
    /// <summary>The argument that makes this program the bare server; --urls follows it.</summary>
    public const string Argument = "bare";

    /// <summary>The environment variable with Npgsql's connection string.</summary>
    public const string ConnectionVariable = "BARE_CONNECTION";

    /// <summary>Runs the server in this process.</summary>
    /// <param name="args">The server's arguments.</param>
    /// <param name="handlers">The handler of POST for each path.</param>
    public static async Task ServeAsync(
        string[] args, params IEnumerable<(string Path, Func<HttpContext, NpgsqlDataSource, Task> Answer)> handlers)
    {
        var builder = WebApplication.CreateSlimBuilder(args);
        builder.Logging.ClearProviders();
        await using var database = NpgsqlDataSource.Create(Environment.GetEnvironmentVariable(ConnectionVariable)!);
        await using var server = builder.Build();
        foreach (var (path, answer) in handlers)
            server.MapPost(path, http => answer(http, database));
        await server.RunAsync();
    }

    /// <summary>Starts this program as the bare server, in a process of its own.</summary>
    /// <param name="postgres">The server's PostgreSQL.</param>
    /// <param name="ct">Ends the start.</param>
    /// <param name="settings">Other settings of Npgsql's connection string.</param>
    public static Task<ServerProcess> StartAsync(
        LocalPostgresServer postgres, CancellationToken ct, string settings = "") =>
        ServerProcess.Start(
            port => ["dotnet", typeof(BareServer).Assembly.Location, Argument, ServerProcess.Urls(port)],
            (ConnectionVariable, $"{Database.ConnectionString(postgres)};Maximum Pool Size={Wrk.Clients};{settings}"))
        .ListeningAsync(ct);
}
