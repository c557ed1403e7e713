using Gateway.Api.Telemetry;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Time.Testing;

namespace Gateway.Api.Tests.Telemetry;

public sealed class ServerTimingTests
{
    private readonly FakeTimeProvider _clock = new();

    [Fact]
    public void Stages_AreMillisecondsInTheirOrder()
    {
        var record = new RequestRecord(_clock);
        Spend(record, Stage.Queue, 1002);
        Spend(record, Stage.Execute, 50);
        Spend(record, Stage.Execute, 12_345_678);
        Spend(record, Stage.Answer, 999_999);

        Assert.Equal("read;dur=1.002, queue;dur=0.050, execute;dur=13345.677, total;dur=13346.729", Header(record));
    }

    [Fact]
    public void LongestTimes_AreWrittenWhole()
    {
        var record = new RequestRecord(_clock);
        foreach (var stage in Enum.GetValues<Stage>().Append(Stage.Read))
            Spend(record, stage, (long)TimeSpan.FromDays(10_000).TotalMicroseconds);

        Assert.Equal(8, Header(record).Split(", ").Length);
        Assert.EndsWith("total;dur=6912000000000.000", Header(record));
    }

    /// <summary>Spends the given number of microseconds in the current stage, and enters the next one.</summary>
    private void Spend(RequestRecord record, Stage next, long microseconds)
    {
        _clock.Advance(TimeSpan.FromMicroseconds(microseconds));
        record.Enter(next);
    }

    private static string Header(RequestRecord record)
    {
        var http = new DefaultHttpContext();
        record.WriteHeaders(http.Response);
        return http.Response.Headers["Server-Timing"].ToString();
    }
}
