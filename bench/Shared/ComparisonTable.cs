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
    /// <param name="samples">Returns a contestant's samples, one for each round, in order.</param>
    public static MarkdownTable Of<TSample>(
        IReadOnlyList<Figure<TSample>> figures,
        IReadOnlyList<string> contestants,
        Func<string, IReadOnlyList<TSample>> samples)
    {
        var table = new MarkdownTable(
            ["", .. figures.Select(figure => figure.Name), $"range of {figures[0].Name}' ratio"]);
        var first = samples(contestants[0]);
        foreach (var contestant in contestants)
        {
            var own = samples(contestant);
            var rates = Ratios(own, first, figures[0].Of);
            table.Add(
            [
                contestant,
                .. figures.Select(figure => Cell(own, first, figure)),
                string.Create(CultureInfo.InvariantCulture, $"{rates.Min():0.00} – {rates.Max():0.00}"),
            ]);
        }
        return table;
    }

    /// <summary>Returns the ratio of each round's figure to that of the others in the same round.</summary>
    public static double[] Ratios<TSample>(
        IReadOnlyList<TSample> own, IReadOnlyList<TSample> others, Func<TSample, double> figure) =>
        [.. own.Zip(others, (mine, theirs) => figure(mine) / figure(theirs))];

    private static string Cell<TSample>(
        IReadOnlyList<TSample> own, IReadOnlyList<TSample> first, Figure<TSample> figure)
    {
        var median = Statistics.Median(own.Select(figure.Of));
        if (double.IsNaN(median))
            return "unknown";
        var ratio = Statistics.Median(Ratios(own, first, figure.Of));
        var text = median.ToString(figure.Format, CultureInfo.InvariantCulture);
        return string.Create(CultureInfo.InvariantCulture, $"{text} ({ratio:0.00})");
    }
}

/// <summary>Represents a figure that is compared.</summary>
/// <param name="Name">The column's heading.</param>
/// <param name="Format">The format of the numbers.</param>
/// <param name="Of">Returns the value in a sample; NaN if it is not known.</param>
internal sealed record Figure<TSample>(string Name, string Format, Func<TSample, double> Of);
