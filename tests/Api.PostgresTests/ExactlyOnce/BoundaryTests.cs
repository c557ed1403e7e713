using System.Net;
using Gateway.Api.PostgresTests.Faults;

namespace Gateway.Api.PostgresTests.ExactlyOnce;

/// <summary>How a gateway ends.</summary>
public enum Ending
{
    /// <summary>Killed.</summary>
    Killed,

    /// <summary>Stopped in order, after it has finished its requests.</summary>
    Stopped,
}

/// <summary>
/// Tests a gateway that ends exactly between two steps of an activity. Another gateway gets the retry, and the activity
/// has one effect.
/// </summary>
public sealed class BoundaryTests(GatewayFixture fixture, ITestOutputHelper output)
{
    /// <summary>The time in which the retry can meet the transaction that was left behind.</summary>
    private static readonly TimeSpan Overlap = TimeSpan.FromMilliseconds(50);

    /// <summary>Opened is a step of a session. An activity may run in a session that is open already.</summary>
    public static TheoryData<Boundary, Ending> Cases => new MatrixTheoryData<Boundary, Ending>(
        Enum.GetValues<Boundary>().Where(boundary => boundary != Boundary.Opened), Enum.GetValues<Ending>());

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task EndedThere_TheRetryElsewhereHasOneEffectAndOneAnswer(Boundary boundary, Ending ending)
    {
        await using var effects = await Effects.CreateAsync(fixture);
        await using var other = await RunningGateway.StartAsync($"--DSN={effects.Dsn}");
        var retrying = new Retrying([other.Client]);
        for (var round = 0; round < Scale.EndsAtBoundary; round++)
        {
            var id = $"boundary/{round}";
            await RunAsync(effects, Activity.Execute(id, Effects.Insert, new[] { id }), boundary, ending, retrying);
        }
        output.WriteLine($"the retries met: {string.Join(", ", retrying.Failures)}");
    }

    private static async Task RunAsync(Effects effects, Activity activity, Boundary boundary, Ending ending, Retrying retrying)
    {
        await using var proxy = FaultProxy.Start(effects.Dsn);
        var address = $"http://127.0.0.1:{Ports.PickFree()}";
        await using var gateway = await Replicas.StartOneAsync(proxy.Dsn, address);
        using var caller = new GatewayClient(new Uri(address));
        // So that there is an idle session for the activity.
        await caller.QueryAsync("SELECT 1");
        var hold = new HoldAt(boundary);
        proxy.Set(hold);
        var runs = await effects.RunsAsync();

        var first = Retrying.TryAsync(caller, activity);
        await hold.ReachedAsync();
        await AssertThereAsync(effects, activity, boundary, runs);
        var ended = EndAsync(gateway, ending, hold);
        var answer = await retrying.RunAsync(activity);
        await ended;

        Assert.Equal(1, await effects.CountAsync(activity));
        if (await first is { Status: HttpStatusCode.OK } whole)
            Assert.Equal(answer.Text, whole.Text);
        else
            Assert.True(ending == Ending.Killed || (await first)?.Status >= HttpStatusCode.InternalServerError);
        await retrying.AssertReplayedAsync(activity, answer);
    }

    /// <summary>Ends the gateway, and releases the held connection a little later.</summary>
    private static async Task EndAsync(GatewayProcess gateway, Ending ending, HoldAt hold)
    {
        if (ending == Ending.Killed)
        {
            await gateway.KillAsync();
            await Task.Delay(Overlap);
            hold.Drop();
        }
        else
        {
            var exit = gateway.TerminateAsync();
            await Task.Delay(Overlap);
            hold.Release();
            Assert.Equal(0, await exit);
        }
    }

    /// <summary>Asserts that the server has done everything before the boundary, and nothing after it.</summary>
    private static async Task AssertThereAsync(Effects effects, Activity activity, Boundary boundary, long runs)
    {
        if (boundary < Boundary.CommitSent)
            await effects.UntilWaitingAsync("ClientRead", "backend_xid IS NOT NULL");
        Assert.Equal(boundary == Boundary.Claimed ? runs : runs + 1, await effects.RunsAsync());
        if (boundary != Boundary.CommitSent)
            Assert.Equal(boundary == Boundary.CommitDone ? 1 : 0, await effects.CountAsync(activity));
    }
}
