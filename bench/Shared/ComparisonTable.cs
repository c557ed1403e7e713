using System.Globalization;

namespace Gateway.Bench;

/// <summary>Contestants side by side: medians, and in parentheses the medians of the rounds' ratios to the first one.</summary>
internal static class ComparisonTable
{
    /// <param name="figures">The columns; the first is the one that matters most.</param>
    /// <param name="contestants">Their names; the first is what the others are compared with.</param>
    /// <param name="samples">By contestant, one for each round, in order.</param>
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

    /// <summary>What each round's figure is to that of the others in the same round.</summary>
    public static double[] Ratios<TSample>(
        IReadOnlyList<TSample> own, IReadOnlyList<TSample> others, Func<TSample, double> figure) =>
        [.. own.Zip(others, (mine, theirs) => figure(mine) / figure(theirs))];

    private static string Cell<TSample>(IReadOnlyList<TSample> own, IReadOnlyList<TSample> first, Figure<TSample> figure)
    {
        var median = Statistics.Median(own.Select(figure.Of));
        if (double.IsNaN(median))
            return "unknown";
        var ratio = Statistics.Median(Ratios(own, first, figure.Of));
        return string.Create(CultureInfo.InvariantCulture, $"{median.ToString(figure.Format, CultureInfo.InvariantCulture)} ({ratio:0.00})");
    }
}

/// <summary>What is compared.</summary>
/// <param name="Name">A column's heading.</param>
/// <param name="Format">Of numbers.</param>
/// <param name="Of">Its value in a sample; NaN where that is not known.</param>
internal sealed record Figure<TSample>(string Name, string Format, Func<TSample, double> Of);
