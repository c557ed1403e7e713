namespace Gateway.Client.Tests;

/// <summary>A clock that records pauses, and ends them at once.</summary>
internal sealed class RecordedPauses : TimeProvider
{
    public List<double> Seconds { get; } = [];

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        Seconds.Add(dueTime.TotalSeconds);
        return base.CreateTimer(callback, state, TimeSpan.Zero, period);
    }
}
