using System.Text.Json;
using Gateway.Api.Configuration;
using Gateway.LocalPostgres;
using Npgsql;

namespace Gateway.TestHost;

/// <summary>
/// Runs a gateway for a test, which is the parent process: Gateway.Testing starts it. The gateway serves the database
/// of DSN or, without one, a new database of a PostgreSQL that ends with this process. When it listens, it prints
/// <see cref="Ready"/> and a JSON object with <c>address</c> and <c>dsn</c>. It ends when its standard input does: the
/// test closes it, or is gone.
/// </summary>
internal static class Program
{
    /// <summary>The start of the line that says that the gateway listens. Gateway.Testing looks for it.</summary>
    private const string Ready = "gateway-test-host ";

    /// <summary>The maximum time that requests in flight get at the end. The test is over, so nobody waits.</summary>
    private static readonly TimeSpan StopLimit = TimeSpan.FromSeconds(2);

    public static async Task<int> Main()
    {
        using var testIsOver = new CancellationTokenSource();
        // Not by Console.In, whose asynchronous methods block.
        _ = Console.OpenStandardInput().CopyToAsync(Stream.Null).ContinueWith(
            _ => testIsOver.CancelAsync(), TaskScheduler.Default);
        try
        {
            await ServeAsync(Environment.GetEnvironmentVariable("DSN"), testIsOver.Token);
            return 0;
        }
        catch (LocalPostgresException error)
        {
            await Console.Error.WriteLineAsync(
                $"{error.Message} In a test, TestGatewayOptions.ConnectionString takes the place of DSN.");
            return 1;
        }
        catch (Exception error) when (error is StartupException or NpgsqlException)
        {
            await Console.Error.WriteLineAsync(error.Message);
            return 1;
        }
        catch (OperationCanceledException) when (testIsOver.IsCancellationRequested)
        {
            return 1;
        }
    }

    private static async Task ServeAsync(string? dsn, CancellationToken testIsOver)
    {
        await using var server = string.IsNullOrEmpty(dsn)
            ? await LocalPostgresServer.StartTemporaryAsync(progress: Console.WriteLine, ct: testIsOver)
            : null;
        var database = server is null ? await TestDatabase.OpenAsync(dsn!) : await TestDatabase.CreateAsync(server);
        await using var gateway = await Api.Program.StartAsync(["--urls=http://127.0.0.1:0", .. database.Settings]);
        await Console.Out.WriteLineAsync(
            Ready + JsonSerializer.Serialize(new { address = gateway.Urls.First(), dsn = database.Dsn }));

        await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, testIsOver)
            .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        using var end = new CancellationTokenSource(StopLimit);
        await gateway.StopAsync(end.Token);
    }
}
