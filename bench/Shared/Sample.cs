namespace Gateway.Bench;

/// <summary>Represents the result of a load, as its clients saw it.</summary>
/// <param name="Requests">The number of right answers, or of streamed rows.</param>
/// <param name="Errors">The number of requests with a wrong answer, or none.</param>
/// <param name="Seconds">The duration in seconds.</param>
/// <param name="P50">The median latency in microseconds.</param>
/// <param name="P99">The 99th percentile of the latencies in microseconds.</param>
internal sealed record LoadResult(long Requests, long Errors, double Seconds, double P50, double P99)
{
    /// <summary>Creates the result of a stream, which has no latencies.</summary>
    public static LoadResult OfRows(long rows, TimeSpan duration) =>
        new(rows, 0, duration.TotalSeconds, double.NaN, double.NaN);
}

/// <summary>Represents the result of a load, with a contestant's use of the machine.</summary>
/// <param name="Load">The result.</param>
/// <param name="OwnSeconds">The contestant's CPU time in seconds, without PostgreSQL's; NaN if unknown.</param>
/// <param name="PeakMemory">The contestant's peak resident memory in MiB; NaN if unknown.</param>
internal sealed record Stretch(LoadResult Load, double OwnSeconds, double PeakMemory);

/// <summary>Represents a contestant's processes, without PostgreSQL's.</summary>
internal sealed class OwnProcesses(params IEnumerable<int?> ids)
{
    private readonly int[] _ids = [.. ids.Select(id => id ?? 0)];

    public async Task<Stretch> MeasureAsync(Func<Task<LoadResult>> run)
    {
        foreach (var id in _ids)
            ResidentMemory.ForgetPeak(id);
        var before = Seconds();
        var load = await run();
        return new Stretch(load, Seconds() - before, _ids.Sum(id => ResidentMemory.PeakOf(id)));
    }

    private double Seconds() => _ids.Sum(ProcessorTime.OfTree);
}

/// <summary>Represents the figures of one load on one contestant. A figure is NaN if it is unknown.</summary>
/// <param name="Rate">The number of requests or rows per second.</param>
/// <param name="P50">The median latency in milliseconds.</param>
/// <param name="P99">The 99th percentile of the latencies in milliseconds.</param>
/// <param name="OwnTime">The contestant's CPU time for a request or row, in microseconds.</param>
/// <param name="PostgresTime">PostgreSQL's CPU time for a request or row, in microseconds.</param>
/// <param name="PeakMemory">The contestant's peak resident memory in MiB.</param>
internal sealed record Sample(
    double Rate, double P50, double P99, double OwnTime, double PostgresTime, double PeakMemory)
{
    private static readonly Figure Peak = new("peak memory, MiB", "0", sample => sample.PeakMemory);

    public static IReadOnlyList<Figure> Figures { get; } =
    [
        new("requests/s", "0", sample => sample.Rate),
        new("p50, ms", "0.00", sample => sample.P50),
        new("p99, ms", "0.00", sample => sample.P99),
        new("own CPU, µs", "0", sample => sample.OwnTime),
        new("PostgreSQL's CPU, µs", "0", sample => sample.PostgresTime),
        Peak,
    ];

    /// <summary>Gets the figures of a stream, which are for each row.</summary>
    public static IReadOnlyList<Figure> StreamFigures { get; } =
    [
        new("rows/s", "0", sample => sample.Rate),
        new("own CPU, µs", "0.00", sample => sample.OwnTime),
        new("PostgreSQL's CPU, µs", "0.00", sample => sample.PostgresTime),
        Peak,
    ];

    /// <summary>Runs a load and measures PostgreSQL's CPU time too.</summary>
    /// <param name="postmaster">The process ID of PostgreSQL's parent process.</param>
    /// <param name="run">Runs the load.</param>
    public static async Task<Sample> MeasureAsync(int postmaster, Func<Task<Stretch>> run)
    {
        var before = ProcessorTime.OfTree(postmaster);
        var stretch = await run();
        var postgres = ProcessorTime.OfTree(postmaster) - before;
        var load = stretch.Load;
        return new Sample(
            load.Requests / load.Seconds, load.P50 / 1000, load.P99 / 1000,
            stretch.OwnSeconds * 1e6 / load.Requests, postgres * 1e6 / load.Requests, stretch.PeakMemory);
    }
}

/// <summary>Represents a column of a table of samples.</summary>
/// <param name="Name">The column's heading.</param>
/// <param name="Format">The format of the numbers.</param>
/// <param name="Of">Returns the value in a sample.</param>
internal sealed record Figure(string Name, string Format, Func<Sample, double> Of);
