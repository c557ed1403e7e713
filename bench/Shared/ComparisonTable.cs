using System.Globalization;

namespace Gateway.Bench;

/// <summary>Contestants side by side: medians, and in parentheses the medians of the rounds' ratios to the first one.</summary>
internal static class ComparisonTable
{
    /// <param name="ownTime">The heading of the contestants' own processor time.</param>
    /// <param name="contestants">Their names; the first is what the others are compared with.</param>
    /// <param name="samples">By contestant, one for each round, in order.</param>
    public static MarkdownTable Of(
        string ownTime, IReadOnlyList<string> contestants, Func<string, IReadOnlyList<Sample>> samples)
    {
        (string Name, string Format, Func<Sample, double> Of)[] figures =
        [
            ("requests/s", "0", sample => sample.Rate),
            ("p50, ms", "0.00", sample => sample.P50),
            ("p99, ms", "0.00", sample => sample.P99),
            (ownTime, "0", sample => sample.OwnTime),
            ("PostgreSQL's CPU, µs", "0", sample => sample.PostgresTime),
        ];
        var table = new MarkdownTable(["", .. figures.Select(figure => figure.Name), "range of requests/s' ratio"]);
        var first = samples(contestants[0]);
        foreach (var contestant in contestants)
        {
            var own = samples(contestant);
            var rates = Ratios(own, first, sample => sample.Rate);
            table.Add(
            [
                contestant,
                .. figures.Select(figure => Cell(own, first, figure.Of, figure.Format)),
                string.Create(CultureInfo.InvariantCulture, $"{rates.Min():0.00} – {rates.Max():0.00}"),
            ]);
        }
        return table;
    }

    /// <summary>What each round's figure is to that of the others in the same round.</summary>
    public static double[] Ratios(
        IReadOnlyList<Sample> own, IReadOnlyList<Sample> others, Func<Sample, double> figure) =>
        [.. own.Zip(others, (mine, theirs) => figure(mine) / figure(theirs))];

    private static string Cell(
        IReadOnlyList<Sample> own, IReadOnlyList<Sample> first, Func<Sample, double> figure, string format)
    {
        var median = Statistics.Median(own.Select(figure));
        if (double.IsNaN(median))
            return "unknown";
        var ratio = Statistics.Median(Ratios(own, first, figure));
        return string.Create(CultureInfo.InvariantCulture, $"{median.ToString(format, CultureInfo.InvariantCulture)} ({ratio:0.00})");
    }
}
