using Microsoft.IdentityModel.Protocols;

namespace Gateway.Api.Callers;

/// <summary>
/// Holds an issuer's keys. <see cref="ConfigurationManager{T}"/> fetches and keeps them, one fetch at a time. This
/// class adds what it lacks: periods below 5 minutes, an expiry of kept keys, and a refresh rate limit that also holds
/// while fetches fail.
/// </summary>
internal sealed partial class IssuerKeys : IConfigurationRetriever<KeySet>
{
    /// <summary>The number of periods that keys stay valid if they can't be read again.</summary>
    public const int PeriodsKept = 12;

    private static readonly TimeSpan MaxPause = TimeSpan.FromSeconds(5);

    /// <summary>
    /// The time for which a failed fetch is the result for all requests that waited for it. Otherwise the manager would
    /// fetch again for each of them.
    /// </summary>
    private static readonly TimeSpan FailureKept = TimeSpan.FromMilliseconds(500);

    private readonly string _issuer;
    private readonly TimeSpan _period;
    private readonly TimeSpan _pause;
    private readonly TimeProvider _clock;
    private readonly ILogger<IssuerKeys> _log;
    private readonly ConfigurationManager<KeySet> _manager;

    // Written by one fetch at a time.
    private volatile Known? _known;
    private volatile Fetch? _fetch;
    private bool _fails;

    // With this switch, a request whose token has an unknown key waits for the new keys. Otherwise the manager would
    // return the old ones at once.
    static IssuerKeys() => AppContext.SetSwitch("Switch.Microsoft.IdentityModel.UpdateConfigAsBlocking", true);

    public IssuerKeys(string issuer, KeySource source, TimeProvider clock, ILogger<IssuerKeys> log)
    {
        (_issuer, _period, _clock, _log) = (issuer, source.Period, clock, log);
        _pause = source.Period < MaxPause ? source.Period : MaxPause;
        _manager = new ConfigurationManager<KeySet>(source.Address, this, source)
        {
            RefreshInterval = ConfigurationManager<KeySet>.MinimumRefreshInterval,
        };
    }

    /// <summary>Gets the keys; null if they were never read, or too long ago.</summary>
    public KeySet? Current =>
        _known is { } known && _clock.GetElapsedTime(known.At) < PeriodsKept * _period ? known.Keys : null;

    /// <summary>Returns keys that are at most 5 seconds old; null if they can't be read.</summary>
    public async Task<KeySet?> AskAgainAsync()
    {
        if (_fetch is not { } last || _clock.GetElapsedTime(last.Begun) >= _pause)
            _manager.RequestRefresh();
        else if (last.FailedAt is not null)
            return null;
        return await GetAsync();
    }

    /// <summary>Reads the keys once in each period, until it is stopped.</summary>
    public async Task WatchAsync(CancellationToken stopping)
    {
        try
        {
            while (true)
            {
                _manager.RequestRefresh();
                var keys = await GetAsync().WaitAsync(stopping);
                await Task.Delay(keys is null ? _pause : _period, _clock, stopping);
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // The host is stopping.
        }
    }

    /// <summary>Called by the manager, once at a time.</summary>
    public async Task<KeySet> GetConfigurationAsync(
        string address, IDocumentRetriever retriever, CancellationToken cancel)
    {
        if (_fetch?.FailedAt is { } failed && _clock.GetElapsedTime(failed) < FailureKept)
            throw new IOException("The keys could not be read a moment ago.");
        var fetch = new Fetch(_clock.GetTimestamp(), FailedAt: null);
        _fetch = fetch;
        try
        {
            var keys = Take(await retriever.GetDocumentAsync(address, cancel));
            if (_fails)
                Recovered(_issuer);
            _fails = false;
            return keys;
        }
        catch (Exception error)
        {
            // An outage can last for hours, so only its beginning is logged.
            if (!_fails)
                Failed(_issuer, error.Message.ReplaceLineEndings(" "));
            _fails = true;
            _fetch = fetch with { FailedAt = _clock.GetTimestamp() };
            throw;
        }
    }

    /// <summary>Returns the keys of the last fetch, which it waits for; null if it failed.</summary>
    private async Task<KeySet?> GetAsync()
    {
        try
        {
            var keys = await _manager.GetConfigurationAsync(CancellationToken.None);
            return _fetch is { FailedAt: null } ? keys : null;
        }
        catch (InvalidOperationException)
        {
            // No fetch has succeeded yet.
            return null;
        }
    }

    /// <summary>
    /// Returns the keys of a document. The same document gives the same set, so the tokens that were checked with it
    /// stay in the cache.
    /// </summary>
    private KeySet Take(string document)
    {
        var keys = _known?.Keys is { } before && before.IsOf(document) ? before : KeySet.Parse(document);
        if (keys.Count == 0 && keys != _known?.Keys)
            Empty(_issuer);
        _known = new Known(keys, _clock.GetTimestamp());
        return keys;
    }

    [LoggerMessage(34, LogLevel.Warning, "The keys of Gateway__Issuers__{Issuer} can't be read: {Reason}")]
    private partial void Failed(string issuer, string reason);

    [LoggerMessage(31, LogLevel.Information, "The keys of Gateway__Issuers__{Issuer} are read again")]
    private partial void Recovered(string issuer);

    [LoggerMessage(32, LogLevel.Warning, "Gateway__Issuers__{Issuer} has no key that can check a token")]
    private partial void Empty(string issuer);

    private sealed record Known(KeySet Keys, long At);

    private sealed record Fetch(long Begun, long? FailedAt);
}
