using Gateway.Api.Callers;
using Microsoft.Extensions.Logging.Abstractions;

namespace Gateway.Api.Tests.Callers;

public sealed class IssuerKeysTests
{
    private readonly Source _source = new();
    private readonly IssuerKeys _keys;

    public IssuerKeysTests() =>
        _keys = new IssuerKeys("issuer", _source, TimeProvider.System, NullLogger<IssuerKeys>.Instance);

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
