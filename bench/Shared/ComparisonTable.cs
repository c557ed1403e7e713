using System.Globalization;

namespace Gateway.Bench;

/// <summary>
/// Compares contestants: medians, and in parentheses the medians of the rounds' ratios to the first contestant.
/// </summary>
internal static class ComparisonTable
{
    /// <summary>Returns a table with a row for each contestant.</summary>
    /// <param name="figures">The columns. The first is the most important, and has a range.</param>
    /// <param name="contestants">The contestants' names. The others are compared with the first.</param>
    /// <param name="samples">Returns a contestant's samples: one for each round, null if the round is left out.</param>
    public static MarkdownTable Of(
        IReadOnlyList<Figure> figures, IReadOnlyList<string> contestants, Func<string, IReadOnlyList<Sample?>> samples)
    {
        var table = new MarkdownTable(
            ["", .. figures.Select(figure => figure.Name), $"range of the ratio of {figures[0].Name}"]);
        var first = samples(contestants[0]);
        foreach (var contestant in contestants)
        {
            var own = samples(contestant);
            table.Add(
            [
                contestant,
                .. figures.Select(figure => Cell(own, first, figure)),
                Statistics.Range(Ratios(own, first, figures[0].Of), "0.00"),
            ]);
        }
        return table;
    }

    /// <summary>Returns the ratio of the figure to that of the others, for each round that both have.</summary>
    public static double[] Ratios(
        IReadOnlyList<Sample?> own, IReadOnlyList<Sample?> others, Func<Sample, double> figure) =>
        [.. own.Zip(others)
            .Where(pair => pair is { First: not null, Second: not null })
            .Select(pair => figure(pair.First!) / figure(pair.Second!))];

    private static string Cell(IReadOnlyList<Sample?> own, IReadOnlyList<Sample?> first, Figure figure)
    {
        var median = Statistics.Median(own.OfType<Sample>().Select(figure.Of));
        var ratio = Statistics.Median(Ratios(own, first, figure.Of));
        return double.IsNaN(median)
            ? "unknown"
            : $"{median.ToString(figure.Format, CultureInfo.InvariantCulture)} ({Statistics.Text(ratio, "0.00")})";
    }
}
