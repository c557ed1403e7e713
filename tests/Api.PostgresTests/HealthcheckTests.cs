using System.Net;
using System.Net.Sockets;

namespace Gateway.Api.PostgresTests;

/// <summary>Tests the command that replaces curl in the image.</summary>
public sealed class HealthcheckTests(GatewayFixture fixture)
{
    [Theory]
    [InlineData("healthcheck")]
    [InlineData("healthcheck", "live")]
    [InlineData("healthcheck", "ready")]
    [InlineData("healthcheck", "startup")]
    public async Task GatewayThatServes_IsHealthy(params string[] command)
    {
        var run = await GatewayProcess.RunAsync(Urls(fixture.Address.AbsoluteUri), command);

        Assert.Equal((0, "", ""), run);
    }

    [Fact]
    public async Task AddressByArgument_IsTakenToo()
    {
        var run = await GatewayProcess.RunAsync(Urls("http://127.0.0.1:1"), "healthcheck", $"--urls={fixture.Address}");

        Assert.Equal((0, "", ""), run);
    }

    [Fact]
    public async Task NobodyThere_IsUnhealthy() => AssertUnhealthy(
        await GatewayProcess.RunAsync(Urls($"http://+:{Ports.PickFree()}"), "healthcheck"), "/healthz/live", "ConnectionRefused");

    [Fact]
    public async Task NoAnswer_IsUnhealthyInTime()
    {
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();

        var run = await GatewayProcess.RunAsync(Urls($"http://{silent.LocalEndpoint}"), "healthcheck");

        AssertUnhealthy(run, "has not answered within 2 s");
    }

    [Fact]
    public async Task DatabaseGone_IsLiveAndNotReady()
    {
        await using var server = await LocalPostgresServer.StartTemporaryAsync();
        await using var gateway = await RunningGateway.StartAsync(
            $"--DSN={server.Dsn}", "--Gateway:ReadinessIntervalMs=50", "--Gateway:ReadinessFailures=1");
        await server.StopAsync();
        await Poll.UntilAsync(
            async () => (await gateway.Client.GetAsync("/healthz/ready")).Status != HttpStatusCode.OK);

        AssertUnhealthy(await GatewayProcess.RunAsync(Urls(gateway.Address.AbsoluteUri), "healthcheck", "ready"), "answers 503");
        Assert.Equal(0, (await GatewayProcess.RunAsync(Urls(gateway.Address.AbsoluteUri), "healthcheck")).ExitCode);
    }

    [Theory]
    [InlineData("healthcheck", "well")]
    [InlineData("healthcheck", "live", "ready")]
    public async Task OtherProbe_IsNamed(params string[] command) => AssertUnhealthy(
        await GatewayProcess.RunAsync(Urls(fixture.Address.AbsoluteUri), command), $"\"{command[^1]}\" is neither a command nor a setting.");

    private static Dictionary<string, string> Urls(string urls) => new() { ["ASPNETCORE_URLS"] = urls };

    private static void AssertUnhealthy((int ExitCode, string Errors, string Output) run, params string[] expected)
    {
        Assert.Equal((1, ""), (run.ExitCode, run.Output));
        Assert.All(expected, part => Assert.Contains(part, run.Errors));
    }
}
