using Gateway.Contracts;

namespace Gateway.Client;

/// <summary>Sends a request until it is answered, fails permanently, or has used all tries.</summary>
internal sealed class Attempts(int tries, TimeProvider time)
{
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(60);

    /// <param name="first">The number of the first attempt.</param>
    /// <param name="send">Sends the attempt of a given number.</param>
    /// <param name="leaving">Also ends a pause.</param>
    /// <exception cref="GatewayException">The failure of the last attempt.</exception>
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

    /// <summary>
    /// Combines the outcomes of two attempts: a refused attempt tells nothing about an earlier one whose answer was
    /// lost.
    /// </summary>
    private static Committed Combine(Committed earlier, Committed now) => (earlier, now) switch
    {
        (Committed.Yes, _) or (_, Committed.Yes) => Committed.Yes,
        (Committed.Unknown, _) or (_, Committed.Unknown) => Committed.Unknown,
        _ => Committed.No,
    };

    /// <summary>Returns the pause that the gateway asks for, or exponential backoff; both with jitter.</summary>
    private static TimeSpan Pause(TimeSpan? asked, int failed)
    {
        if (asked is { } wait)
            return Shorter(wait) + TimeSpan.FromSeconds(0.5 * Random.Shared.NextDouble());
        // From 2^7 on the pause has its maximum anyway, and the limit avoids an overflow.
        var doubled = TimeSpan.FromSeconds(0.5 * (1 << Math.Min(failed, 7)));
        return Shorter(doubled) * (0.5 + (0.5 * Random.Shared.NextDouble()));
    }

    private static TimeSpan Shorter(TimeSpan pause) => pause < LongestPause ? pause : LongestPause;
}
