using System.Text;
using Microsoft.AspNetCore.Builder;

namespace Gateway.Isolation;

/// <summary>A running gateway that takes part.</summary>
internal sealed class Contestant(string name, bool budget, bool isolation, WebApplication gateway) : IAsyncDisposable
{
    public string Name { get; } = name;

    public int Port { get; } = new Uri(gateway.Urls.First()).Port;

    /// <summary>Ends when somebody stops the program: the gateways' hosts take its signals.</summary>
    public CancellationToken Stopping { get; } = gateway.Lifetime.ApplicationStopping;

    /// <summary>Starts all of them; the first is what the others are compared with.</summary>
    /// <param name="dsn">Their database's.</param>
    public static async Task<IReadOnlyList<Contestant>> StartAsync(string dsn)
    {
        string[] settings =
        [
            "--urls=http://127.0.0.1:0", "--environment=Production", "--Serilog:MinimumLevel:Default=Warning", $"--DSN={dsn}",
        ];
        List<Contestant> all = [new("full", budget: true, isolation: true, await Api.Program.StartAsync(settings))];
        foreach (var (name, budget, isolation) in new[]
        {
            ("control", true, true),
            ("no budget", false, true),
            ("no isolation", true, false),
            ("neither", false, false),
        })
        {
            all.Add(new(name, budget, isolation, await PartialGateway.StartAsync(budget, isolation, settings)));
        }
        return all;
    }

    /// <summary>Shows that it has the parts that it is to have, and lacks the others: else the figures are of nothing.</summary>
    /// <exception cref="InvalidOperationException">It is not what it is called.</exception>
    public async Task ProveAsync()
    {
        using var client = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{Port}") };

        // The budget of the next is to be spent by its statement, not by the first connection.
        await AskAsync(client, "SELECT 1");
        var (status, _) = await AskAsync(client, "SELECT pg_sleep(0.5)", timeoutMs: 50);
        if (status != (budget ? 504 : 200))
            throw new InvalidOperationException($"\"{Name}\" answers {status} to a statement that outlives its budget.");

        // What survives COMMIT and ROLLBACK alike, and keeps nobody else from the same.
        await AskAsync(client, "SELECT pg_advisory_lock_shared(1)");
        var (_, text) = await AskAsync(client, "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()");
        if (text.Contains("\"rowCount\":1,", StringComparison.Ordinal) == isolation)
            throw new InvalidOperationException($"\"{Name}\" answers {text} where a lock may have been left behind.");
    }

    public async ValueTask DisposeAsync()
    {
        await gateway.StopAsync();
        await gateway.DisposeAsync();
    }

    private static async Task<(int Status, string Text)> AskAsync(HttpClient client, string sql, int timeoutMs = 10_000)
    {
        using var body = new StringContent(
            $$"""{"activityId":"bench/prove","sql":"{{sql}}","timeoutMs":{{timeoutMs}}}""", Encoding.UTF8, "application/json");
        using var answer = await client.PostAsync(new Uri("/v1/query", UriKind.Relative), body);
        return ((int)answer.StatusCode, await answer.Content.ReadAsStringAsync());
    }
}
