using System.Diagnostics.Metrics;
using OpenTelemetry.Metrics;

namespace Gateway.Api.Telemetry;

/// <summary>
/// Creates the gateway's instruments, with the bounds of their buckets. Names and labels follow OpenTelemetry's
/// conventions; those that the conventions lack begin with <c>gateway.</c>. The values of a label are a closed set,
/// whatever callers send: each combination takes memory as long as the gateway runs.
/// </summary>
internal sealed class GatewayMeter : IDisposable
{
    public const string Name = "Gateway";

    // The conventions' buckets begin at 5 ms, although most requests are faster, and end at 10 s, below the default
    // timeout of 15 s.
    private static readonly double[] Seconds =
    [
        0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75,
        1, 2.5, 5, 7.5, 10, 30, 120, 300,
    ];

    private static readonly double[] Bytes =
    [
        256, 1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 18, 1 << 20, 1 << 22, 1 << 24, 1 << 26, 1 << 28,
    ];

    public Meter Meter { get; } = new(Name);

    public Histogram<double> Duration(string name, string description) =>
        Create(name, "s", description, Seconds);

    public Histogram<double> Size(string name, string description) =>
        Create(name, "By", description, Bytes);

    /// <summary>Drops the instruments of other gateways in this process. Tests run several in one process.</summary>
    public MetricStreamConfiguration? View(Instrument instrument) =>
        instrument.Meter.Name == Name && instrument.Meter != Meter ? MetricStreamConfiguration.Drop : null;

    public void Dispose() => Meter.Dispose();

    private Histogram<double> Create(string name, string unit, string description, double[] bounds) =>
        Meter.CreateHistogram(
            name, unit, description, tags: null, new InstrumentAdvice<double> { HistogramBucketBoundaries = bounds });
}
