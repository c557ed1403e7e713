namespace Gateway.Api.Postgres;

/// <summary>
/// Remembers that a server has no position, or that a role may not read it, so that it is not asked each time. After a
/// minute it is asked again.
/// </summary>
/// <param name="clock">The clock for that minute.</param>
internal sealed class PositionSupport(TimeProvider clock)
{
    private static readonly TimeSpan AskAgainAfter = TimeSpan.FromMinutes(1);

    // The clock's timestamp of when the position was missing last; 0 for never.
    private long _missing;

    /// <summary>Gets whether to ask for the position.</summary>
    public bool IsExpected => Volatile.Read(ref _missing) is var missing
        && (missing == 0 || clock.GetElapsedTime(missing) >= AskAgainAfter);

    /// <summary>Remembers that the position is missing.</summary>
    public void SetMissing() => Volatile.Write(ref _missing, clock.GetTimestamp());
}
