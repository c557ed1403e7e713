using Gateway.Contracts;

namespace Gateway.Client;

/// <summary>Sends a request until it is answered, or has failed for good, or as often as it may.</summary>
internal sealed class Attempts(int tries, TimeProvider time)
{
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(60);

    /// <param name="first">The number of the first attempt.</param>
    /// <param name="send">One attempt, of that number.</param>
    /// <param name="leaving">Ends a pause as well.</param>
    /// <exception cref="GatewayException">The last attempt's.</exception>
    public async Task<T> RunAsync<T>(int first, Func<int, Task<T>> send, CancellationToken leaving)
    {
        var kept = Committed.No;
        for (var failed = 0; ; failed++)
        {
            TimeSpan pause;
            try
            {
                return await send(first + failed).ConfigureAwait(false);
            }
            catch (GatewayException failure)
            {
                kept = Combine(kept, failure.Committed);
                failure.Committed = kept;
                if (!failure.Retryable || failed + 1 >= tries)
                    throw;
                pause = Pause(failure.RetryAfter, failed);
            }
            await Task.Delay(pause, time, leaving).ConfigureAwait(false);
        }
    }

    /// <summary>A try that was refused says nothing of an earlier one, whose answer was lost.</summary>
    private static Committed Combine(Committed earlier, Committed now) => (earlier, now) switch
    {
        (Committed.Yes, _) or (_, Committed.Yes) => Committed.Yes,
        (Committed.Unknown, _) or (_, Committed.Unknown) => Committed.Unknown,
        _ => Committed.No,
    };

    /// <summary>What the gateway asks for, else doubling; never all callers at the same moment.</summary>
    private static TimeSpan Pause(TimeSpan? asked, int failed)
    {
        if (asked is { } wait)
            return Shorter(wait) + TimeSpan.FromSeconds(0.5 * Random.Shared.NextDouble());
        // Past 2^7 it is the longest in any case, and 2^1000 would be no time any more.
        var doubled = TimeSpan.FromSeconds(0.5 * (1 << Math.Min(failed, 7)));
        return Shorter(doubled) * (0.5 + (0.5 * Random.Shared.NextDouble()));
    }

    private static TimeSpan Shorter(TimeSpan pause) => pause < LongestPause ? pause : LongestPause;
}
