using System.Diagnostics.Metrics;
using Gateway.Api.Configuration;
using Gateway.Api.Telemetry;
using Microsoft.AspNetCore.Http;

namespace Gateway.Api.Tests.Telemetry;

/// <summary>Tests metrics that a healthy gateway does not show; the others are tested in a running one.</summary>
public sealed class RequestMetricsTests
{
    [Theory]
    [InlineData("internal", 1)]
    [InlineData("database_unavailable", 0)]
    [InlineData(null, 0)]
    public void Fault_IsCountedWhereItIsTheGatewaysOwn(string? code, long faults)
    {
        using var meter = new GatewayMeter();
        var metrics = new RequestMetrics(meter, new GatewayOptions());
        var counted = 0L;
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter == meter.Meter && instrument.Name == "gateway.faults")
                    listener.EnableMeasurementEvents(instrument);
            },
        };
        listener.SetMeasurementEventCallback<long>((_, count, _, _) => counted += count);
        listener.Start();

        metrics.Measure(HttpLabels.Of(new DefaultHttpContext()), new RequestRecord(TimeProvider.System) { Code = code });

        Assert.Equal(faults, counted);
    }
}
