using Gateway.Api.Journal;

namespace Gateway.Api.PostgresTests.ExactlyOnce;

/// <summary>
/// Tests PostgreSQL crashes at any moment while clients work: the effect and its record are kept or lost together.
/// </summary>
public sealed class KilledServerTests(ITestOutputHelper output)
{
    [Fact]
    public async Task ServerStoppedAsInACrash_EachActivityHasOneEffectAndOneAnswer()
    {
        var seed = Scale.Seed(output);
        var random = new Random(seed);
        await using var server = await LocalPostgresServer.StartTemporaryAsync();
        await GatewayFixture.InstallJournalAsync(server.Dsn, server.Username, JournalGuard.None);
        var bank = await BankTransfers.CreateAsync(server.Dsn, seed);
        await using var gateway = await RunningGateway.StartAsync($"--DSN={server.Dsn}");
        using var stop = new CancellationTokenSource();
        var clients = bank.RunAsync([gateway.Client], stop.Token);

        for (var kill = 0; kill < Scale.ServerKills; kill++)
        {
            var before = bank.Answered;
            await Poll.UntilAsync(() => bank.Answered >= before + 10 || clients.IsCompleted);
            await Task.Delay(random.Next(100));
            await server.RestartAsync(ShutdownMode.Immediate);
        }
        await stop.CancelAsync();
        await clients;

        var mismatches = await bank.CompareAsync();
        output.WriteLine($"{Scale.ServerKills} crashes; {bank.Report()}; {mismatches}");
        Assert.True(mismatches == Mismatches.None, $"With seed {seed} there are {mismatches}.");
        await bank.AssertReplayedAsync([gateway.Client]);
    }
}
