using Gateway.Api.Postgres;
using Microsoft.Extensions.Time.Testing;

namespace Gateway.Api.Tests.Postgres;

public sealed class BoundedWaitTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(2);

    private readonly FakeTimeProvider _clock = new();
    private readonly TaskCompletionSource _work = new();
    private CancellationToken _ending;

    [Fact]
    public async Task WorkThatEndsInTime_IsTheResult()
    {
        var running = RunAsync();
        _work.SetException(new InvalidOperationException("its own"));

        Assert.Equal("its own", (await Assert.ThrowsAsync<InvalidOperationException>(() => running)).Message);
    }

    [Fact]
    public async Task WorkPastTheLimit_IsAbandonedAndCancelledTenSecondsLater()
    {
        var running = RunAsync();

        _clock.Advance(Limit);
        await Assert.ThrowsAsync<TimeoutException>(() => running);
        _clock.Advance(TimeSpan.FromSeconds(9));
        Assert.False(_ending.IsCancellationRequested);

        var cancelled = new TaskCompletionSource();
        using var registration = _ending.Register(cancelled.SetResult);
        _clock.Advance(TimeSpan.FromSeconds(1));
        await cancelled.Task;
        _work.SetCanceled(_ending);
    }

    [Fact]
    public async Task WaitThatIsCancelled_AbandonsTheWorkAtOnce()
    {
        using var leaving = new CancellationTokenSource();
        var running = RunAsync(leaving.Token);

        await leaving.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
        Assert.False(_ending.IsCancellationRequested);
        _work.SetResult();
    }

    private Task RunAsync(CancellationToken cancellation = default) => BoundedWait.RunAsync(
        ending =>
        {
            _ending = ending;
            return _work.Task;
        },
        Limit, _clock, cancellation);
}
