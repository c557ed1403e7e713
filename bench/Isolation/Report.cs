using System.Globalization;
using System.Text;

namespace Gateway.Isolation;

/// <summary>One stretch of load on one contestant. A time of a processor is NaN where it can't be read.</summary>
/// <param name="Rate">Requests a second.</param>
/// <param name="P50">Milliseconds.</param>
/// <param name="P99">Milliseconds.</param>
/// <param name="GatewayTime">The gateway's processor time for a request, in microseconds.</param>
/// <param name="PostgresTime">PostgreSQL's, in microseconds.</param>
internal sealed record Sample(double Rate, double P50, double P99, double GatewayTime, double PostgresTime);

/// <summary>What has been measured, as a page for the terminal and for the repository.</summary>
internal static class Report
{
    private static readonly (string Name, string Format, Func<Sample, double> Of)[] Figures =
    [
        ("requests/s", "0", sample => sample.Rate),
        ("p50, ms", "0.00", sample => sample.P50),
        ("p99, ms", "0.00", sample => sample.P99),
        ("gateway's CPU, µs", "0", sample => sample.GatewayTime),
        ("PostgreSQL's CPU, µs", "0", sample => sample.PostgresTime),
    ];

    /// <param name="options">Of the run.</param>
    /// <param name="machine">Of the run.</param>
    /// <param name="contestants">Their names; the first is what the others are compared with.</param>
    /// <param name="samples">By workload and contestant, one for each round, in order.</param>
    public static string Write(
        RunOptions options,
        IReadOnlyList<string> machine,
        IReadOnlyList<string> contestants,
        Func<Workload, string, IReadOnlyList<Sample>> samples)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"""
            # What isolation and the budget cost

            Made by `bench/isolation --rounds {options.Rounds} --seconds {options.Seconds}`; its code says how. {Load.Connections} connections, and no errors.
            In parentheses the ratio to `{contestants[0]}`, the gateway as it is. Each figure is the median of the rounds, and each
            ratio the median of the rounds' own ratios, since what else the machine does changes from round to round.

            - `control`: the same path as `{contestants[0]}`, rebuilt as the variants are. What sets it apart is the method's error.
            - `no budget`: no deadline, and no watchdog who waits for it.
            - `no isolation`: COMMIT or ROLLBACK without DISCARD ALL; the session goes to the next request as the last one left it.
            - `neither`: both.

            CPU is for each request; PostgreSQL's is that of all of its processes. PostgreSQL runs without fsync, so that no disk
            hides what is measured.

            {string.Join("; ", machine)}.


            """);
        foreach (var workload in Workload.All)
        {
            text.Append(CultureInfo.InvariantCulture, $"## {workload.Title}\n\n");
            text.Append(Table(contestants, contestant => samples(workload, contestant)));
            text.Append('\n');
        }
        return text.ToString().TrimEnd() + "\n";
    }

    private static MarkdownTable Table(IReadOnlyList<string> contestants, Func<string, IReadOnlyList<Sample>> samples)
    {
        var table = new MarkdownTable(["", .. Figures.Select(figure => figure.Name), "range of requests/s' ratio"]);
        var full = samples(contestants[0]);
        foreach (var contestant in contestants)
        {
            var own = samples(contestant);
            var rates = Ratios(own, full, Figures[0].Of);
            table.Add(
            [
                contestant,
                .. Figures.Select(figure => Cell(own, full, figure.Of, figure.Format)),
                string.Create(CultureInfo.InvariantCulture, $"{rates.Min():0.00} – {rates.Max():0.00}"),
            ]);
        }
        return table;
    }

    private static string Cell(
        IReadOnlyList<Sample> own, IReadOnlyList<Sample> full, Func<Sample, double> figure, string format)
    {
        var median = Statistics.Median(own.Select(figure));
        if (double.IsNaN(median))
            return "unknown";
        var ratio = Statistics.Median(Ratios(own, full, figure));
        return string.Create(CultureInfo.InvariantCulture, $"{median.ToString(format, CultureInfo.InvariantCulture)} ({ratio:0.00})");
    }

    private static double[] Ratios(
        IReadOnlyList<Sample> own, IReadOnlyList<Sample> full, Func<Sample, double> figure) =>
        [.. own.Zip(full, (mine, theirs) => figure(mine) / figure(theirs))];
}
