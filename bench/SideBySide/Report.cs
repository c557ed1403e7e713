using System.Globalization;
using System.Text;

namespace Gateway.SideBySide;

/// <summary>Writes the results as a page, for the terminal and for the repository.</summary>
/// <param name="options">The options of the run.</param>
/// <param name="machine">The description of the machine.</param>
/// <param name="contest">The contestants.</param>
/// <param name="results">The results.</param>
internal sealed class Report(
    SideBySideOptions options, IReadOnlyList<string> machine, Contest contest, Results results)
{
    /// <summary>Returns the page.</summary>
    /// <param name="pictures">The pictures, which are in the page's folder.</param>
    public string Write(IReadOnlyList<Picture> pictures)
    {
        var durability = options.Fsync == "on"
            ? "PostgreSQL runs with fsync, so a COMMIT waits for this machine's disk."
            : "PostgreSQL runs without fsync, because a slow disk would hide the differences.";
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"""
            # The gateway compared with alternatives

            Made by `bench/run{options.Run.Arguments}`.

            Each contestant ran for {options.Run.Seconds} s in each round; rounds: {options.Run.Rounds}. All
            contestants use one PostgreSQL and take turns; another one begins each round. A figure is the median of
            the rounds. In parentheses is the median of the rounds' ratios to the first row. Compare the ratios: the
            load of the machine changes from round to round. All answers were right: the rows of each contestant are
            those of PostgreSQL, and there are as many updates and rows of history as right answers.

            {string.Join('\n', options.Peers.Select(peer => peer.Description))}

            Each server has at most {Wrk.Clients} sessions. DBOS has two pools of 10, its default. psycopg2 and
            pgbench have a session for each client. `wrk` sends the HTTP requests and corrects the latencies; the
            others measure their own latencies. CPU is for each request or row; PostgreSQL's is that of all of its
            processes.
            {durability}

            {string.Join("; ", machine)}.

            {results.DescribeFailures()}{Goals.Of(results)}

            """);
        foreach (var picture in pictures)
            text.Append(CultureInfo.InvariantCulture, $"![{picture.Title}]({picture.File})\n\n");
        foreach (var work in options.Works.Where(work => work.IsLoad))
        {
            text.Append(CultureInfo.InvariantCulture, $"## {work.Title}\n\n{work.Statement}\n\n");
            foreach (var clients in work.Clients(options.Clients))
            {
                var names = contest.Names(work, clients);
                if (names.Count == 0)
                    continue;
                text.Append(CultureInfo.InvariantCulture, $"### {Title(clients)}\n\n");
                text.Append(ComparisonTable.Of(
                    work.Kind == WorkKind.Stream ? Sample.StreamFigures : Sample.Figures, names,
                    contestant => results[new Seat(work.Kind, clients, contestant)]));
                foreach (var name in names)
                {
                    var missing = results[new Seat(work.Kind, clients, name)].Count(sample => sample is null);
                    if (missing > 0)
                    {
                        text.Append(
                            CultureInfo.InvariantCulture, $"\n`{name}`: failed rounds that are left out: {missing}.\n");
                    }
                }
                text.Append('\n');
            }
        }
        return text.ToString().TrimEnd() + "\n";
    }

    /// <summary>Draws the results.</summary>
    /// <param name="name">The beginning of the files' names.</param>
    public IEnumerable<Picture> Draw(string name)
    {
        var panels = new List<OxyPlot.PlotModel>();
        foreach (var work in options.Works.Where(work => work.IsLoad && work.Kind != WorkKind.Replay))
        {
            var clients = work.Clients(options.Clients);
            var shown = clients.Contains(Wrk.Clients) ? Wrk.Clients : clients[0];
            if (contest.Names(work, shown) is { Count: > 1 } names)
            {
                var unit = work.Kind == WorkKind.Stream ? "rows/s" : "requests/s";
                panels.Add(Plot.Bars(
                    $"{work.Title}, {Title(shown)}: {unit} ÷ the gateway's", names,
                    contestant => results[new Seat(work.Kind, shown, contestant)]));
            }
        }
        yield return new Picture(
            $"{name}.svg", "Throughput of all contestants compared with the gateway's", Plot.Arrange(panels, 2));

        var point = Work.Of(WorkKind.PointSelect);
        if (options.Works.Contains(point) && point.Clients(options.Clients) is { Count: > 1 } numbers)
        {
            var lines = Plot.Lines(
                $"{point.Title}: requests/s over the number of clients", contest.Names(point, numbers[0]), numbers,
                (contestant, clients) => results[new Seat(point.Kind, clients, contestant)]);
            yield return new Picture(
                $"{name}-clients.svg", "Throughput over the number of clients", Plot.Arrange([lines], 1));
        }
    }

    private static string Title(int clients) =>
        string.Create(CultureInfo.InvariantCulture, $"{clients} {(clients == 1 ? "client" : "clients")}");
}

/// <summary>Represents a picture of the results.</summary>
/// <param name="File">The name of its file.</param>
/// <param name="Title">Its title.</param>
/// <param name="Svg">The file's text.</param>
internal sealed record Picture(string File, string Title, string Svg);
