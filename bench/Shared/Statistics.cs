using System.Globalization;

namespace Gateway.Bench;

/// <summary>Computes medians, percentiles and ranges.</summary>
internal static class Statistics
{
    /// <summary>Returns the median; NaN if there is no value, or one of the values is NaN.</summary>
    public static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        // NaN sorts first.
        return sorted.Length == 0 || double.IsNaN(sorted[0])
            ? double.NaN
            : (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }

    /// <summary>Returns a percentile: the smallest value that a share of all values does not exceed.</summary>
    /// <param name="sorted">The values, in ascending order.</param>
    /// <param name="share">The share, above 0 and up to 1: 0.99 for p99.</param>
    /// <returns>The percentile; NaN if there is no value.</returns>
    public static double Percentile(ReadOnlySpan<long> sorted, double share) =>
        sorted.Length == 0 ? double.NaN : sorted[Math.Max(0, (int)Math.Ceiling(share * sorted.Length) - 1)];

    /// <summary>Returns the smallest and the largest value as text.</summary>
    public static string Range(IReadOnlyCollection<double> values, string format) => values.Count == 0
        ? "none"
        : $"{Text(values.Min(), format)} – {Text(values.Max(), format)}";

    public static string Text(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}
