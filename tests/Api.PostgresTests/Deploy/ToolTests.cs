using System.Net;

namespace Gateway.Api.PostgresTests.Deploy;

/// <summary>The gateway installed by <c>dotnet tool install</c>.</summary>
public sealed class ToolTests(InstalledTool tool) : IClassFixture<InstalledTool>
{
    [Fact]
    public async Task Serve_InDevelopmentStartsAPrivatePostgresAndKeepsItsDataInTheUsersFolder()
    {
        var users = new Dictionary<string, string>(InstalledTool.Environment) { ["XDG_DATA_HOME"] = tool.Data };
        var write = new
        {
            activityId = "tool/1",
            sql = "INSERT INTO orders (user_id, total) VALUES (1, 4711.25) RETURNING id",
        };
        string[] command = [tool.Command, "serve", "--environment=Development", "--urls=http://127.0.0.1:0"];
        string first;
        await using (var gateway = await GatewayProcess.StartCommandAsync(users, command))
        {
            using var client = new GatewayClient(gateway.Address);
            var answer = await client.PostAsync("execute", write);
            answer.Expect(HttpStatusCode.OK);
            first = answer.Text;
            Assert.Equal(0, await gateway.TerminateAsync());
            Assert.Equal("", gateway.Errors);
        }

        await using var again = await GatewayProcess.StartCommandAsync(users, command);

        using var second = new GatewayClient(again.Address);
        var replay = await second.PostAsync("execute", write);
        replay.Expect(HttpStatusCode.OK);
        Assert.Equal((first, "true"), (replay.Text, replay.Headers["Idempotent-Replayed"]));
        Assert.Equal(1, (await second.QueryValueAsync("SELECT count(*) FROM orders WHERE total = 4711.25")).GetInt32());
        Assert.True(File.Exists(Path.Combine(tool.Data, "gateway/postgres/password")));
        await again.TerminateAsync();
    }

    [Fact]
    public async Task Commands_AreNamedAndVersionedAsThePackage()
    {
        var (code, errors, version) = await RunAsync("--version");
        var help = await RunAsync("--help");
        var misspelt = await RunAsync("server");

        Assert.Equal((0, ""), (code, errors));
        Assert.StartsWith(InstalledTool.Version, version);
        Assert.Contains("gateway [command] [options]", help.Output);
        Assert.Contains("  serve  ", help.Output);
        Assert.Equal((1, ""), (misspelt.ExitCode, misspelt.Output));
        Assert.StartsWith("\"server\" is neither a command nor a setting.", misspelt.Errors);
    }

    private Task<(int ExitCode, string Errors, string Output)> RunAsync(string argument) =>
        GatewayProcess.RunCommandAsync(InstalledTool.Environment, [tool.Command, argument]);
}
