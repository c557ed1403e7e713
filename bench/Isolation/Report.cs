using System.Globalization;
using System.Text;

namespace Gateway.Isolation;

/// <summary>What has been measured, as a page for the terminal and for the repository.</summary>
internal static class Report
{
    /// <param name="options">Of the run.</param>
    /// <param name="machine">Of the run.</param>
    /// <param name="contestants">Their names; the first is what the others are compared with.</param>
    /// <param name="samples">By workload and contestant, one for each round, in order.</param>
    public static string Write(
        RunOptions options,
        IReadOnlyList<string> machine,
        IReadOnlyList<string> contestants,
        Func<Workload, string, IReadOnlyList<Sample>> samples)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"""
            # What isolation and the budget cost

            Made by `bench/isolation {options.Arguments}`; its code says how. {Load.Connections} connections, and no errors.
            In parentheses the ratio to `{contestants[0]}`, the gateway as it is. Each figure is the median of the rounds, and each
            ratio the median of the rounds' own ratios, since what else the machine does changes from round to round.

            - `control`: the same path as `{contestants[0]}`, rebuilt as the variants are. What sets it apart is the method's error.
            - `no budget`: no deadline, and no watchdog who waits for it.
            - `no isolation`: COMMIT or ROLLBACK without DISCARD ALL; the session goes to the next request as the last one left it.
            - `neither`: both.

            CPU is for each request; PostgreSQL's is that of all of its processes. {options.Durability}

            {string.Join("; ", machine)}.


            """);
        foreach (var workload in Workload.All)
        {
            text.Append(CultureInfo.InvariantCulture, $"## {workload.Title}\n\n");
            text.Append(ComparisonTable.Of(Sample.Figures("gateway's CPU, µs"), contestants, contestant => samples(workload, contestant)));
            text.Append('\n');
        }
        return text.ToString().TrimEnd() + "\n";
    }
}
