using System.Net;
using Gateway.Api.Journal;
using Gateway.Api.PostgresTests.Faults;

namespace Gateway.Api.PostgresTests.JournalTests;

/// <summary>Tests that operators see the state of a connection's journal.</summary>
public sealed class JournalStateTests(GatewayFixture server)
{
    private const string Often = "--Gateway:ReadinessIntervalMs=100";

    private const string DropClaim =
        "DROP FUNCTION gateway_journal.claim(int, bytea, text, text, text, bytea, int, text, bytea)";

    [Fact]
    public async Task JournalThatIsInstalledLater_IsMissingUntilThen()
    {
        var dsn = await server.CreateDatabaseWithoutJournalAsync();
        await using var gateway = await RunningGateway.StartAsync($"--DSN={dsn}", Often);
        // The state is known as soon as the gateway listens.
        Assert.Equal("missing", await StateAsync(gateway));

        await InstallAsync(dsn);

        await IsAsync(gateway, "ok");
        await using var database = await Backends.WatchAsync(dsn);
        var comment = await database.ReadAsync<string>(
            "SELECT obj_description('gateway_journal'::regnamespace, 'pg_namespace')");
        Assert.EndsWith($"version {JournalScript.Version}", comment);
    }

    [Theory]
    [InlineData("outdated", DropClaim, 422)]
    [InlineData("incompatible", $"COMMENT ON SCHEMA gateway_journal IS 'version 6'; {DropClaim}", 422)]
    [InlineData("newer", "COMMENT ON SCHEMA gateway_journal IS 'The gateway''s journal, version 6'", 200)]
    [InlineData("ok", "COMMENT ON SCHEMA gateway_journal IS 'ours'", 200)]
    [InlineData("ok", "COMMENT ON SCHEMA gateway_journal IS NULL", 200)]
    public async Task StateOfTheJournal_IsSeenAtTheStart(string state, string change, int status)
    {
        var dsn = await server.CreateDatabaseAsync();
        await GatewayFixture.ExecuteAsync(dsn, change);

        await using var gateway = await RunningGateway.StartAsync($"--DSN={dsn}");

        Assert.Equal(state, await StateAsync(gateway));
        var answer = await gateway.Client.PostAsync("execute", new { activityId = "a", sql = "SELECT 1" });
        Assert.Equal((HttpStatusCode)status, answer.Status);
    }

    [Fact]
    public async Task JournalThatIsNotOpenToTheConnection_IsClosed()
    {
        await using var role = await LoginRole.CreateAsync(await server.CreateDatabaseAsync(), "");
        await using var gateway = await RunningGateway.StartAsync($"--DSN={role.Dsn}");

        Assert.Equal("closed", await StateAsync(gateway));
    }

    [Fact]
    public async Task ConnectionThatTakesNoWrites_HasNoState()
    {
        await using var gateway = await server.StartGatewayAsync("--Gateway:Connections:default:ReadOnly=true");

        Assert.Null(await StateAsync(gateway));
    }

    [Fact]
    public async Task ChangeOfTheState_IsLoggedOnceEach()
    {
        var dsn = await server.CreateDatabaseWithoutJournalAsync();
        await using var gateway = await GatewayProcess.StartAsync(
            new Dictionary<string, string> { ["DSN"] = dsn }, "--urls=http://127.0.0.1:0", Often);
        await Poll.UntilAsync(() => Events(25) == 1);
        Assert.Contains("\"State\":\"missing\"", gateway.Output);

        await InstallAsync(dsn);
        await Poll.UntilAsync(() => Events(26) == 1);
        Assert.Contains("\"State\":\"ok\"", gateway.Output);
        Assert.Equal(1, Events(25));

        int Events(int id) => gateway.Output.Split($"\"EventId\":{{\"Id\":{id}").Length - 1;
    }

    private static Task InstallAsync(string dsn) =>
        GatewayFixture.InstallJournalAsync(dsn, Dsns.Dsn.Parse(dsn).Username!, JournalGuard.None);

    private static Task<string?> IsAsync(RunningGateway gateway, string state) =>
        Poll.ReadAsync(() => StateAsync(gateway), seen => seen == state);

    private static async Task<string?> StateAsync(RunningGateway gateway) =>
        (await gateway.Client.GetAsync("/healthz/ready")).Json.GetProperty("connections").GetProperty("default")
        .TryGetProperty("journal", out var journal)
            ? journal.GetString()
            : null;
}
