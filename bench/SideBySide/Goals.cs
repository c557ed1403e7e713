namespace Gateway.SideBySide;

/// <summary>Compares the results with the gateway's goals. A goal whose contestants took no part is left out.</summary>
internal sealed class Goals
{
    private const int ManyClients = 256;

    private readonly MarkdownTable _table = new("work", "compared with", "goal", "median", "range", "met");
    private readonly Results _results;

    private Goals(Results results) => _results = results;

    /// <summary>Returns a table of the goals; an empty text if no goal applies.</summary>
    public static string Of(Results results)
    {
        var goals = new Goals(results);
        goals.AddPointSelects();
        goals.AddWrites();
        goals.AddCallers();
        goals.AddAtRest();
        return goals._table.IsEmpty ? "" : $"{goals._table}";
    }

    private void AddPointSelects()
    {
        const string Name = "point SELECT, requests/s";
        var own = Point(GatewayPeer.Plain);
        var fastify = new[] { Point(PeerKind.FastifyPg), Point(PeerKind.FastifyPostgres) };
        AtLeast(1.3, Name, "the faster Fastify", Ratios(own, Best(fastify, sample => sample.Rate)));
        AtLeast(1.0, Name, "`bare`", Ratios(own, Point(PeerKind.Bare)));
        AtLeast(0.7, Name, "`bare, auto-prepared`", Ratios(own, Point(PeerKind.BarePrepared)));
        AtLeast(50, Name, "`psycopg2`", Ratios(own, Point(PsycopgPeer.Direct)));
        AtLeast(0.25, Name, "`pgbench -M prepared`", Ratios(own, Point(PgbenchPeer.Prepared)));
        AtMost(
            1.9, "point SELECT, PostgreSQL's CPU", "`pgbench -M prepared`",
            Ratios(own, Point(PgbenchPeer.Prepared), sample => sample.PostgresTime));
        AtMost(
            1.25, "point SELECT, own CPU", "`bare`", Ratios(own, Point(PeerKind.Bare), sample => sample.OwnTime));
        AtMost(
            2, "point SELECT, p99", "Fastify, the lower p99",
            Ratios(own, Best(fastify, sample => -sample.P99), sample => sample.P99));
        AtLeast(
            0.9, $"point SELECT, {ManyClients} clients, no error", $"{Wrk.Clients} clients",
            Ratios(_results[new Seat(WorkKind.PointSelect, ManyClients, GatewayPeer.Plain)], own));
    }

    private void AddWrites()
    {
        const string Name = "exactly-once UPDATE, requests/s";
        var own = Of(WorkKind.Update, GatewayPeer.ExactlyOnce);
        AtLeast(0.5, Name, "plain UPDATE of `bare`", Ratios(own, Of(WorkKind.Update, PeerKind.Bare)));
        AtLeast(2.5, Name, "transaction step of DBOS", Ratios(own, Of(WorkKind.Update, DbosPeer.Steps)));
        AtLeast(
            2.5, "replay, requests/s", "first run",
            Ratios(Of(WorkKind.Replay, GatewayPeer.Replayed), Of(WorkKind.Replay, GatewayPeer.FirstRun)));
    }

    private void AddCallers() => AtLeast(
        0.6, $"{Work.Callers} callers in turn, requests/s", "one caller",
        Ratios(
            _results[new Seat(WorkKind.Callers, Work.Callers, GatewayPeer.ManyCallers)],
            _results[new Seat(WorkKind.Callers, Work.Callers, GatewayPeer.OneCaller)]));

    private void AddAtRest()
    {
        AtMost(
            4, "allocated for a point SELECT", "Kestrel and Npgsql alone",
            [.. _results.Allocations.Select(sample => (sample.Gateway - sample.Bare) / 1024)], "0.0", " KiB more");
        AtMost(0.5, "start to the first answer", "", [.. _results.Starts.Select(start => start.Seconds)], "0.00", " s");
        AtMost(110, "memory at rest", "", [.. _results.Starts.Select(start => start.Memory)], "0", " MiB");
    }

    private void AtLeast(double goal, string work, string other, double[] ratios) =>
        Add($"≥ {Statistics.Text(goal, "0.00")} ×", work, other, ratios, "0.00", " ×", seen => seen >= goal);

    private void AtMost(
        double goal, string work, string other, double[] values, string format = "0.00", string unit = " ×") =>
        Add($"≤ {Statistics.Text(goal, format)}{unit}", work, other, values, format, unit, seen => seen <= goal);

    private void Add(
        string goal, string work, string other, double[] values, string format, string unit, Func<double, bool> isMet)
    {
        if (values.Length == 0)
            return;
        var median = Statistics.Median(values);
        _table.Add(
            work, other, goal, Statistics.Text(median, format) + unit, Statistics.Range(values, format),
            isMet(median) ? "yes" : "NO");
    }

    private IReadOnlyList<Sample?> Point(string contestant) => Of(WorkKind.PointSelect, contestant);

    private IReadOnlyList<Sample?> Of(WorkKind work, string contestant) =>
        _results[new Seat(work, Wrk.Clients, contestant)];

    /// <summary>Returns the ratio of each round that both have; none if one of the contestants took no part.</summary>
    private static double[] Ratios(
        IReadOnlyList<Sample?> own, IReadOnlyList<Sample?> others, Func<Sample, double>? figure = null) =>
        ComparisonTable.Ratios(own, others, figure ?? (sample => sample.Rate));

    /// <summary>Returns the sample with the highest score in each round.</summary>
    private static IReadOnlyList<Sample?> Best(IReadOnlyList<Sample?>[] contestants, Func<Sample, double> score) =>
        [.. Enumerable.Range(0, contestants.Max(rounds => rounds.Count)).Select(round =>
            contestants.Select(rounds => rounds.ElementAtOrDefault(round)).OfType<Sample>().MaxBy(score))];
}
