using System.Globalization;

namespace Gateway.Bench;

/// <summary>Reads the resident memory of another process from <c>/proc</c>, in MiB.</summary>
internal static class ResidentMemory
{
    /// <summary>Returns the current memory; NaN if the process can't be found.</summary>
    public static double Of(int? processId) => Read(processId, "VmRSS:");

    /// <summary>Returns the peak memory since <see cref="ForgetPeak"/>; NaN if the process can't be found.</summary>
    public static double PeakOf(int? processId) => Read(processId, "VmHWM:");

    /// <summary>
    /// Resets the peak to the current memory. Linux itself measures the peak, so that no moment is missed.
    /// </summary>
    public static void ForgetPeak(int? processId)
    {
        var file = $"/proc/{processId}/clear_refs";
        if (File.Exists(file))
            File.WriteAllText(file, "5");
    }

    private static double Read(int? processId, string name)
    {
        try
        {
            var line = File.ReadLines($"/proc/{processId}/status")
                .First(line => line.StartsWith(name, StringComparison.Ordinal));
            var kibibytes = line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2];
            return double.Parse(kibibytes, CultureInfo.InvariantCulture) / 1024;
        }
        catch (Exception error) when (error is IOException or InvalidOperationException)
        {
            // There is no such process, or it has just ended.
            return double.NaN;
        }
    }
}
