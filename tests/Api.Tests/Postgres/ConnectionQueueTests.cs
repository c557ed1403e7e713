using Gateway.Api.Errors;
using Gateway.Api.Postgres;
using Gateway.Contracts;
using Microsoft.Extensions.Time.Testing;

namespace Gateway.Api.Tests.Postgres;

public sealed class ConnectionQueueTests : IDisposable
{
    private readonly CancellationTokenSource _left = new();
    private readonly Deadline _deadline = new(TimeSpan.FromMinutes(5), TimeSpan.Zero, TimeProvider.System, CancellationToken.None);

    public void Dispose()
    {
        _left.Dispose();
        _deadline.Dispose();
    }

    [Fact]
    public async Task FreePlaces_AreGivenAtOnceAndComeBack()
    {
        var queue = new ConnectionQueue("c", places: 2, queueLimit: 0);

        var first = await queue.EnterAsync("a", _deadline);
        var second = await queue.EnterAsync("a", _deadline);
        await AssertSaturatedAsync(queue.EnterAsync("a", _deadline));
        first.Dispose();
        second.Dispose();

        using var third = await queue.EnterAsync("a", _deadline);
    }

    [Fact]
    public async Task HeldPlace_CountsUntilItIsGivenUp()
    {
        var queue = new ConnectionQueue("c", places: 1, queueLimit: 1);
        var running = await queue.EnterAsync("a", _deadline);
        var held = queue.Hold();
        var waiting = queue.EnterAsync("b", _deadline).AsTask();

        running.Dispose();
        running.Dispose();
        Assert.False(waiting.IsCompleted);
        held.Dispose();

        using var place = await waiting;
        Assert.Equal(1, queue.Read().Taken);
    }

    [Fact]
    public async Task RequestWhoseSessionIsHeld_WaitsForItsTurnBeforeItHasAnother()
    {
        var queue = new ConnectionQueue("c", places: 1, queueLimit: 1);
        using var place = await queue.EnterAsync("a", _deadline);
        await queue.RenewAsync(place, "a", _deadline);

        var held = queue.Hold();
        var renewing = queue.RenewAsync(place, "a", _deadline).AsTask();
        Assert.False(renewing.IsCompleted);
        Assert.Equal(1, queue.Read().Taken);
        held.Dispose();
        await renewing;

        Assert.Equal(1, queue.Read().Taken);
        place.Dispose();
        Assert.Equal(0, queue.Read().Taken);
    }

    [Fact]
    public async Task Waiting_IsInTheOrderOfArrival()
    {
        var queue = new ConnectionQueue("c", places: 1, queueLimit: 10);
        var running = await queue.EnterAsync("a", _deadline);
        var waiting = Enumerable.Range(0, 3).Select(_ => queue.EnterAsync("a", _deadline).AsTask()).ToArray();

        foreach (var next in waiting)
        {
            Assert.False(next.IsCompleted);
            running.Dispose();
            running = await next;
        }
    }

    [Fact]
    public async Task Callers_TakeTurns()
    {
        var queue = new ConnectionQueue("c", places: 1, queueLimit: 10);
        var running = await queue.EnterAsync("a", _deadline);
        var order = new List<string>();
        var waiting = new[] { "a", "a", "a", "b", "c", "b" }.Select(caller => NoteAsync(caller)).ToArray();

        running.Dispose();
        await Task.WhenAll(waiting);

        Assert.Equal(["a", "b", "c", "a", "b", "a"], order);

        async Task NoteAsync(string caller)
        {
            using var place = await queue.EnterAsync(caller, _deadline);
            order.Add(caller);
        }
    }

    [Fact]
    public async Task FullQueue_TheCallerWithMostInItGivesWayWithItsNewest()
    {
        var queue = new ConnectionQueue("c", places: 1, queueLimit: 4);
        var running = await queue.EnterAsync("a", _deadline);
        var flood = Enumerable.Range(0, 4).Select(_ => queue.EnterAsync("a", _deadline).AsTask()).ToArray();

        var first = queue.EnterAsync("b", _deadline).AsTask();
        var second = queue.EnterAsync("b", _deadline).AsTask();
        await AssertSaturatedAsync(queue.EnterAsync("b", _deadline));
        await AssertSaturatedAsync(queue.EnterAsync("a", _deadline));

        await AssertSaturatedAsync(new(flood[3]));
        await AssertSaturatedAsync(new(flood[2]));
        Assert.Equal(4, queue.Waiting);
        foreach (var expected in new[] { flood[0], first, flood[1], second })
        {
            running.Dispose();
            running = await expected;
        }
    }

    [Fact]
    public async Task WaitingCallerThatLeaves_GivesItsPlaceInTheQueueFree()
    {
        var queue = new ConnectionQueue("c", places: 1, queueLimit: 1);
        var running = await queue.EnterAsync("a", _deadline);
        using var leaving = new Deadline(TimeSpan.FromMinutes(5), TimeSpan.Zero, TimeProvider.System, _left.Token);
        var gone = queue.EnterAsync("a", leaving).AsTask();
        await AssertSaturatedAsync(queue.EnterAsync("a", _deadline));

        await _left.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => gone);

        var waiting = queue.EnterAsync("a", _deadline).AsTask();
        running.Dispose();
        using var place = await waiting;
    }

    [Fact]
    public async Task WaitingPastTheDeadline_IsDeadlineExceeded()
    {
        var queue = new ConnectionQueue("c", places: 1, queueLimit: 1);
        using var running = await queue.EnterAsync("a", _deadline);
        var clock = new FakeTimeProvider();
        using var brief = new Deadline(TimeSpan.FromSeconds(20), TimeSpan.Zero, clock, CancellationToken.None);

        var waiting = queue.EnterAsync("a", brief).AsTask();
        clock.Advance(TimeSpan.FromSeconds(19));
        Assert.Equal(1, queue.Waiting);
        clock.Advance(TimeSpan.FromSeconds(1));
        var failure = await Assert.ThrowsAsync<Failure>(() => waiting);

        Assert.Equal(ProblemCode.DeadlineExceeded, failure.Code);
        Assert.Equal(0, queue.Waiting);
    }

    /// <summary>Requests arrive, wait, leave and end at random: no place is ever lost or given twice.</summary>
    [Fact]
    public async Task RandomUse_KeepsEveryPlace()
    {
        const int Places = 3;
        var seed = Random.Shared.Next();
        var random = new Random(seed);
        var queue = new ConnectionQueue("c", Places, queueLimit: 5);
        var running = 0;
        var most = 0;
        var requests = Enumerable.Range(0, 2000).Select(n => UseAsync($"caller{random.Next(4)}", random.Next(3), n)).ToArray();

        await Task.WhenAll(requests);

        Assert.True(most <= Places, $"Seed {seed}: {most} ran at once.");
        Assert.Equal(0, queue.Waiting);
        for (var i = 0; i < Places; i++)
            await queue.EnterAsync("a", _deadline);
        await AssertWaitsAsync(queue);

        async Task UseAsync(string caller, int patience, int start)
        {
            await Task.Delay(start / 20);
            using var deadline = new Deadline(TimeSpan.FromMilliseconds(1 + (patience * 3)), TimeSpan.Zero, TimeProvider.System, CancellationToken.None);
            try
            {
                using var place = await queue.EnterAsync(caller, deadline);
                InterlockedMax(ref most, Interlocked.Increment(ref running));
                await Task.Yield();
                Interlocked.Decrement(ref running);
            }
            catch (Failure failure) when (failure.Code is ProblemCode.Saturated or ProblemCode.DeadlineExceeded)
            {
            }
        }
    }

    private static void InterlockedMax(ref int target, int value)
    {
        int seen;
        while ((seen = Volatile.Read(ref target)) < value && Interlocked.CompareExchange(ref target, value, seen) != seen)
        {
        }
    }

    private async Task AssertWaitsAsync(ConnectionQueue queue)
    {
        using var leaving = new Deadline(TimeSpan.FromMinutes(5), TimeSpan.Zero, TimeProvider.System, _left.Token);
        var waiting = queue.EnterAsync("a", leaving).AsTask();
        Assert.Equal(1, queue.Waiting);
        await _left.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
    }

    private static async Task AssertSaturatedAsync(ValueTask<ConnectionQueue.Place> entering)
    {
        var failure = await Assert.ThrowsAsync<Failure>(async () => await entering);
        Assert.Equal(ProblemCode.Saturated, failure.Code);
    }
}
