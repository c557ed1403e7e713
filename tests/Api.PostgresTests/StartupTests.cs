using System.Net;
using System.Net.Sockets;
using Gateway.Api.Callers;
using Npgsql;

namespace Gateway.Api.PostgresTests;

/// <summary>
/// Tests that a gateway that can't work ends at once, with messages that name the setting, and exit code 1.
/// </summary>
public sealed class StartupTests(GatewayFixture fixture)
{
    private static readonly Dictionary<string, string> Nothing = [];

    [Fact]
    public async Task NoDsnInProduction_NamesTheSetting()
    {
        var run = await GatewayProcess.RunAsync(Nothing);

        AssertRefused(run, "DSN is not set: name the database, as in DSN=postgresql://user:password@host:5432/database.");
    }

    [Fact]
    public async Task FaultyDsn_NamesTheSettingAndTheKey()
    {
        var run = await GatewayProcess.RunAsync(new Dictionary<string, string> { ["DSN"] = "host=localhost user=me pasword=canary" });

        AssertRefused(run, "DSN: ", "pasword");
        Assert.DoesNotContain("canary", run.Errors);
    }

    [Fact]
    public async Task UnreachableServer_NamesTheSettingAndThePlace()
    {
        var port = Ports.PickFree();

        var run = await GatewayProcess.RunAsync(
            new Dictionary<string, string> { ["Gateway__Connections__reports__Dsn"] = $"postgresql://me:canary@127.0.0.1:{port}/db" });

        AssertRefused(run, "reports", "Gateway__Connections__reports__Dsn", $"127.0.0.1:{port}", "refused");
        Assert.DoesNotContain("canary", run.Errors);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task ServerThatIsSlow_IsTriedUntilItAnswers(int hosts)
    {
        var server = new NpgsqlConnectionStringBuilder(fixture.Dsn);
        await using var first = new HangingProxy(server.Host!, server.Port);
        await using var second = new HangingProxy(server.Host!, server.Port);
        first.Hang();
        second.Hang();
        server.Host = string.Join(',', new[] { first, second }.Take(hosts).Select(proxy => $"127.0.0.1:{proxy.Port}"));
        server.Timeout = 1;
        await using var gateway = GatewayProcess.Begin(
            new Dictionary<string, string> { ["DSN"] = server.ConnectionString },
            "--urls", $"http://127.0.0.1:{Ports.PickFree()}");

        await Poll.UntilAsync(() => gateway.Output.Contains("does not answer", StringComparison.Ordinal));
        first.Recover();
        second.Recover();

        await gateway.ListeningAsync();
        Assert.Contains("\"Setting\":\"DSN\"", gateway.Output);
        Assert.Equal(0, await gateway.TerminateAsync());
    }

    [Fact]
    public async Task WrongDatabase_NamesTheSettingAndTheReason()
    {
        var run = await GatewayProcess.RunAsync(new Dictionary<string, string> { ["DSN"] = $"{fixture.Dsn};Database=nowhere_at_all" });

        AssertRefused(run, "(DSN)", "nowhere_at_all", "does not exist");
    }

    [Fact]
    public async Task PortInUse_NamesTheSetting()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var address = $"http://127.0.0.1:{((IPEndPoint)taken.LocalEndpoint).Port}";

        var run = await GatewayProcess.RunAsync(new Dictionary<string, string> { ["DSN"] = fixture.Dsn }, "--urls", address);

        AssertRefused(run, address, "in use", "--urls", "ASPNETCORE_URLS");
    }

    [Theory]
    [InlineData("http://0.0.0.0:0")]
    [InlineData("http://*:0")]
    [InlineData("http://[::]:0")]
    [InlineData("http://127.0.0.1:0;http://10.0.0.1:0")]
    public async Task AddressOpenToOthers_IsRefused(string urls)
    {
        var run = await GatewayProcess.RunAsync(new Dictionary<string, string> { ["DSN"] = fixture.Dsn }, "--urls", urls);

        AssertRefused(run, "open to other machines", "key new", "Gateway__Callers__NAME__Keys__0");
    }

    /// <summary>No machine has that address, so the gateway can't listen there; but it tries.</summary>
    [Fact]
    public async Task AddressOpenToOthers_IsTriedWithACaller()
    {
        var caller = new Dictionary<string, string>
        {
            ["DSN"] = fixture.Dsn,
            ["Gateway__Callers__orders__Keys__0"] = ApiKey.WriteHash(ApiKey.New()),
        };

        var run = await GatewayProcess.RunAsync(caller, "--urls", "http://192.0.2.1:0");

        AssertRefused(run, "192.0.2.1", "can't be listened on");
    }

    [Fact]
    public async Task FaultyCaller_NamesTheSettingsAndNotWhatTheyHold()
    {
        var (key, hash) = (ApiKey.New(), ApiKey.WriteHash(ApiKey.New()));
        var callers = new Dictionary<string, string>
        {
            ["DSN"] = fixture.Dsn,
            ["Gateway__Callers__a__Keys__0"] = key,
            ["Gateway__Callers__b__Keys__0"] = hash,
            ["Gateway__Callers__c__Keys__0"] = hash,
            ["Gateway__Callers__c__Connections__nowhere"] = "write",
            ["Gateway__Callers__d"] = hash,
        };

        var run = await GatewayProcess.RunAsync(callers);

        AssertRefused(
            run, "Gateway__Callers__a__Keys__0 must be the hash of a key", "is the same key as",
            "Gateway__Callers__c__Connections__nowhere names", "Gateway__Callers__d takes no value");
        Assert.DoesNotContain(key, run.Errors + run.Output);
        Assert.DoesNotContain(hash, run.Errors + run.Output);
    }

    [Theory]
    [InlineData("Required command was not provided. --help", "key")]
    [InlineData("\"old\" is neither a command nor a setting", "key", "old")]
    [InlineData("--name is neither an option nor a setting", "key", "new", "--name=a")]
    [InlineData("\"jurnal\" is neither a command nor a setting", "jurnal", "install")]
    public async Task UnknownCommandOrArgument_EndsTheStart(string said, params string[] command) =>
        AssertRefused(await GatewayProcess.RunAsync(Nothing, command), said);

    [Fact]
    public async Task Help_ListsTheCommands()
    {
        var (exitCode, _, output) = await GatewayProcess.RunAsync(Nothing, "--help");

        Assert.Equal(0, exitCode);
        Assert.All(["journal", "key", "healthcheck", "openapi", "--version"], word => Assert.Contains(word, output));
    }

    [Fact]
    public async Task Version_IsPrinted()
    {
        var (exitCode, _, output) = await GatewayProcess.RunAsync(Nothing, "--version");

        Assert.Equal(0, exitCode);
        Assert.Matches(@"^\d+\.\d+\.\d+", output);
    }

    /// <summary>No machine has that address, so the gateway can't listen there; but it tries.</summary>
    [Fact]
    public async Task AddressByEnvironment_IsTried()
    {
        var run = await GatewayProcess.RunAsync(
            new Dictionary<string, string> { ["DSN"] = fixture.Dsn, ["ASPNETCORE_URLS"] = "http://127.0.0.1:1;http://192.0.2.1:0" });

        AssertRefused(run, "192.0.2.1", "open to other machines");
    }

    [Fact]
    public async Task PortsByEnvironment_AreHeldToLoopbackToo()
    {
        var run = await GatewayProcess.RunAsync(
            new Dictionary<string, string> { ["DSN"] = fixture.Dsn, ["ASPNETCORE_HTTP_PORTS"] = "0" });

        AssertRefused(run, "open to other machines");
    }

    [Fact]
    public async Task FaultyAddress_NamesTheSetting()
    {
        var run = await GatewayProcess.RunAsync(new Dictionary<string, string> { ["DSN"] = fixture.Dsn }, "--urls", "localhost");

        AssertRefused(run, "--urls");
    }

    [Fact]
    public async Task SeveralFaults_AreAllReported()
    {
        var run = await GatewayProcess.RunAsync(new Dictionary<string, string>
        {
            ["DSN"] = "host=localhost color=red",
            ["Gateway__BodyLimitBytes"] = "1",
            ["Gateway__DefaultTimeoutMs"] = "400000",
            ["Gateway__ResponseLimit"] = "1",
            ["Gateway__Connections__reports__PoolSize"] = "0",
        });

        AssertRefused(
            run,
            "DSN: ", "Gateway__BodyLimitBytes is 1", "Gateway__DefaultTimeoutMs is 400000", "Gateway__ResponseLimit is not a setting",
            "Gateway__Connections__reports__PoolSize is 0", "Gateway__Connections__reports__Dsn is not set");
    }

    [Fact]
    public async Task SettingOfTheWrongType_IsNamed()
    {
        var run = await GatewayProcess.RunAsync(new Dictionary<string, string> { ["DSN"] = fixture.Dsn, ["Gateway__BodyLimitBytes"] = "many" });

        AssertRefused(run, "Gateway__BodyLimitBytes", "many");
    }

    [Fact]
    public async Task StartedWithADsn_ServesItAndEndsWhenAsked()
    {
        await using var gateway = await GatewayProcess.StartAsync(
            new Dictionary<string, string> { ["DSN"] = fixture.Dsn }, "--urls", $"http://127.0.0.1:{Ports.PickFree()}");

        Assert.Equal(0, await gateway.TerminateAsync());
        Assert.Empty(gateway.Errors);
    }

    private static void AssertRefused((int ExitCode, string Errors, string Output) run, params string[] words)
    {
        Assert.True(run.ExitCode == 1, $"Exit code {run.ExitCode}: {run.Errors} {run.Output}");
        foreach (var word in words)
            Assert.Contains(word, run.Errors);
        Assert.DoesNotContain("   at ", run.Errors);
        Assert.DoesNotContain("Exception", run.Errors + run.Output);
    }
}
