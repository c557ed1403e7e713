using System.Net;
using Gateway.Api.PostgresTests.Engines;
using Npgsql;

namespace Gateway.Api.PostgresTests.Failover;

/// <summary>
/// Tests that a cluster's failures lose and double nothing: a real cluster, under writers that come by several hosts in
/// the DSN, by HAProxy and by PgBouncer. The variable <c>FAILOVER=full</c>, or a part of a failure's name, chooses other
/// failures than the first two, and adds a writer that uses DBOS. docs/high-availability.md has the figures of all.
/// </summary>
public sealed class FailoverTests(GatewayFixture fixture, ITestOutputHelper output)
{
    /// <summary>The number of failures that are tested in any case.</summary>
    private const int Always = 2;

    private static readonly Failure[] Failures =
    [
        new("switchover", now => now.Leader.SendAsync(
            HttpMethod.Post, "switchover", $"{{\"leader\": \"{now.Leader.Name}\", \"candidate\": \"{now.Standby.Name}\"}}")),
        new("kill -9 of the leader's postmaster", now => now.Leader.KillServerAsync()),
        new("SIGTERM of the leader", now => now.Leader.TerminateAsync()) { RepairAsync = now => now.Leader.StartAsync() },
        new("kill -9 of the leader's node", now => now.Leader.KillAsync()) { RepairAsync = now => now.Leader.StartAsync() },
        new("leader cut off from the network", now => DoAsync(now.Leader.CutOff)) { RepairAsync = now => DoAsync(now.Leader.Reconnect) },
        new("kill -9 of the standby's node", now => now.Standby.KillAsync())
        {
            Promotes = false,
            RepairAsync = now => now.Standby.StartAsync(),
        },
        new("standby that lags for longer than the writers wait", async now =>
        {
            await LagAsync(now);
            now.Leader.Reconnect();
        })
        {
            Promotes = false,
        },
        new("the same, and then kill -9 of the leader's postmaster", async now =>
        {
            await LagAsync(now);
            await now.Leader.KillServerAsync();
        })
        {
            RepairAsync = now => DoAsync(now.Leader.Reconnect),
        },
    ];

    private static string? Choice => Environment.GetEnvironmentVariable("FAILOVER");

    private static IEnumerable<Failure> Chosen => Choice switch
    {
        null or "" => Failures.Take(Always),
        "full" => Failures,
        var part => Failures.Where(failure => failure.Name.Contains(part, StringComparison.Ordinal)),
    };

    [Fact]
    public async Task FailuresOfACluster_LoseAndDoubleNothing()
    {
        await using var cluster = await PatroniCluster.StartAsync();
        var role = await FailoverLoad.PrepareAsync(cluster);
        DbosTests.SystemDatabase? dbos = null;
        if (Choice is { Length: > 0 })
        {
            dbos = new DbosTests.SystemDatabase(fixture);
            await dbos.InitializeAsync();
        }
        await using var load = await FailoverLoad.StartAsync(cluster, role, "synchronous", dbos?.Url);
        await load.ProgressAsync();

        foreach (var failure in Chosen)
            await FailAsync(failure, cluster, load);
        await load.StopAsync();

        var effects = await load.EffectsAsync();
        var acknowledged = load.Acknowledged;
        output.WriteLine($"{acknowledged.Count} writes were answered, by {load.Answers.Count()} answers.");
        Assert.Empty(acknowledged.Except(effects.Keys));
        Assert.All(effects, effect => Assert.Equal(1, effect.Value));
        Assert.Empty(load.Answers.Where(IsFinalFailure).Select(answer => answer.Text).Distinct());
        var own = acknowledged.Where(activity => !activity.StartsWith("DBOS/", StringComparison.Ordinal));
        foreach (var activity in own.Where((_, index) => index % 10 == 0))
            Assert.Equal("true", (await load.SendAgainAsync(activity)).Headers["Idempotent-Replayed"]);
    }

    /// <summary>
    /// Without synchronous replication, what was answered can be lost. So the test above can fail. A connection whose
    /// durability is synchronous answers nothing meanwhile.
    /// </summary>
    [Fact]
    public async Task AsynchronousReplication_LosesWhatWasAnsweredUnlessTheDurabilityIsSynchronous()
    {
        await using var cluster = await PatroniCluster.StartAsync();
        var role = await FailoverLoad.PrepareAsync(cluster);
        await using var load = await FailoverLoad.StartAsync(cluster, role, "asynchronous", hasDurable: true);
        await load.ProgressAsync();
        load.AwaitsDurable = false;
        await cluster.SetSynchronousAsync(false);
        await load.ProgressAsync();

        await FailAsync(
            new("standby that lags, and kill -9 of the leader's postmaster", async now =>
            {
                now.Leader.HoldReplication();
                await load.ProgressAsync();
                await now.Leader.KillServerAsync();
            })
            {
                RepairAsync = now => DoAsync(now.Leader.Reconnect),
            },
            cluster, load, isSynchronous: false);
        await cluster.SetSynchronousAsync(true);
        load.AwaitsDurable = true;
        await load.ProgressAsync();
        await load.StopAsync();

        var effects = await load.EffectsAsync();
        var durable = load.Acknowledged.Where(FailoverLoad.IsDurable).ToArray();
        var others = load.Acknowledged.Except(durable).ToArray();
        var lost = others.Except(effects.Keys).Count();
        output.WriteLine(
            $"{lost} of {others.Length} writes that were answered are lost, and of {durable.Length} durable ones none.");
        Assert.True(lost > 0);
        Assert.NotEmpty(durable);
        Assert.Empty(durable.Except(effects.Keys));
        Assert.All(effects, effect => Assert.Equal(1, effect.Value));
        Assert.Empty(load.Answers.Where(IsFinalFailure).Select(answer => answer.Text).Distinct());
    }

    private async Task FailAsync(Failure failure, PatroniCluster cluster, FailoverLoad load, bool isSynchronous = true)
    {
        try
        {
            await FailAndRepairAsync(failure, cluster, load, isSynchronous);
        }
        catch (Exception error) when (error is TimeoutException or NpgsqlException)
        {
            throw new InvalidOperationException($"{failure.Name}: {error.Message}\n{cluster.Log}", error);
        }
    }

    private async Task FailAndRepairAsync(Failure failure, PatroniCluster cluster, FailoverLoad load, bool isSynchronous)
    {
        var leader = await cluster.LeaderAsync();
        var now = new Situation(leader, cluster.Other(leader), load);
        var timeline = await cluster.TimelineAsync();
        var begun = TimeProvider.System.GetUtcNow();
        var promotion = failure.Promotes ? now.Standby.PromotionAsync() : null;
        await failure.FailAsync(now);
        var promoted = promotion is null ? (DateTimeOffset?)null : await promotion;
        await load.ProgressAsync();
        output.WriteLine($"{failure.Name}: longest time without an answer: {load.Report(begun)}.");
        if (promoted is { } moment)
            output.WriteLine($"From the promotion to the first answer: {load.FirstAfter(moment)}.");
        if (failure.RepairAsync is not null)
            await failure.RepairAsync(now);
        await cluster.UntilCompleteAsync(isSynchronous);
        await load.ProgressAsync();
        if (failure.Promotes)
            Assert.True(await cluster.TimelineAsync() > timeline, $"{failure.Name}: no standby was promoted.");
    }

    /// <summary>Lets commits wait for the standby until the writers' timeouts have passed.</summary>
    private static async Task LagAsync(Situation now)
    {
        var failed = now.Load.Answers.Count(answer => answer.Status != HttpStatusCode.OK);
        now.Leader.HoldReplication();
        await Poll.UntilAsync(
            () => now.Load.Answers.Count(answer => answer.Status != HttpStatusCode.OK) >= failed + 3, TimeSpan.FromSeconds(60));
    }

    /// <summary>Whether an engine would give up after the answer.</summary>
    private static bool IsFinalFailure(Answer answer) =>
        answer.Status != HttpStatusCode.OK && !answer.Json.GetProperty("retryable").GetBoolean();

    private static Task DoAsync(Action action)
    {
        action();
        return Task.CompletedTask;
    }

    private sealed record Situation(PatroniNode Leader, PatroniNode Standby, FailoverLoad Load);

    private sealed record Failure(string Name, Func<Situation, Task> FailAsync)
    {
        /// <summary>Gets whether the standby is promoted.</summary>
        public bool Promotes { get; init; } = true;

        /// <summary>Gets what makes the cluster complete again, if it does not do so by itself.</summary>
        public Func<Situation, Task>? RepairAsync { get; init; }
    }
}
