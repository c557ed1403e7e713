namespace Gateway.Api.Tests.Telemetry;

/// <summary>A clock that goes as far as it is moved by hand.</summary>
internal sealed class HandClock : TimeProvider
{
    public TimeSpan Now { get; set; }

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() => Now.Ticks;
}
