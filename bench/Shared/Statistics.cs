namespace Gateway.Bench;

/// <summary>One number that stands for many.</summary>
internal static class Statistics
{
    /// <summary>The middle one, or the mean of the two in the middle; NaN where one of them is NaN.</summary>
    public static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        // NaN sorts first and would pass unseen.
        return double.IsNaN(sorted[0]) ? double.NaN : (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }

    /// <summary>The smallest value that a share of all values does not exceed.</summary>
    /// <param name="sorted">At least one value, in ascending order.</param>
    /// <param name="share">Above 0, up to 1: 0.99 for p99.</param>
    public static long Percentile(ReadOnlySpan<long> sorted, double share) =>
        sorted[Math.Max(0, (int)Math.Ceiling(share * sorted.Length) - 1)];
}
