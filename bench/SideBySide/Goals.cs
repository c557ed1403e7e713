using System.Globalization;

namespace Gateway.SideBySide;

/// <summary>Compares the results with the gateway's goals. A goal whose contestants took no part is left out.</summary>
internal sealed class Goals
{
    private const int Many = 256;

    private readonly MarkdownTable _table = new("", "goal", "seen", "range", "met");
    private readonly ILookup<Seat, Turn> _turns;

    private Goals(ILookup<Seat, Turn> turns) => _turns = turns;

    /// <summary>Returns a table of the goals.</summary>
    /// <param name="turns">The turns of the works under load, in the order of the rounds.</param>
    /// <param name="starts">The gateway's starts.</param>
    /// <param name="allocations">
    /// The bytes that a request allocates in the gateway, and in Kestrel and Npgsql alone.
    /// </param>
    public static MarkdownTable Of(
        ILookup<Seat, Turn> turns, IReadOnlyList<StartSample> starts, IReadOnlyList<AllocationSample> allocations)
    {
        var goals = new Goals(turns);
        goals.AddRates();
        goals.AddProcessorTime();
        goals.AddTails();
        goals.AddManyClients();
        goals.AddStarts(starts);
        goals.Add(
            "allocated for a point SELECT, beyond Kestrel's and Npgsql's own", "2 KiB at most", "0.0", " KiB",
            [.. allocations.Select(sample => (sample.Gateway - sample.Bare) / 1024)], seen => seen <= 2);
        return goals._table;
    }

    private void AddRates()
    {
        var gateway = Rates(Work.PointSelect, GatewayPeer.Plain);
        AtLeast(35, "point SELECTs are those of `psycopg2`", gateway, Rates(Work.PointSelect, PsycopgPeer.Direct));
        AtLeast(1.3, "point SELECTs are those of the faster Fastify", gateway, Faster(
            Rates(Work.PointSelect, FastifyPeer.Pg), Rates(Work.PointSelect, FastifyPeer.Postgres)));
        AtLeast(0.85, "point SELECTs are those of `bare`", gateway, Rates(Work.PointSelect, BarePeer.Name));
        AtLeast(
            0.4, "point SELECTs are those of `pgbench -M prepared`",
            gateway, Rates(Work.PointSelect, PgbenchPeer.Prepared));
        var exactlyOnce = Rates(Work.Update, GatewayPeer.ExactlyOnce);
        AtLeast(
            0.5, "exactly-once UPDATEs are the plain ones of `bare`", exactlyOnce, Rates(Work.Update, BarePeer.Name));
        AtLeast(
            2, "exactly-once UPDATEs are transaction steps of DBOS", exactlyOnce, Rates(Work.Update, DbosPeer.Steps));
        AtLeast(
            2, "replays are first runs",
            Rates(Work.Replay, GatewayPeer.Replayed), Rates(Work.Replay, GatewayPeer.FirstRun));
    }

    private void AddProcessorTime()
    {
        var gateway = Figures(Work.PointSelect, GatewayPeer.Plain, Load.Connections, turn => turn.Sample.OwnTime);
        var bare = Figures(Work.PointSelect, BarePeer.Name, Load.Connections, turn => turn.Sample.OwnTime);
        AtMost(1.25, "CPU of a point SELECT is that of `bare`", Ratios(gateway, bare));
    }

    private void AddTails()
    {
        foreach (var (work, contestant) in new[]
        {
            (Work.PointSelect, GatewayPeer.Plain),
            (Work.Page, GatewayPeer.Plain),
            (Work.Update, GatewayPeer.ExactlyOnce),
            (Work.Update, GatewayPeer.AtLeastOnce),
            (Work.Transaction, GatewayPeer.ExactlyOnce),
            (Work.Replay, GatewayPeer.Replayed),
        })
        {
            AtMost(8, $"{work.Name}, `{contestant}`: p99 is p50", Figures(
                work, contestant, Load.Connections, turn => turn.Sample.P99 / turn.Sample.P50));
        }
    }

    private void AddManyClients() => AtLeast(
        0.9, $"point SELECTs of {Many} clients are those of {Load.Connections}",
        Figures(Work.PointSelect, GatewayPeer.Plain, Many, turn => turn.Sample.Rate),
        Rates(Work.PointSelect, GatewayPeer.Plain));

    private void AddStarts(IReadOnlyList<StartSample> starts)
    {
        Add(
            "start to the first answer", "0.50 s at most", "0.00", " s",
            [.. starts.Select(start => start.Seconds)], seen => seen <= 0.5);
        Add(
            "memory at rest", "110 MiB at most", "0", " MiB",
            [.. starts.Select(start => start.Memory)], seen => seen <= 110);
    }

    private void AtLeast(double goal, string what, double[] own, double[] others) => Add(
        what, string.Create(CultureInfo.InvariantCulture, $"× {goal:0.00} at least"), "× 0.00", "",
        Ratios(own, others), seen => seen >= goal);

    private void AtMost(double goal, string what, double[] ratios) => Add(
        what, string.Create(CultureInfo.InvariantCulture, $"× {goal:0.00} at most"), "× 0.00", "",
        ratios, seen => seen <= goal);

    private void Add(string what, string goal, string format, string unit, double[] values, Func<double, bool> isMet)
    {
        if (values.Length == 0)
            return;
        var seen = Statistics.Median(values);
        _table.Add(
            what, goal, Text(seen) + unit, $"{Text(values.Min())} – {Text(values.Max())}", isMet(seen) ? "yes" : "NO");

        string Text(double value) => value.ToString(format, CultureInfo.InvariantCulture);
    }

    private double[] Rates(Work work, string contestant) =>
        Figures(work, contestant, Load.Connections, turn => turn.Sample.Rate);

    private double[] Figures(Work work, string contestant, int clients, Func<Turn, double> figure) =>
        [.. _turns[new Seat(work, clients, contestant)].Select(figure)];

    /// <summary>Returns the ratio of each round; none if one of the contestants took no part.</summary>
    private static double[] Ratios(double[] own, double[] others) =>
        [.. own.Zip(others, (mine, theirs) => mine / theirs)];

    private static double[] Faster(double[] one, double[] other) => [.. one.Zip(other, Math.Max)];
}
