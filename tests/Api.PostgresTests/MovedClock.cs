namespace Gateway.Api.PostgresTests;

/// <summary>Represents a clock whose timestamps only the test moves. Its timers are the system's.</summary>
internal sealed class MovedClock : TimeProvider
{
    public TimeSpan Now { get; set; } = TimeSpan.FromDays(1);

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() => Now.Ticks;
}
