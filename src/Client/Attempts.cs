using Gateway.Contracts;

namespace Gateway.Client;

/// <summary>Sends a request until it is answered, fails permanently, or has used all tries.</summary>
internal sealed class Attempts(int tries, TimeProvider time)
{
    private const string InFlight = "activity_in_flight";

    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(60);

    /// <summary>
    /// The maximum time for which an earlier attempt that is still running is waited for. The longest timeout of a
    /// request is 5 minutes.
    /// </summary>
    private static readonly TimeSpan InFlightPatience = TimeSpan.FromSeconds(330);

    /// <summary>Sends the attempts.</summary>
    /// <param name="first">The number of the first attempt.</param>
    /// <param name="send">Sends the attempt of a given number.</param>
    /// <param name="leaving">Also ends a pause.</param>
    /// <exception cref="GatewayException">The failure of the last attempt.</exception>
    public async Task<T> RunAsync<T>(int first, Func<int, Task<T>> send, CancellationToken leaving)
    {
        var kept = Committed.No;
        var begun = time.GetTimestamp();
        var failed = 0;
        for (var attempt = first; ; attempt++)
        {
            TimeSpan pause;
            try
            {
                return await send(attempt).ConfigureAwait(false);
            }
            catch (GatewayException failure)
            {
                kept = Combine(kept, failure.Committed);
                failure.Committed = kept;
                // The earlier attempt has not failed, and its answer is needed.
                if (failure.Code != InFlight || time.GetElapsedTime(begun) > InFlightPatience)
                    failed++;
                if (!failure.Retryable || failed >= tries)
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
        // From 2^8 on the pause has its maximum anyway, and the limit avoids an overflow.
        var doubled = TimeSpan.FromSeconds(0.25 * (1 << Math.Min(failed, 8)));
        return Shorter(doubled) * (0.5 + (0.5 * Random.Shared.NextDouble()));
    }

    private static TimeSpan Shorter(TimeSpan pause) => pause < LongestPause ? pause : LongestPause;
}
