using System.Diagnostics;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Gateway.Api.PostgresTests;

/// <summary>Tests the first command of the README, without a DSN and without preparation.</summary>
public sealed partial class DevelopmentTests : IAsyncLifetime
{
    private static readonly string[] DemoUsers = ["ada@example.org", "alan@example.org", "grace@example.org"];

    // Not a folder that only this user can enter: started by root, the server runs as another user.
    private readonly string _folder = Path.Combine(Path.GetTempPath(), $"gateway-development-{Guid.NewGuid():N}");

    public ValueTask InitializeAsync()
    {
        Directory.CreateDirectory(_folder);
        return ValueTask.CompletedTask;
    }

    public ValueTask DisposeAsync()
    {
        Directory.Delete(_folder, recursive: true);
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task NoDsn_StartsAPrivatePostgresAndThePrintedLineReadsTheDemoUsers()
    {
        await using var gateway = await StartAsync();

        using var answer = JsonDocument.Parse(await RunPrintedLineAsync(gateway.Output));
        Assert.Equal(DemoUsers, Emails(answer));
        Assert.Contains("/swagger", gateway.Output);
        Assert.True(ServerRuns());

        Assert.Equal(0, await gateway.TerminateAsync());
        Assert.Equal("", gateway.Errors);
        Assert.False(ServerRuns(), "The private PostgreSQL outlives the gateway.");
    }

    [Fact]
    public async Task StartedAgainAfterKill_ServesTheSameData()
    {
        await using (var killed = await StartAsync())
        {
            await PostAsync(killed.Output, "execute", new
            {
                activityId = "a",
                sql = "INSERT INTO users (email, name) VALUES ('edsger@example.org', 'Edsger Dijkstra')",
                delivery = "at-least-once",
            });
            await killed.KillAsync();
        }

        await using var gateway = await StartAsync();

        using var answer = JsonDocument.Parse(await RunPrintedLineAsync(gateway.Output));
        Assert.Equal([.. DemoUsers, "edsger@example.org"], Emails(answer));
        await gateway.TerminateAsync();
    }

    [Fact]
    public async Task FolderInUse_IsRefusedWithASentence()
    {
        await using var first = await StartAsync();

        var (exitCode, errors, _) = await GatewayProcess.RunAsync(Environment(), "--urls", Urls());

        Assert.Equal(1, exitCode);
        Assert.Contains("Another gateway is using", errors);
        Assert.DoesNotContain("   at ", errors);
        await first.TerminateAsync();
    }

    private Dictionary<string, string> Environment() => new()
    {
        ["DOTNET_ENVIRONMENT"] = "Development",
        ["Gateway__DevelopmentFolder"] = _folder,
    };

    private Task<GatewayProcess> StartAsync() => GatewayProcess.StartAsync(Environment(), "--urls", Urls());

    private static string Urls() => $"http://127.0.0.1:{Ports.PickFree()}";

    private bool ServerRuns()
    {
        using var find = Process.Start(new ProcessStartInfo("pgrep", ["-f", $"postgres.*{Regex.Escape(_folder)}"])
        {
            RedirectStandardOutput = true,
        })!;
        find.WaitForExit();
        return find.ExitCode == 0;
    }

    /// <summary>Runs the printed line in a shell, as a reader does.</summary>
    private static async Task<string> RunPrintedLineAsync(string output)
    {
        var line = CurlLine().Match(output);
        Assert.True(line.Success, $"No line to paste was printed: {output}");
        using var shell = Process.Start(new ProcessStartInfo("sh", ["-c", line.Groups[1].Value]) { RedirectStandardOutput = true })!;
        var answer = await shell.StandardOutput.ReadToEndAsync();
        await shell.WaitForExitAsync();
        Assert.Equal(0, shell.ExitCode);
        return answer;
    }

    private static async Task PostAsync(string output, string endpoint, object request)
    {
        using var client = new GatewayClient(new Uri(Listening().Match(output).Groups[1].Value));
        (await client.PostAsync(endpoint, request)).Expect(System.Net.HttpStatusCode.OK);
    }

    private static IEnumerable<string> Emails(JsonDocument answer) =>
        answer.RootElement.GetProperty("rows").EnumerateArray().Select(row => row.GetProperty("email").GetString()!);

    [GeneratedRegex(@"^\s*Try:\s+(curl .*)$", RegexOptions.Multiline)]
    private static partial Regex CurlLine();

    [GeneratedRegex(@"listens on (http://\S+)")]
    private static partial Regex Listening();
}
