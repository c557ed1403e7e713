using System.Globalization;

namespace Gateway.Bench;

/// <summary>What a process other than our own has of the machine's memory, from <c>/proc</c>, in MiB.</summary>
internal static class ResidentMemory
{
    /// <summary>At present; NaN where there is no such process to be seen.</summary>
    public static double Of(int? processId) => Read(processId, "VmRSS:");

    /// <summary>The most that it has had since <see cref="ForgetPeak"/>; NaN where there is no such process to be seen.</summary>
    public static double PeakOf(int? processId) => Read(processId, "VmHWM:");

    /// <summary>Has Linux count the peak from what is there now. It keeps it itself, so no moment is missed.</summary>
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
            var line = File.ReadLines($"/proc/{processId}/status").First(line => line.StartsWith(name, StringComparison.Ordinal));
            return double.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2], CultureInfo.InvariantCulture) / 1024;
        }
        catch (Exception error) when (error is IOException or InvalidOperationException)
        {
            // There is no such folder, or the process has just ended.
            return double.NaN;
        }
    }
}
