using Gateway.Api.Callers;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Gateway.Api.Tests.Callers;

public sealed class IssuerKeysTests
{
    private readonly FakeTimeProvider _clock = new();
    private readonly Source _source = new();
    private readonly IssuerKeys _keys;

    public IssuerKeysTests() =>
        _keys = new IssuerKeys("issuer", _source, _clock, NullLogger<IssuerKeys>.Instance);

    [Fact]
    public async Task ManyWhoWaitForTheFirstFetch_AreAnsweredByIt()
    {
        var waiting = AskTogether();
        _source.Document.SetResult("{\"keys\": []}");

        var answers = await Task.WhenAll(waiting);

        Assert.NotNull(_keys.Current);
        Assert.All(answers, answer => Assert.Same(_keys.Current, answer));
        Assert.Equal(1, _source.Fetches);
    }

    [Fact]
    public async Task ManyWhoWaitForAFirstFetchThatFails_CauseNoOther()
    {
        var waiting = AskTogether();
        _source.Document.SetException(new IOException("away"));

        Assert.All(await Task.WhenAll(waiting), Assert.Null);
        Assert.Null(await _keys.AskAgainAsync());

        Assert.Null(_keys.Current);
        Assert.Equal(1, _source.Fetches);
    }

    [Fact]
    public async Task KeysThatCannotBeReadAgain_HoldForTwelvePeriods()
    {
        _source.Document.SetResult("{\"keys\": []}");
        var keys = await _keys.AskAgainAsync();

        _clock.Advance((IssuerKeys.PeriodsKept * _source.Period) - TimeSpan.FromSeconds(1));
        Assert.Same(keys, _keys.Current);

        _clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Null(_keys.Current);
    }

    [Fact]
    public async Task UnknownKeys_AskTheIssuerEveryFiveSecondsAtMost()
    {
        _source.Document.SetException(new IOException("away"));
        for (var second = 0; second < 20; second++)
        {
            Assert.Null(await _keys.AskAgainAsync());
            Assert.Null(await _keys.AskAgainAsync());
            Assert.Equal(1 + (second / 5), _source.Fetches);
            _clock.Advance(TimeSpan.FromSeconds(1));
        }
    }

    private Task<KeySet?>[] AskTogether() => [.. Enumerable.Range(0, 50).Select(_ => Task.Run(_keys.AskAgainAsync))];

    private sealed record Source() : KeySource("/keys", TimeSpan.FromMinutes(5))
    {
        private int _fetches;

        public TaskCompletionSource<string> Document { get; } = new();

        public int Fetches => _fetches;

        public override Task<string> GetDocumentAsync(string address, CancellationToken cancel)
        {
            Interlocked.Increment(ref _fetches);
            return Document.Task;
        }
    }
}
