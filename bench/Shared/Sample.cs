namespace Gateway.Bench;

/// <summary>One stretch of load on one contestant. A time of a processor is NaN where it can't be read.</summary>
/// <param name="Rate">Requests a second.</param>
/// <param name="P50">Milliseconds.</param>
/// <param name="P99">Milliseconds.</param>
/// <param name="OwnTime">The contestant's processor time for a request, in microseconds.</param>
/// <param name="PostgresTime">PostgreSQL's, in microseconds.</param>
internal sealed record Sample(double Rate, double P50, double P99, double OwnTime, double PostgresTime)
{
    /// <param name="ownTime">The heading of the contestants' own processor time.</param>
    public static IReadOnlyList<Figure<Sample>> Figures(string ownTime) =>
    [
        new("requests/s", "0", sample => sample.Rate),
        new("p50, ms", "0.00", sample => sample.P50),
        new("p99, ms", "0.00", sample => sample.P99),
        new(ownTime, "0", sample => sample.OwnTime),
        new("PostgreSQL's CPU, µs", "0", sample => sample.PostgresTime),
    ];

    /// <param name="result">Of the stretch.</param>
    /// <param name="own">Seconds that the contestant has spent on processors meanwhile.</param>
    /// <param name="postgres">Those that PostgreSQL has.</param>
    public static Sample Of(LoadResult result, double own, double postgres) => new(
        result.Requests / result.Seconds,
        result.P50 / 1000,
        result.P99 / 1000,
        own * 1e6 / result.Requests,
        postgres * 1e6 / result.Requests);
}
