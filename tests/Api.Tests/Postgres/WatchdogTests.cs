using Gateway.Api.Postgres;
using Microsoft.Extensions.Time.Testing;
using Npgsql;

namespace Gateway.Api.Tests.Postgres;

public sealed class WatchdogTests : IAsyncLifetime
{
    private static readonly Backend Backend = new(ProcessId: 1, ClientPort: null);

    private readonly FakeTimeProvider _clock = new();

    // Nothing listens on this port.
    private readonly SessionSource _nowhere = SessionSource.Plain(NpgsqlDataSource.Create("Host=127.0.0.1;Port=1;Username=nobody"));

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public ValueTask DisposeAsync() => _nowhere.DisposeAsync();

    [Fact]
    public async Task ServerThatDoesNotAnswer_IsGivenUpAfter350Milliseconds()
    {
        var begun = _clock.GetTimestamp();
        var ending = new Watchdog(_nowhere, _nowhere, _clock).EndAsync(Backend, new TaskCompletionSource().Task);
        while (!ending.IsCompleted)
        {
            _clock.Advance(TimeSpan.FromMilliseconds(10));
            await Task.Yield();
        }

        Assert.False(await ending);
        Assert.True(_clock.GetElapsedTime(begun) >= TimeSpan.FromMilliseconds(350));
    }

    [Fact]
    public async Task WorkThatEnds_IsNotWaitedForAnyLonger()
    {
        var work = new TaskCompletionSource();
        var ending = new Watchdog(_nowhere, _nowhere, _clock).EndAsync(Backend, work.Task);

        work.SetResult();

        Assert.True(await ending);
    }
}
