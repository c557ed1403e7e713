using System.Diagnostics.Metrics;
using OpenTelemetry.Metrics;

namespace Gateway.Api.Telemetry;

/// <summary>
/// Where the gateway's instruments come from, and the bounds of their buckets. Names and labels are those of OpenTelemetry's
/// conventions where these have any, and begin with <c>gateway.</c> elsewhere. A label's values are a closed set, whatever callers
/// send: each combination costs memory for as long as the gateway lives.
/// </summary>
internal sealed class GatewayMeter : IDisposable
{
    public const string Name = "Gateway";

    // The conventions' own begin at 5 ms, where most requests have long been answered, and end where a default budget does not.
    private static readonly double[] Seconds =
    [
        0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 120, 300,
    ];

    private static readonly double[] Bytes = [256, 1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 18, 1 << 20, 1 << 22, 1 << 24, 1 << 26, 1 << 28];

    public Meter Meter { get; } = new(Name);

    public Histogram<double> Duration(string name, string description) =>
        Meter.CreateHistogram(name, "s", description, tags: null, new InstrumentAdvice<double> { HistogramBucketBoundaries = Seconds });

    public Histogram<double> Size(string name, string description) =>
        Meter.CreateHistogram(name, "By", description, tags: null, new InstrumentAdvice<double> { HistogramBucketBoundaries = Bytes });

    /// <summary>Keeps what another gateway in this process measures out.</summary>
    public MetricStreamConfiguration? View(Instrument instrument) =>
        instrument.Meter.Name == Name && instrument.Meter != Meter ? MetricStreamConfiguration.Drop : null;

    public void Dispose() => Meter.Dispose();
}
