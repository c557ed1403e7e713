using System.Runtime.CompilerServices;

namespace Gateway.Tests;

/// <summary>
/// Waits for an event that nobody signals, such as a row of pg_stat_activity. This is the one place where tests poll.
/// </summary>
internal static class Poll
{
    /// <summary>Enough for a machine that is busy with other tests.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(10);

    /// <summary>Waits until the condition is true.</summary>
    /// <exception cref="TimeoutException">It is not, after 30 seconds or <paramref name="limit"/>.</exception>
    public static Task UntilAsync(
        Func<bool> condition, TimeSpan? limit = null,
        [CallerArgumentExpression(nameof(condition))] string what = "") =>
        UntilAsync(() => Task.FromResult(condition()), limit, what);

    /// <inheritdoc cref="UntilAsync(Func{bool}, TimeSpan?, string)"/>
    public static Task UntilAsync(
        Func<Task<bool>> condition, TimeSpan? limit = null,
        [CallerArgumentExpression(nameof(condition))] string what = "") =>
        ReadAsync(condition, isSo => isSo, limit, what);

    /// <summary>Reads a value until it is the right one.</summary>
    /// <exception cref="TimeoutException">It is not, after 30 seconds or <paramref name="limit"/>.</exception>
    public static async Task<T> ReadAsync<T>(
        Func<Task<T>> read, Func<T, bool> isRight, TimeSpan? limit = null,
        [CallerArgumentExpression(nameof(read))] string what = "")
    {
        var (value, isSo) = await TryReadAsync(read, isRight, limit);
        return isSo
            ? value
            : throw new TimeoutException(
                $"Still not so after {(limit ?? Patience).TotalSeconds:0.#} s: {what}. The last value was {value}.");
    }

    /// <summary>Reads a value until it is the right one, or the limit is over.</summary>
    /// <returns>The last value, and whether it is the right one.</returns>
    public static async Task<(T Value, bool IsRight)> TryReadAsync<T>(
        Func<Task<T>> read, Func<T, bool> isRight, TimeSpan? limit = null)
    {
        var begun = TimeProvider.System.GetTimestamp();
        while (true)
        {
            var value = await read();
            if (isRight(value))
                return (value, true);
            if (TimeProvider.System.GetElapsedTime(begun) > (limit ?? Patience))
                return (value, false);
            await Task.Delay(Interval);
        }
    }
}
