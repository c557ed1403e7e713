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

    /// <summary>The command and the gateway find the same address in the same environment.</summary>
    [Theory]
    [InlineData("URLS", "DOTNET_URLS")]
    [InlineData("DOTNET_URLS", "ASPNETCORE_URLS")]
    public async Task AddressOfTheEnvironment_IsTheOneThatIsAsked(string variable, string lesser)
    {
        var address = $"http://127.0.0.1:{Ports.PickFree()}";
        var environment = new Dictionary<string, string>
        {
            [variable] = address,
            [lesser] = $"http://127.0.0.1:{Ports.PickFree()}",
            // As in .NET's images.
            ["ASPNETCORE_HTTP_PORTS"] = $"{Ports.PickFree()}",
        };
        await using var gateway = await GatewayProcess.StartAsync(
            new Dictionary<string, string>(environment) { ["DSN"] = fixture.Dsn });

        Assert.Contains($"The gateway listens on {address}", gateway.Output);
        Assert.DoesNotContain("Overriding", gateway.Output);
        Assert.Equal((0, "", ""), await GatewayProcess.RunAsync(environment, "healthcheck"));
    }

    [Fact]
    public async Task NoHttp_IsShown()
    {
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();
        var run = GatewayProcess.RunAsync(Urls($"http://{other.LocalEndpoint}"), "healthcheck");
        using (var client = await other.AcceptTcpClientAsync(TestContext.Current.CancellationToken))
            await client.GetStream().WriteAsync("SSH-2.0-OpenSSH_9"u8.ToArray(), TestContext.Current.CancellationToken);

        AssertUnhealthy(await run, "answers \"SSH-2.0-Open\"");
    }

    [Fact]
    public async Task ClosedAtOnce_IsUnhealthy()
    {
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();
        var run = GatewayProcess.RunAsync(Urls($"http://{other.LocalEndpoint}"), "healthcheck");
        (await other.AcceptTcpClientAsync(TestContext.Current.CancellationToken)).Dispose();

        AssertUnhealthy(await run, "does not answer: ConnectionReset");
    }

    [Fact]
    public async Task AddressByArgument_IsTakenToo()
    {
        var run = await GatewayProcess.RunAsync(Urls("http://127.0.0.1:1"), "healthcheck", $"--urls={fixture.Address}");

        Assert.Equal((0, "", ""), run);
    }

    [Fact]
    public async Task NobodyThere_IsUnhealthy() => AssertUnhealthy(
        await GatewayProcess.RunAsync(Urls($"http://+:{Ports.PickFree()}"), "healthcheck"),
        "/healthz/live", "ConnectionRefused");

    [Fact]
    public async Task NoAnswer_IsUnhealthyInTime()
    {
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();

        var run = await GatewayProcess.RunAsync(Urls($"http://{silent.LocalEndpoint}"), "healthcheck");

        AssertUnhealthy(run, "has not answered within 2 s");
    }

    [Fact]
    public async Task NoPlaceForTheConnection_IsUnhealthyInTime()
    {
        using var full = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        full.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        full.Listen(0);
        // Linux takes one more than it was told to, and lets all others wait.
        using var first = new TcpClient();
        await first.ConnectAsync((IPEndPoint)full.LocalEndPoint!);

        var run = await GatewayProcess.RunAsync(Urls($"http://{full.LocalEndPoint}"), "healthcheck");

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
