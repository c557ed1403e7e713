using System.Net;
using Gateway.Api.PostgresTests.Faults;

namespace Gateway.Api.PostgresTests.ExactlyOnce;

/// <summary>
/// Tests a lost answer to COMMIT, after which it is unknown whether there is an effect. The same activity ID settles
/// it.
/// </summary>
public sealed class CommitAnswerTests(GatewayFixture fixture, ITestOutputHelper output)
{
    /// <summary>A silent connection is waited for until the deadline, so only few of them are silent.</summary>
    private const int SilentEvery = 8;

    [Fact]
    public async Task AnswerToCommitDropped_EachActivityHasOneEffectAndOneAnswer()
    {
        await using var effects = await Effects.CreateAsync(fixture);
        await using var proxy = FaultProxy.Start(effects.Dsn);
        await using var gateway = await RunningGateway.StartAsync($"--DSN={proxy.Dsn}", "--Gateway:Connections:default:PoolSize=4");
        var retrying = new Retrying([gateway.Client]);
        var settled = 0;

        for (var number = 0; number < Scale.CommitAnswersDropped; number++)
        {
            // Now a session is idle. The next request uses it and loses its answer, and the one after it does not.
            await gateway.Client.QueryAsync("SELECT 1");
            proxy.SetExisting(new DropCommitAnswer(Reset: number % SilentEvery != 0));
            var id = $"dropped/{number}";
            var activity = Activity.Execute(id, Effects.Insert, new[] { id }, timeoutMs: 1500);

            var first = await Retrying.TryAsync(gateway.Client, activity);
            Assert.Equal(number + 1, proxy.CommitAnswersDropped);
            proxy.SetExisting(Fault.None);
            settled += first?.Status == HttpStatusCode.OK ? 1 : 0;
            var answer = first?.Status == HttpStatusCode.OK ? first : await retrying.RunAsync(activity);

            Assert.Equal(1, await effects.CountAsync(activity));
            await retrying.AssertReplayedAsync(activity, answer);
        }
        Assert.True(settled > 0, "The gateway has left all of them to the retry.");
        output.WriteLine($"{settled} of {Scale.CommitAnswersDropped} were settled by the gateway, the others by a retry");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task RetriedElsewhereWhileItCommits_HasOneEffectAndOneAnswer(bool serverLost)
    {
        await using var effects = await Effects.CreateAsync(fixture);
        await effects.DelayCommitAsync(0.3);
        await using var proxy = FaultProxy.Start(effects.Dsn);
        await using var gateway = await RunningGateway.StartAsync($"--DSN={proxy.Dsn}");
        await using var other = await RunningGateway.StartAsync($"--DSN={effects.Dsn}");
        var retrying = new Retrying([other.Client]);

        for (var number = 0; number < Scale.CommitsOvertaken / 2; number++)
        {
            var id = $"overtaken/{number}";
            var activity = Activity.Execute(id, Effects.Insert, new[] { id });
            var caller = new GatewayClient(gateway.Address);
            var first = Retrying.TryAsync(caller, activity);
            await effects.UntilWaitingAsync("PgSleep");
            // Either the connection to the server or that to the caller is lost.
            if (serverLost)
                proxy.SetExisting(new Reset());
            else
                caller.Dispose();
            Assert.Equal(0, await effects.CountAsync(activity));

            var answer = await retrying.RunAsync(activity);

            Assert.Equal(1, await effects.CountAsync(activity));
            if (await first is { Status: HttpStatusCode.OK } whole)
                Assert.Equal(answer.Text, whole.Text);
            await retrying.AssertReplayedAsync(activity, answer);
            caller.Dispose();
        }
        output.WriteLine($"the retries met: {string.Join(", ", retrying.Failures)}");
    }
}
