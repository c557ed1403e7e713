namespace Gateway.Api.Callers;

/// <summary>
/// An issuer's keys as they were read last. They are read again and again, and at once where a token names one that is not among
/// them; by one at a time, and so seldom that whoever sends nonsense can't make us a burden to the issuer.
/// </summary>
internal sealed partial class IssuerKeys(string issuer, KeySource source, TimeProvider clock, ILogger<IssuerKeys> log)
{
    /// <summary>For so many periods keys hold that can't be read again: an issuer that is away for a while locks nobody out.</summary>
    public const int PeriodsKept = 12;

    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(5);

    private readonly Lock _lock = new();
    private CancellationToken _stopping;
    private Task<KeySet?>? _reading;
    private long _begun;
    private volatile Known? _known;
    private bool _fails;

    /// <summary>Null where they were never read, or too long ago.</summary>
    public KeySet? Current =>
        _known is { } known && clock.GetElapsedTime(known.At) < PeriodsKept * source.Period ? known.Keys : null;

    /// <summary>The pause before keys are read at a token's instance again, and after a reading that failed.</summary>
    private TimeSpan Pause => source.Period < LongestPause ? source.Period : LongestPause;

    /// <summary>The keys as of now, or of so short a time ago that it is the same; null where they can't be read.</summary>
    public Task<KeySet?> AskAgainAsync()
    {
        lock (_lock)
            return _reading is null || clock.GetElapsedTime(_begun) >= Pause ? Begin() : _reading;
    }

    /// <summary>Reads them again and again, until it is stopped.</summary>
    public async Task WatchAsync(CancellationToken stopping)
    {
        _stopping = stopping;
        try
        {
            while (true)
            {
                Task<KeySet?> reading;
                lock (_lock)
                    reading = Begin();
                var read = await reading.WaitAsync(stopping);
                await Task.Delay(read is null ? Pause : source.Period, clock, stopping);
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // The host is going.
        }
    }

    /// <summary>Reads them, and lets faults through: for the start, of a file.</summary>
    public async Task ReadFirstAsync(CancellationToken ending) => Take(await source.ReadAsync(ending));

    /// <summary>One at a time: whoever comes while it reads gets what that one gets.</summary>
    private Task<KeySet?> Begin()
    {
        if (_reading is { IsCompleted: false } reading)
            return reading;
        _begun = clock.GetTimestamp();
        return _reading = Task.Run(ReadAsync);
    }

    private async Task<KeySet?> ReadAsync()
    {
        try
        {
            var keys = Take(await source.ReadAsync(_stopping));
            if (_fails)
                Recovered(issuer);
            _fails = false;
            return keys;
        }
        catch (Exception error) when (error is IOException or HttpRequestException or FormatException or UnauthorizedAccessException
            or OperationCanceledException)
        {
            // Once for each time that it begins: it may go on for hours.
            if (!_fails && !_stopping.IsCancellationRequested)
                Failed(issuer, error.Message.ReplaceLineEndings(" "));
            _fails = true;
            return null;
        }
    }

    /// <summary>The same document is the same set still: what was found valid by it is.</summary>
    private KeySet Take(byte[] document)
    {
        var keys = _known?.Keys is { } before && before.IsOf(document) ? before : KeySet.Parse(document);
        if (keys.Count == 0 && keys != _known?.Keys)
            Empty(issuer);
        _known = new Known(keys, clock.GetTimestamp());
        return keys;
    }

    [LoggerMessage(34, LogLevel.Warning, "The keys of Gateway__Issuers__{Issuer} can't be read: {Reason}")]
    private partial void Failed(string issuer, string reason);

    [LoggerMessage(31, LogLevel.Information, "The keys of Gateway__Issuers__{Issuer} are read again")]
    private partial void Recovered(string issuer);

    [LoggerMessage(32, LogLevel.Warning, "Among the keys of Gateway__Issuers__{Issuer} is none that can check a token")]
    private partial void Empty(string issuer);

    private sealed record Known(KeySet Keys, long At);
}
