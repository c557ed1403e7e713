using Gateway.Api.Journal;
using Gateway.Api.PostgresTests.Servers;
using Npgsql;

namespace Gateway.Api.PostgresTests.ExactlyOnce;

/// <summary>
/// Tests that the effect and its record are kept or lost together, whatever happens to PostgreSQL while clients work.
/// </summary>
public sealed class FailedServerTests(ITestOutputHelper output)
{
    /// <summary>The timeout of requests that meet a silent server.</summary>
    private const int ShortMs = 1000;

    [Fact]
    public Task ServerKilled_EachActivityHasOneEffectAndOneAnswer() => RunAsync(
        Scale.ServerKills,
        Activity.BudgetMs,
        async (server, _) =>
        {
            var start = await ReadStartAsync(server);
            await server.KillAsync();
            await server.StartAgainAsync();
            Assert.NotEqual(start, await ReadStartAsync(server));
        });

    [Fact]
    public Task ServerSilent_EachActivityHasOneEffectAndOneAnswer() => RunAsync(
        Scale.ServerPauses,
        ShortMs,
        async (server, bank) =>
        {
            var before = CountTimeouts(bank);
            await server.PauseAsync();
            try
            {
                // The requests that meet the silence end by their timeouts.
                await Poll.UntilAsync(() => CountTimeouts(bank) > before);
            }
            finally
            {
                await server.ResumeAsync();
            }
        });

    private static int CountTimeouts(BankTransfers bank) =>
        bank.Failures("deadline_exceeded") + bank.Failures("outcome_unknown");

    private static async Task<DateTime> ReadStartAsync(TestServer server)
    {
        await using var session = await GatewayFixture.OpenAsync(server.Dsn);
        await using var start = new NpgsqlCommand("SELECT pg_postmaster_start_time()", session);
        return (DateTime)(await start.ExecuteScalarAsync(TestContext.Current.CancellationToken))!;
    }

    /// <param name="times">The number of failures.</param>
    /// <param name="timeoutMs">The timeout of each request.</param>
    /// <param name="failAsync">Makes the server fail, and work again.</param>
    private async Task RunAsync(int times, int timeoutMs, Func<TestServer, BankTransfers, Task> failAsync)
    {
        var seed = Scale.Seed(output);
        var random = new Random(seed);
        await using var server = await TestServer.StartAsync();
        output.WriteLine(server.Way);
        await GatewayFixture.InstallJournalAsync(server.Dsn, Dsns.Dsn.Parse(server.Dsn).Username!, JournalGuard.None);
        var bank = await BankTransfers.CreateAsync(server.Dsn, seed, timeoutMs: timeoutMs);
        await using var gateway = await RunningGateway.StartAsync($"--DSN={server.Dsn}");
        using var stop = new CancellationTokenSource();
        var clients = bank.RunAsync([gateway.Client], stop.Token);

        for (var failure = 0; failure < times; failure++)
        {
            await TenMoreAsync();
            await Task.Delay(random.Next(100));
            await failAsync(server, bank);
        }
        await TenMoreAsync();
        await stop.CancelAsync();
        await clients;

        var mismatches = await bank.CompareAsync();
        output.WriteLine($"{times} failures; {bank.Report()}; {mismatches}");
        Assert.True(mismatches == Mismatches.None, $"With seed {seed} there are {mismatches}.");
        await bank.AssertReplayedAsync([gateway.Client]);

        Task TenMoreAsync()
        {
            var before = bank.Answered;
            return Poll.UntilAsync(() => bank.Answered >= before + 10 || clients.IsCompleted);
        }
    }
}
