using System.Globalization;
using System.Text;

namespace Gateway.SideBySide;

/// <summary>Writes the results as a page, for the terminal and for the repository.</summary>
internal static class Report
{
    /// <summary>Returns the page.</summary>
    /// <param name="options">The options of the run.</param>
    /// <param name="machine">The description of the machine.</param>
    /// <param name="contest">The contestants.</param>
    /// <param name="turns">Their turns.</param>
    /// <param name="starts">The gateway's starts.</param>
    /// <param name="allocations">The bytes that a request allocates in the gateway, and in a bare handler.</param>
    /// <param name="picture">The file with the picture, in the page's folder; null if there is none.</param>
    public static string Write(
        SideBySideOptions options, IReadOnlyList<string> machine, Contest contest, ILookup<Seat, Turn> turns,
        IReadOnlyList<StartSample> starts, IReadOnlyList<AllocationSample> allocations, string? picture)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"""
            # The gateway side by side

            Made by `bench/run {options.Arguments}`; its code says how. All are on one PostgreSQL and take turns; each
            round begins with another. Each figure is the median of the rounds, and each ratio the median of the rounds' own
            ratios, since what else the machine does changes from round to round: the ratios are the result. In parentheses
            the ratio to the first line. No request was answered wrongly, each contestant's rows are PostgreSQL's, and there are
            as many updates, and rows of history, as right answers that stand for one.

            {string.Join('\n', options.Peers.Select(peer => peer.Description))}

            Each has {Load.Connections} sessions at most, but psycopg2 and pgbench, which have one for each client, and DBOS, which has
            twice its default of 10. Over HTTP `wrk` asks, whose latencies are as it corrects them; the others measure
            themselves. CPU is for each request, or row; PostgreSQL's is that of all of its processes. {options.Run.Durability}

            {string.Join("; ", machine)}.

            {Goals.Of(turns, starts, allocations)}

            """);
        if (picture is not null)
        {
            text.Append(
                CultureInfo.InvariantCulture,
                $"![Requests a second of all contestants, beside the gateway's]({picture})\n\n");
        }
        foreach (var work in options.Works.Where(work => work.IsLoad))
        {
            text.Append(CultureInfo.InvariantCulture, $"## {work.Title}\n\n{work.Statement}\n\n");
            foreach (var clients in work.Clients(options.Clients))
            {
                text.Append(CultureInfo.InvariantCulture, $"### {clients} {(clients == 1 ? "client" : "clients")}\n\n");
                text.Append(ComparisonTable.Of(
                    work == Work.Stream ? Turn.StreamFigures : Turn.Figures, contest.Names(work),
                    contestant => [.. turns[new Seat(work, clients, contestant)]]));
                text.Append('\n');
            }
        }
        return text.ToString().TrimEnd() + "\n";
    }
}
