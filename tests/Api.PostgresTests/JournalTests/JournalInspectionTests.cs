using System.Net;

namespace Gateway.Api.PostgresTests.JournalTests;

/// <summary>Tests <c>journal status</c> and <c>journal purge</c>, as an operator runs them.</summary>
public sealed class JournalInspectionTests(GatewayFixture server)
{
    [Fact]
    public async Task Journal_IsShownAndPurged()
    {
        var dsn = await server.CreateDatabaseWithoutJournalAsync();
        await using var role = await LoginRole.CreateAsync(dsn, "");
        await role.InstallJournalAsync();
        await using var keeps = await RunningGateway.StartAsync($"--DSN={role.Dsn}", role.ControlSetting, "--Gateway:PurgeIntervalMs=86400000");
        await using var forgets = await RunningGateway.StartAsync(
            $"--DSN={role.Dsn}", role.ControlSetting, "--Gateway:PurgeIntervalMs=86400000", "--Gateway:RetentionSeconds=1");
        foreach (var (client, id) in new[] { (keeps.Client, "a"), (keeps.Client, "b"), (forgets.Client, "c") })
            (await client.PostAsync("execute", new { activityId = id, sql = "SELECT 1 AS a" })).Expect(HttpStatusCode.OK);
        await using var turnstile = await Turnstile.CloseAsync(dsn);
        var running = keeps.Client.PostAsync("query", new { activityId = "d", timeoutMs = 60_000, sql = $"SELECT 1 AS a FROM {turnstile.Pass}" });
        await turnstile.HoldsAsync(1);

        var status = await Poll.ReadAsync(
            () => RunAsync(role, "status"), run => run.Output.Contains("expired: 1", StringComparison.Ordinal));

        Assert.Equal((0, ""), (status.ExitCode, status.Errors));
        Assert.Matches(
            $"""
            ^journal: ok, version 5 \(this gateway has version 5\)
            connection: default \(.*{role.ControlName}\)
            records: 3
            expired: 1
            size: 0\.[0-9] MiB
            oldest: 20[0-9-]+T[0-9:]+Z
            open transactions of role "{role.Name}": 1$
            """, status.Output.TrimEnd());
        Assert.Equal((0, "", "Deleted 1 expired records of connection \"default\".\n"), await RunAsync(role, "purge"));
        Assert.Equal((0, "", "Deleted 0 expired records of connection \"default\".\n"), await RunAsync(role, "purge"));
        Assert.Contains("records: 2\nexpired: 0\n", (await RunAsync(role, "status")).Output, StringComparison.Ordinal);
        await turnstile.OpenAsync();
        (await running).Expect(HttpStatusCode.OK);
    }

    [Fact]
    public async Task EmptyJournal_IsShown()
    {
        var dsn = await server.CreateDatabaseWithoutJournalAsync();
        await using var role = await LoginRole.CreateAsync(dsn, "");
        await role.InstallJournalAsync();

        var (exitCode, _, output) = await RunAsync(role, "status");

        Assert.Equal(0, exitCode);
        Assert.Contains("records: 0\nexpired: 0\n", output, StringComparison.Ordinal);
        Assert.Contains("oldest: none\n", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task NoJournal_SaysWhatToDo()
    {
        var dsn = await server.CreateDatabaseWithoutJournalAsync();
        await using var role = await LoginRole.CreateAsync(dsn, "");

        var status = await RunAsync(role, "status");
        var purge = await RunAsync(role, "purge");

        Assert.Equal(1, status.ExitCode);
        Assert.StartsWith("journal: missing (this gateway has version 5)\n", status.Output, StringComparison.Ordinal);
        Assert.Contains("\"journal install --connection default\" installs it", status.Output, StringComparison.Ordinal);
        Assert.Equal((1, ""), (purge.ExitCode, purge.Output));
        Assert.Contains("\"journal install --connection default\" installs it", purge.Errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("status")]
    [InlineData("purge")]
    public async Task ServerThatIsAway_IsOneSentence(string command)
    {
        var run = await GatewayProcess.RunAsync(
            new Dictionary<string, string> { ["DSN"] = $"postgresql://me:canary@127.0.0.1:{Ports.PickFree()}/db" },
            ["journal", command]);

        Assert.Equal((1, ""), (run.ExitCode, run.Output));
        Assert.Contains("The journal of connection \"default\"", run.Errors, StringComparison.Ordinal);
        Assert.DoesNotContain("canary", run.Errors, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", run.Errors, StringComparison.Ordinal);
    }

    private static Task<(int ExitCode, string Errors, string Output)> RunAsync(LoginRole role, string command) =>
        GatewayProcess.RunAsync(
            new Dictionary<string, string>
            {
                ["DSN"] = role.Dsn,
                ["Gateway__Connections__default__ControlDsn"] = role.ControlDsn,
            },
            ["journal", command]);
}
