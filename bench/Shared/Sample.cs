namespace Gateway.Bench;

/// <summary>Represents one stretch of load on one contestant. A CPU time is NaN if it can't be read.</summary>
/// <param name="Rate">The number of requests per second.</param>
/// <param name="P50">The median latency in milliseconds.</param>
/// <param name="P99">The latency in milliseconds that one request in a hundred exceeds.</param>
/// <param name="OwnTime">The contestant's CPU time for a request, in microseconds.</param>
/// <param name="PostgresTime">PostgreSQL's CPU time for a request, in microseconds.</param>
internal sealed record Sample(double Rate, double P50, double P99, double OwnTime, double PostgresTime)
{
    /// <summary>Returns the figures of a sample.</summary>
    /// <param name="ownTime">The heading of the contestants' own CPU time.</param>
    public static IReadOnlyList<Figure<Sample>> Figures(string ownTime) =>
    [
        new("requests/s", "0", sample => sample.Rate),
        new("p50, ms", "0.00", sample => sample.P50),
        new("p99, ms", "0.00", sample => sample.P99),
        new(ownTime, "0", sample => sample.OwnTime),
        new("PostgreSQL's CPU, µs", "0", sample => sample.PostgresTime),
    ];

    /// <summary>Creates a sample.</summary>
    /// <param name="result">The result of the stretch.</param>
    /// <param name="own">The contestant's CPU time in the stretch, in seconds.</param>
    /// <param name="postgres">PostgreSQL's CPU time in the stretch, in seconds.</param>
    public static Sample Of(LoadResult result, double own, double postgres) => new(
        result.Requests / result.Seconds,
        result.P50 / 1000,
        result.P99 / 1000,
        own * 1e6 / result.Requests,
        postgres * 1e6 / result.Requests);
}
