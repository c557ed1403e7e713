using System.Globalization;
using System.Text;

namespace Gateway.SideBySide;

/// <summary>What has been measured, as a page for the terminal and for the repository.</summary>
internal static class Report
{
    public static string Write(
        SideBySideOptions options, IReadOnlyList<string> machine, Contest contest, ILookup<Seat, Turn> turns,
        IReadOnlyList<StartSample> starts)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"""
            # The gateway side by side

            Made by `bench/run {options.Arguments}`; its code says how.

            {string.Join("; ", machine)}.

            {Goals.Of(turns, starts)}

            """);
        foreach (var work in options.Works.Where(work => work.IsLoad))
        {
            text.Append(CultureInfo.InvariantCulture, $"## {work.Title}\n\n{work.Statement}\n\n");
            foreach (var clients in work.Clients(options.Clients))
            {
                text.Append(CultureInfo.InvariantCulture, $"### {clients} {(clients == 1 ? "client" : "clients")}\n\n");
                text.Append(ComparisonTable.Of(
                    work == Work.Stream ? Turn.StreamFigures : Turn.Figures, contest.Names(work), contestant => [.. turns[new Seat(work, clients, contestant)]]));
                text.Append('\n');
            }
        }
        return text.ToString().TrimEnd() + "\n";
    }
}
