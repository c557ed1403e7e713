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
        ILookup<string, Sample> streams,
        ILookup<string, Sample> pages,
        ILookup<MemoryTrial, MemorySample> memory) =>
        FormattableString.Invariant($"""
            # What large results cost

            Made by `bench/streams{options.Run.Arguments}`.

            A figure is the median of {options.Run.Rounds} rounds. In parentheses is the median of the rounds' ratios
            to the first row. Compare the ratios: the load of the machine changes from round to round. CPU is for each
            row or request; PostgreSQL's is that of all of its processes.

            {string.Join("; ", machine)}.

            {Goals(streams, pages, memory)}
            ## {options.Rows:#,0} rows, streamed

            A row is a bigint, a text of 30 characters, a timestamptz, a numeric, a boolean and a jsonb of about 60
            bytes. The reader of HTTP counts the lines, and no line was missing.

            - `psql`: `{StreamRows.Copy}` to `/dev/null`, with psql's start.
            - `gateway`: `POST /v1/query` with the default settings; `Accept` chooses the format.
            - `Fastify`: a server of Node.js that reads with pg-query-stream and writes NDJSON with `JSON.stringify`.

            {ComparisonTable.Of(Sample.StreamFigures, Names(streams), contestant => [.. streams[contestant]])}
            ## A page of {StreamRows.Page:#,0} rows

            The same columns, after a key, as `application/json`. `wrk` sends the requests of {Wrk.Clients} clients, for
            {options.Run.Seconds} s in each round.

            - `bare`: a handler of ASP.NET Core with Npgsql's typed getters and a `Utf8JsonWriter`. It has no
              transaction of its own, no limits and no log.
            - `gateway`: `POST /v1/query` with the default settings.

            {ComparisonTable.Of(Sample.Figures, Names(pages), contestant => [.. pages[contestant]])}
            ## The gateway's memory, in MiB

            Resident memory, as Linux counts it. Each round starts a gateway and streams an eighth of the size before
            it measures. The first two trials are NDJSON of {options.Megabytes:#,0} MiB. "Growth" is the peak during
            the request, and "left" is the growth 5 s after it, or earlier if it is within the goal. Both are the
            worst of the rounds.

            {Memory(memory)}
            """).TrimEnd() + "\n";

    private static MarkdownTable Goals(
        ILookup<string, Sample> streams, ILookup<string, Sample> pages, ILookup<MemoryTrial, MemorySample> memory)
    {
        var table = new MarkdownTable("", "goal", "result", "range", "met");
        AddRatio(
            "rows/s of NDJSON ÷ those of `psql`", "≥ 0.50 ×", ratio => ratio >= 0.5,
            streams, Program.Ndjson, Program.Psql, sample => sample.Rate);
        AddRatio(
            "rows/s of NDJSON ÷ those of `Fastify`", "> 1.00 ×", ratio => ratio > 1,
            streams, Program.Ndjson, Program.Fastify, sample => sample.Rate);
        AddRatio(
            "CPU of a page ÷ that of `bare`", "≤ 1.50 ×", ratio => ratio <= 1.5,
            pages, Program.Gateway, Program.Bare, sample => sample.OwnTime);

        foreach (var trial in memory)
        {
            double[] values = [.. trial.Select(sample => trial.Key.MayHold ? sample.Left : sample.Growth)];
            var isAnswered = trial.All(sample => sample.Fault is null);
            Add(
                $"memory, {(trial.Key.MayHold ? "left by" : "growth by")} {trial.Key.Name}",
                $"≤ {MemoryTrial.Goal:0} MiB", "0.0", " MiB",
                values.Max(), values, isAnswered && values.Max() <= MemoryTrial.Goal);
        }
        return table;

        void AddRatio(
            string what, string goal, Func<double, bool> isMet,
            ILookup<string, Sample> samples, string own, string other, Func<Sample, double> figure)
        {
            var ratios = ComparisonTable.Ratios([.. samples[own]], [.. samples[other]], figure);
            var ratio = Statistics.Median(ratios);
            Add(what, goal, "0.00", " ×", ratio, ratios, isMet(ratio));
        }

        void Add(string what, string goal, string format, string unit, double result, double[] all, bool isMet) =>
            table.Add(
                what, goal, Statistics.Text(result, format) + unit, Statistics.Range(all, format),
                isMet ? "yes" : "NO");
    }

    private static string Memory(ILookup<MemoryTrial, MemorySample> memory)
    {
        var table = new MarkdownTable("", "before", "growth", "left", "answer");
        foreach (var trial in memory)
        {
            table.Add(
                trial.Key.Name,
                Statistics.Text(Statistics.Median(trial.Select(sample => sample.Before)), "0.0"),
                Statistics.Text(trial.Max(sample => sample.Growth), "0.0"),
                Statistics.Text(trial.Max(sample => sample.Left), "0.0"),
                trial.All(sample => sample.Fault is null) ? "right" : "WRONG");
        }

        // Faults go below the table: a sentence in a cell would make the table too wide.
        return table + string.Concat(memory.SelectMany(trial => trial
            .Select(sample => sample.Fault).OfType<string>().Take(1)
            .Select(fault => $"\nThe wrong answer to {trial.Key.Name}: {fault}\n")));
    }

    private static string[] Names<T>(ILookup<string, T> samples) => [.. samples.Select(contestant => contestant.Key)];
}
