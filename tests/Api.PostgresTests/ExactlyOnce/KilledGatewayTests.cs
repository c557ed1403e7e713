namespace Gateway.Api.PostgresTests.ExactlyOnce;

/// <summary>
/// Tests gateways that are killed at any moment while clients work: each activity has one effect and one answer.
/// </summary>
public sealed class KilledGatewayTests(GatewayFixture fixture, ITestOutputHelper output)
{
    [Fact]
    public async Task Killed_EachActivityHasOneEffectAndOneAnswer()
    {
        var (mismatches, seed) = await RunAsync(Activity.ExactlyOnce, Scale.GatewayKills);

        Assert.True(mismatches == Mismatches.None, $"With seed {seed} there are {mismatches}.");
    }

    /// <summary>
    /// Shows that the test can find mismatches: without the journal, such kills soon double an effect.
    /// </summary>
    [Fact]
    public async Task KilledWithoutTheJournal_MismatchesAreFound()
    {
        var (mismatches, seed) = await RunAsync(Activity.AtLeastOnce, Scale.GatewayKillsUnrecorded);

        Assert.True(mismatches is { Doubled: > 0, Balances: > 0, Lost: 0 }, $"With seed {seed} there are {mismatches}.");
    }

    private async Task<(Mismatches Mismatches, int Seed)> RunAsync(string delivery, int kills)
    {
        var seed = Scale.Seed(output);
        var random = new Random(seed);
        var dsn = await fixture.CreateDatabaseAsync();
        var bank = await BankTransfers.CreateAsync(dsn, seed, delivery);
        await using var replicas = await Replicas.StartAsync(dsn);
        using var stop = new CancellationTokenSource();
        var clients = bank.RunAsync(replicas.Clients, stop.Token);

        var kill = 0;
        for (; kill < kills && (delivery == Activity.ExactlyOnce || (await bank.CompareAsync()).Doubled == 0); kill++)
        {
            // While the other gateway starts, all clients use this one, so the kill hits requests.
            await replicas.UntilAllListenAsync();
            await Task.Delay(random.Next(20, 120));
            await replicas.KillAsync(kill % replicas.Clients.Count);
        }
        await replicas.UntilAllListenAsync();
        await stop.CancelAsync();
        await clients;

        var mismatches = await bank.CompareAsync();
        output.WriteLine($"{kill} kills; {bank.Report()}; {mismatches}");
        // Otherwise the kills have hit no requests.
        Assert.True(bank.Failures(Retrying.Unanswered) >= kill, $"With seed {seed} the kills have missed the clients: {bank.Report()}");
        if (delivery == Activity.ExactlyOnce)
            await bank.AssertReplayedAsync(replicas.Clients);
        return (mismatches, seed);
    }
}
