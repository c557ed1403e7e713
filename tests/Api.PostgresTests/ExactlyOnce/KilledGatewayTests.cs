namespace Gateway.Api.PostgresTests.ExactlyOnce;

/// <summary>Gateways are killed at any moment while clients work, and each activity has one effect and one answer.</summary>
public sealed class KilledGatewayTests(GatewayFixture fixture, ITestOutputHelper output)
{
    [Fact]
    public async Task Killed_EachActivityHasOneEffectAndOneAnswer()
    {
        var (mismatches, seed) = await RunAsync(Activity.ExactlyOnce, Scale.GatewayKills);

        Assert.True(mismatches == Mismatches.None, $"With seed {seed} there are {mismatches}.");
    }

    /// <summary>That the harness sees what it looks for: without the journal, such kills soon double an effect.</summary>
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
            // While the other starts, the clients are all at this one: what is killed has work.
            await replicas.UntilAllListenAsync();
            await Task.Delay(random.Next(20, 120));
            await replicas.KillAsync(kill % replicas.Clients.Count);
        }
        await replicas.UntilAllListenAsync();
        await stop.CancelAsync();
        await clients;

        var mismatches = await bank.CompareAsync();
        output.WriteLine($"{kill} kills; {bank.Report()}; {mismatches}");
        // Else the kills have hit nothing.
        Assert.True(bank.Failures(Retrying.Unanswered) >= kill, $"With seed {seed} the kills have missed the clients: {bank.Report()}");
        if (delivery == Activity.ExactlyOnce)
            await bank.AssertReplayedAsync(replicas.Clients);
        return (mismatches, seed);
    }
}
