using System.Globalization;

namespace Gateway.Streams;

/// <summary>Writes the results as a page, for the terminal and for the repository.</summary>
internal static class Report
{
    /// <summary>Returns the page.</summary>
    /// <param name="options">The options of the run.</param>
    /// <param name="machine">The description of the machine.</param>
    /// <param name="streams">The samples of each contestant with streams, one for each round.</param>
    /// <param name="pages">The samples of each contestant with pages, one for each round.</param>
    /// <param name="memory">The samples of each memory trial, one for each round.</param>
    public static string Write(
        StreamOptions options,
        IReadOnlyList<string> machine,
        ILookup<string, StreamSample> streams,
        ILookup<string, Sample> pages,
        ILookup<MemoryTrial, MemorySample> memory)
    {
        var readers = streams.SelectMany(samples => samples).Max(sample => sample.ReaderTime);
        return string.Create(CultureInfo.InvariantCulture, $"""
            # What large results cost

            Made by `bench/streams {options.Arguments}`; its code says how. Each figure of a
            comparison is the median of the rounds, and each ratio the median of the rounds' own ratios, since what else the
            machine does changes from round to round; in parentheses the ratio to the first line. What memory grows by is the
            worst of the rounds. CPU is for each row or request; PostgreSQL's is that of all of its processes.

            {string.Join("; ", machine)}.

            {Goals(streams, pages, memory)}
            ## {options.Rows:#,0} rows, streamed

            A row is a bigint, a text of 30 characters, a timestamptz, a numeric, a boolean and a jsonb of about 60 bytes. Every
            stream was whole. Who reads HTTP counts line breaks, and took no more than {readers:0.00} µs of CPU for a row.

            - `psql`: `{StreamRows.Copy}` to `/dev/null`, psql's start included.
            - `gateway`: `POST /v1/query` with its defaults, by `Accept`.
            - `Fastify`: a server of Node.js, which writes NDJSON of what pg-query-stream reads, by `JSON.stringify`.

            {ComparisonTable.Of(StreamSample.Figures, Names(streams), contestant => [.. streams[contestant]])}
            ## A page of {StreamRows.Page:#,0} rows

            The same columns, after a key, as `application/json`, asked for by {Load.Connections} callers.

            - `bare`: a handler of ASP.NET Core with Npgsql's typed getters and a `Utf8JsonWriter`. No transaction of its own, no
              budget, no log.
            - `gateway`: `POST /v1/query` with its defaults.

            {ComparisonTable.Of(Sample.Figures("own CPU, µs"), Names(pages), contestant => [.. pages[contestant]])}
            ## The gateway's memory, in MiB

            Resident memory, by Linux's own count, of a gateway that has been started for the round and has streamed an eighth of
            this before. The first two are NDJSON of {options.Megabytes:#,0} MiB. What is left is looked at as soon as it is within the goal, and
            after 5 s at the latest.

            {Memory(memory)}
            """).TrimEnd() + "\n";
    }

    private static MarkdownTable Goals(
        ILookup<string, StreamSample> streams, ILookup<string, Sample> pages, ILookup<MemoryTrial, MemorySample> memory)
    {
        var table = new MarkdownTable("", "goal", "seen", "range", "met");
        var gateway = streams[StreamContestant.Gateway].ToArray();
        AddRatio(
            "rows/s of NDJSON are those of `psql`", "× 0.50 at least", ratio => ratio >= 0.5,
            ComparisonTable.Ratios(gateway, [.. streams[StreamContestant.Psql]], sample => sample.Rate));
        AddRatio(
            "rows/s of NDJSON are those of `Fastify`", "more than × 1.00", ratio => ratio > 1,
            ComparisonTable.Ratios(gateway, [.. streams[StreamContestant.Fastify]], sample => sample.Rate));
        AddRatio(
            "CPU of a page is that of `bare`", "× 1.50 at most", ratio => ratio <= 1.5,
            ComparisonTable.Ratios(
                [.. pages[PageContestant.Gateway]], [.. pages[PageContestant.Bare]], sample => sample.OwnTime));

        foreach (var trial in memory)
        {
            double[] values = [.. trial.Select(sample => trial.Key.MayHold ? sample.Left : sample.Growth)];
            var isAnswered = trial.All(sample => sample.Fault is null);
            Add(
                $"memory {(trial.Key.MayHold ? "left by" : "grows in")} {trial.Key.Name}",
                $"{MemoryTrial.Goal:0} MiB at most", "0.0", " MiB",
                values.Max(), values, isAnswered && values.Max() <= MemoryTrial.Goal);
        }
        return table;

        void AddRatio(string what, string goal, Func<double, bool> isMet, double[] ratios)
        {
            var ratio = Statistics.Median(ratios);
            Add(what, goal, "× 0.00", "", ratio, ratios, isMet(ratio));
        }

        void Add(string what, string goal, string format, string unit, double seen, double[] all, bool isMet)
        {
            table.Add(
                what, goal, Text(seen) + unit, $"{Text(all.Min())} – {Text(all.Max())}", isMet ? "yes" : "NO");

            string Text(double value) => value.ToString(format, CultureInfo.InvariantCulture);
        }
    }

    private static string Memory(ILookup<MemoryTrial, MemorySample> memory)
    {
        var table = new MarkdownTable("", "before", "grew by", "left", "answer");
        foreach (var trial in memory)
        {
            table.Add(
                trial.Key.Name,
                Round(Statistics.Median(trial.Select(sample => sample.Before))),
                Round(trial.Max(sample => sample.Growth)),
                Round(trial.Max(sample => sample.Left)),
                trial.All(sample => sample.Fault is null) ? "right" : "WRONG");
        }

        // Faults go below the table: a sentence in a cell would make the table too wide.
        var faults = memory.SelectMany(trial => trial
            .Select(sample => sample.Fault).OfType<string>().Take(1)
            .Select(fault => $"\nThe wrong answer to {trial.Key.Name}: {fault}\n"));
        return table + string.Concat(faults);

        static string Round(double mebibytes) => mebibytes.ToString("0.0", CultureInfo.InvariantCulture);
    }

    private static string[] Names<T>(ILookup<string, T> samples) => [.. samples.Select(contestant => contestant.Key)];
}
