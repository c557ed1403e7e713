using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.RegularExpressions;
using Gateway.Client;
using Gateway.Contracts;
using Gateway.LocalPostgres;

namespace Gateway.Image.Tests;

/// <summary>Tests the image and compose.yaml in containers.</summary>
public sealed class ComposeTests(ComposedGateway composed, ITestOutputHelper output) : IDisposable
{
    private readonly GatewayClient _client = composed.CreateClient();

    public void Dispose() => _client.Dispose();

    [Fact]
    public async Task Up_ServesWhatTheReadmeShows()
    {
        Assert.Equal(
            ["Ada Lovelace", "Alan Turing", "Grace Hopper"],
            await _client.QueryAsync<string>(
                "demo/1", "SELECT name FROM users ORDER BY id", cancellationToken: Cancellation));

        var first = await WriteAsync("demo/order-1", 9.99m);
        var second = await WriteAsync("demo/order-1", 9.99m);

        Assert.Equal((false, true), (first.Replayed, second.Replayed));
        Assert.Equal(first.Rows[0].GetRawText(), second.Rows[0].GetRawText());
        Assert.Equal([1], await _client.QueryAsync<long>(
            "count", "SELECT count(*) FROM orders WHERE total = 9.99", cancellationToken: Cancellation));
    }

    [Fact]
    public async Task UpAgain_KeepsKeyAndData()
    {
        var first = await WriteAsync("kept", 5m);

        await composed.ComposeAsync("restart", "--timeout", "10", "postgres");
        await composed.UpAsync();

        Assert.Equal(composed.Key, await composed.ReadKeyAsync());
        Assert.Equal(first.Rows[0].GetRawText(), (await WriteAsync("kept", 5m)).Rows[0].GetRawText());
    }

    [Fact]
    public async Task Containers_MayDoNothingThatTheyNeedNot()
    {
        foreach (var service in (string[])["gateway", "journal"])
        {
            var container = await composed.FindContainerAsync(service);
            Assert.Equal(
                "true [ALL] [no-new-privileges:true] 1654:1654",
                await InspectAsync(
                    container,
                    "{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}} "
                    + "{{.Config.User}}"));
        }
        // The user of the process itself.
        var processes = await Docker.RunAsync("top", await composed.FindContainerAsync("gateway"), "-o", "pid,uid");
        Assert.Matches(@"^\S+\s+\S+\s+\d+\s+1654$", processes);
    }

    /// <summary>A line of the log has a level only if that is not Information.</summary>
    [Fact]
    public void FirstLog_HasNoWarning()
    {
        Assert.Contains("The gateway listens on http://[::]:8080", composed.FirstLog);
        Assert.Contains("The journal of connection \"default\" is installed", composed.FirstLog);
        var lines = composed.FirstLog.Split('\n').Where(line => line.Contains(" | ")).ToArray();
        Assert.True(lines.Length >= 2, composed.FirstLog);
        Assert.All(
            lines,
            line => Assert.Matches(@"\| *(\{""@t""((?!""@l"").)*|The (gateway|journal) .*|)\s*$", line));
    }

    [Fact]
    public async Task Terminated_AnswersTheRequestInFlight()
    {
        var container = await composed.FindContainerAsync("gateway");
        try
        {
            var request = _client.QueryAsync<int>(
                "in-flight", "SELECT 1 FROM pg_sleep(10)", cancellationToken: Cancellation);
            await Poll.UntilAsync(async () => await PsqlAsync(
                "SELECT count(*) FROM pg_stat_activity WHERE usename = 'gateway' AND wait_event = 'PgSleep'") == "1");

            await Docker.RunAsync("kill", "--signal", "TERM", container);
            Assert.False(request.IsCompleted);

            Assert.Equal([1], await request);
            await Poll.UntilAsync(
                async () => await InspectAsync(container, "{{.State.Status}} {{.State.ExitCode}}") == "exited 0");
        }
        finally
        {
            await composed.UpAsync();
        }
        Assert.Equal([1], await _client.QueryAsync<int>("after", "SELECT 1", cancellationToken: Cancellation));
    }

    /// <summary>With the settings and the limit of the manifests.</summary>
    [Fact]
    public async Task MemoryOfThePod_IsEnoughForRequestsThatAskForMore()
    {
        var address = new Uri($"http://127.0.0.1:{Ports.PickFree()}");
        var megabytes = Regex.Match(
            await File.ReadAllTextAsync(Repository.PathOf("deploy/k8s/base/deployment.yaml"), Cancellation),
            @"limits:[\s\S]*?memory: (\d+)Mi").Groups[1].Value;
        var settings = Settings()
            .Append("Gateway__Connections__default__Dsn=postgresql://gateway@postgres:5432/app")
            .Append("Gateway__Connections__default__ControlDsn=postgresql://gateway_control@postgres:5432/app")
            .Append("Gateway__Callers__demo__Connections__default=write");
        var container = await Docker.RunAsync(
        [
            "run", "--detach", "--memory", $"{megabytes}m", "--memory-swap", $"{megabytes}m",
            "--read-only", "--cap-drop", "ALL",
            "--network", $"{composed.Project}_default", "--publish", $"{address.Authority}:8080",
            "--volume", $"{composed.Project}_secrets-gateway:/etc/gateway/secrets:ro",
            .. settings.SelectMany(setting => new[] { "--env", setting }), composed.Image,
        ]);
        try
        {
            await ComposedGateway.UntilHealthyAsync(container);
            using var client = new HttpClient { BaseAddress = address };
            client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", composed.Key);
            // Each holds its body, the parameter and the answer: much more together than the container has.
            var body = JsonSerializer.Serialize(new
            {
                activityId = "large",
                sql = "SELECT $1::text AS text FROM pg_sleep(0.2)",
                parameters = new[] { new string('x', 3_500_000) },
            });
            var answers = await Task.WhenAll(Enumerable.Range(0, 150).Select(_ => SendAsync(client, body)));

            var used = await Docker.RunAsync("stats", "--no-stream", "--format", "{{.MemUsage}}", container);
            var served = answers.Count(status => status == HttpStatusCode.OK);
            output.WriteLine($"{served} of {answers.Length} were served; {used}");
            Assert.EndsWith($"/ {megabytes}MiB", used);
            Assert.Contains(HttpStatusCode.OK, answers);
            Assert.Contains(HttpStatusCode.ServiceUnavailable, answers);
            Assert.All(answers, status => Assert.True(
                status is null or HttpStatusCode.OK
                    or HttpStatusCode.ServiceUnavailable or HttpStatusCode.GatewayTimeout,
                $"{status}"));
            Assert.Equal("running false", await InspectAsync(container, "{{.State.Status}} {{.State.OOMKilled}}"));
            using var modest = composed.CreateClient(address);
            Assert.Equal([1], await modest.QueryAsync<int>("modest", "SELECT 1", cancellationToken: Cancellation));
        }
        finally
        {
            await Docker.RemoveAsync("rm", "--force", container);
        }
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <returns>
    /// The answer's status; null if the connection was cut: the gateway does not read all of a body that it refuses.
    /// </returns>
    private static async Task<HttpStatusCode?> SendAsync(HttpClient client, string body)
    {
        try
        {
            using var answer = await client.PostAsync(
                "/v1/query", new StringContent(body, MediaTypeHeaderValue.Parse("application/json")), Cancellation);
            await answer.Content.CopyToAsync(Stream.Null, Cancellation);
            return answer.StatusCode;
        }
        catch (HttpRequestException)
        {
            return null;
        }
    }

    /// <summary>Returns the settings of all environments, but for their caller, as <c>NAME=VALUE</c>.</summary>
    private static IEnumerable<string> Settings() => File
        .ReadLines(Repository.PathOf("deploy/k8s/base/kustomization.yaml"))
        .Select(line => line.Trim())
        .Where(line => line.StartsWith("- ", StringComparison.Ordinal) && line.Contains('=')
            && !line.Contains("Gateway__Callers__"))
        .Select(line => line[2..]);

    private Task<StatementResponse> WriteAsync(string activity, decimal total) => _client.ExecuteAsync(
        activity, "INSERT INTO orders (user_id, total) VALUES (1, :total) RETURNING id", new { total },
        cancellationToken: Cancellation);

    private static Task<string> InspectAsync(string container, string format) =>
        Docker.RunAsync("inspect", "--format", format, container);

    private Task<string> PsqlAsync(string sql) => composed.ComposeAsync(
        "exec", "-T", "postgres", "psql", "--username=postgres", "--dbname=app", "--tuples-only", "--no-align",
        $"--command={sql}");
}
