namespace Gateway.Client.Tests;

/// <summary>A clock that records pauses, and ends them at once.</summary>
internal sealed class RecordedPauses : TimeProvider
{
    private double _passed;

    public List<double> Seconds { get; } = [];

    /// <summary>Gets or sets whether time passes with the pauses.</summary>
    public bool Passes { get; set; }

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() => (long)(_passed * TimestampFrequency);

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        Seconds.Add(dueTime.TotalSeconds);
        if (Passes)
            _passed += dueTime.TotalSeconds;
        return base.CreateTimer(callback, state, TimeSpan.Zero, period);
    }
}
