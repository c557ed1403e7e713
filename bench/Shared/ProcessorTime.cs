using System.Globalization;

namespace Gateway.Bench;

/// <summary>Reads the CPU time of other processes from <c>/proc</c>.</summary>
internal static class ProcessorTime
{
    /// <summary>Linux shows programs hundredths of a second, whatever its own unit is.</summary>
    private const double TicksPerSecond = 100;

    /// <summary>Returns the CPU time of a process and its descendants, also of those that have ended.</summary>
    /// <returns>The time in seconds; NaN if the process can't be found.</returns>
    public static double OfTree(int processId)
    {
        var all = All();
        return all.TryGetValue(processId, out var root) ? root.Seconds + OfDescendants(processId, all) : double.NaN;
    }

    /// <summary>Returns a process's parent; null if the process can't be found.</summary>
    public static int? ParentOf(int processId) => All().TryGetValue(processId, out var process) ? process.Parent : null;

    /// <summary>Returns the first child of a process; null if none can be found.</summary>
    public static int? ChildOf(int processId)
    {
        var children = All()
            .Where(process => process.Value.Parent == processId).Select(process => process.Key).ToArray();
        return children.Length > 0 ? children.Min() : null;
    }

    private static double OfDescendants(int processId, Dictionary<int, (int Parent, double Seconds)> all) => all
        .Where(process => process.Value.Parent == processId)
        .Sum(child => child.Value.Seconds + OfDescendants(child.Key, all));

    private static Dictionary<int, (int Parent, double Seconds)> All()
    {
        var all = new Dictionary<int, (int, double)>();
        if (!OperatingSystem.IsLinux())
            return all;
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(folder), CultureInfo.InvariantCulture, out var id)
                && Read(folder) is { } process)
            {
                all.Add(id, process);
            }
        }
        return all;
    }

    private static (int Parent, double Seconds)? Read(string folder)
    {
        try
        {
            var stat = File.ReadAllText(Path.Combine(folder, "stat"));
            // The program's name comes before these fields, in parentheses, and may contain any character.
            var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            // The user and system time of the process, and of the children that it has waited for.
            var ticks = fields[11..15].Sum(field => long.Parse(field, CultureInfo.InvariantCulture));
            return (int.Parse(fields[1], CultureInfo.InvariantCulture), ticks / TicksPerSecond);
        }
        catch (IOException)
        {
            // The process has just ended.
            return null;
        }
    }
}
