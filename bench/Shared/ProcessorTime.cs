using System.Globalization;

namespace Gateway.Bench;

/// <summary>What processes other than our own have spent on processors, from <c>/proc</c>.</summary>
internal static class ProcessorTime
{
    /// <summary>Linux counts in hundredths of a second towards programs, whatever it counts in itself.</summary>
    private const double TicksPerSecond = 100;

    /// <summary>The time of a process and of all that descend from it, those that have ended included.</summary>
    /// <returns>In seconds; NaN where there is no such process to be seen.</returns>
    public static double OfTree(int processId)
    {
        var all = All();
        return all.TryGetValue(processId, out var root) ? root.Seconds + OfDescendants(processId, all) : double.NaN;
    }

    /// <summary>The process that started another; null where there is none to be seen.</summary>
    public static int? ParentOf(int processId) => All().TryGetValue(processId, out var process) ? process.Parent : null;

    /// <summary>A process that another has started; null where there is none to be seen.</summary>
    public static int? ChildOf(int processId)
    {
        var children = All().Where(process => process.Value.Parent == processId).Select(process => process.Key).ToArray();
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
            if (int.TryParse(Path.GetFileName(folder), CultureInfo.InvariantCulture, out var id) && Read(folder) is { } process)
                all.Add(id, process);
        }
        return all;
    }

    private static (int Parent, double Seconds)? Read(string folder)
    {
        try
        {
            var stat = File.ReadAllText(Path.Combine(folder, "stat"));
            // The program's name comes first, in parentheses, and may hold anything.
            var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            // Its own user and system time, and that of the children that it has waited for.
            var ticks = fields[11..15].Sum(field => long.Parse(field, CultureInfo.InvariantCulture));
            return (int.Parse(fields[1], CultureInfo.InvariantCulture), ticks / TicksPerSecond);
        }
        catch (IOException)
        {
            // It has just ended.
            return null;
        }
    }
}
