namespace Gateway.Bench;

/// <summary>Computes medians and percentiles.</summary>
internal static class Statistics
{
    /// <summary>Returns the median; NaN if one of the values is NaN.</summary>
    public static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        // NaN sorts first, so it would not be in the middle.
        return double.IsNaN(sorted[0]) ? double.NaN : (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }

    /// <summary>Returns a percentile: the smallest value that a share of all values does not exceed.</summary>
    /// <param name="sorted">At least one value, in ascending order.</param>
    /// <param name="share">The share, above 0 and up to 1: 0.99 for p99.</param>
    public static long Percentile(ReadOnlySpan<long> sorted, double share) =>
        sorted[Math.Max(0, (int)Math.Ceiling(share * sorted.Length) - 1)];
}
