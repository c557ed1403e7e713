using System.Globalization;

namespace Gateway.ExactlyOnce;

/// <summary>What has been measured, as a page for the terminal and for the repository.</summary>
internal static class Report
{
    /// <param name="options">Of the run.</param>
    /// <param name="machine">Of the run.</param>
    /// <param name="contestants">Their names; the first is what the others are compared with.</param>
    /// <param name="samples">By contestant, one for each round, in order.</param>
    public static string Write(
        RunOptions options,
        IReadOnlyList<string> machine,
        IReadOnlyList<string> contestants,
        ILookup<string, Sample> samples)
    {
        var table = ComparisonTable.Of(Sample.Figures("own CPU, µs"), contestants, contestant => [.. samples[contestant]]);
        var goals = new MarkdownTable("requests/s of", "are those of", "goal, at least", "seen", "range");
        AddGoal(goals, Contestant.Execute, Contestant.Bare, 0.5, samples);
        AddGoal(goals, Contestant.Execute, Contestant.DbosSteps, 2, samples);
        AddGoal(goals, Contestant.Replay, Contestant.Execute, 2, samples);
        return string.Create(CultureInfo.InvariantCulture, $"""
            # What exactly-once costs

            Made by `bench/exactly-once {options.Arguments}`; its code says how. {Load.Connections} callers, no errors, and as many
            updates as right answers that are no replays. Each request is an `UPDATE … SET abalance = abalance + $1 WHERE aid = $2
            RETURNING abalance` of one of 1,000,000 rows. In parentheses the ratio to `{contestants[0]}`. Each figure is the median of
            the rounds, and each ratio the median of the rounds' own ratios, since what else the machine does changes from round
            to round.

            - `bare`: a handler of ASP.NET Core and Npgsql that promises nothing: no transaction of its own, no budget, no log.
            - `execute`: the gateway with its defaults, each request with an activity ID of its own, delivered exactly once.
            - `replay`: the gateway answers activities that it has recorded.
            - `at-least-once`: the gateway with that delivery, which records nothing.
            - `DBOS`: a server of Node.js that runs each request as a DBOS workflow of one transaction step, by
              `@dbos-inc/postgres-datasource`. The workflow's ID is the activity's.
            - `DBOS, steps alone`: such steps without HTTP, many in each of {Load.Connections} workflows at a time, so that neither a
              workflow's begin and end nor a caller's work is measured. A request is a step here.

            CPU is for each request; PostgreSQL's is that of all of its processes. {options.Durability}

            {string.Join("; ", machine)}.

            {table}
            {goals}
            """).TrimEnd() + "\n";
    }

    private static void AddGoal(
        MarkdownTable goals, string contestant, string other, double goal, ILookup<string, Sample> samples)
    {
        var ratios = ComparisonTable.Ratios([.. samples[contestant]], [.. samples[other]], sample => sample.Rate);
        goals.Add(
            $"`{contestant}`",
            $"`{other}`",
            string.Create(CultureInfo.InvariantCulture, $"× {goal:0.0}"),
            string.Create(CultureInfo.InvariantCulture, $"× {Statistics.Median(ratios):0.00}"),
            string.Create(CultureInfo.InvariantCulture, $"{ratios.Min():0.00} – {ratios.Max():0.00}"));
    }
}
