using System.Diagnostics;

namespace Gateway.Streams;

/// <summary>Represents a contestant that streams the whole table.</summary>
/// <param name="Name">The name in the results.</param>
/// <param name="RunAsync">Streams the table once; throws if a row is missing.</param>
/// <param name="ProcessorSeconds">Returns its CPU time so far in seconds.</param>
internal sealed record StreamContestant(
    string Name, Func<CancellationToken, Task> RunAsync, Func<double> ProcessorSeconds)
{
    public const string Psql = "psql";
    public const string Gateway = "gateway, NDJSON";
    public const string Fastify = "Fastify";

    /// <summary>Returns all contestants. The others are compared with the first.</summary>
    public static IReadOnlyList<StreamContestant> All(
        int rows, PsqlProcess psql, ServerProcess gateway, ServerProcess fastify)
    {
        return
        [
            new(Psql, psql.RunAsync, () => psql.ProcessorSeconds),
            Of(Gateway, gateway, "/v1/query", StreamRows.Ndjson, rows + 2, $$$"""{"end":{"rowCount":{{{rows}}},"""),
            Of("gateway, CSV", gateway, "/v1/query", "text/csv", rows + 1, $"{rows},"),
            Of(Fastify, fastify, "/stream-rows", StreamRows.Ndjson, rows, $$"""{"id":"{{rows}}","""),
        ];

        static StreamContestant Of(
            string name, ServerProcess server, string path, string accept, long lines, string end) =>
            new(name, ct => StreamAsync(server, path, accept, lines, end, ct), () => server.ProcessorSeconds);
    }

    private static readonly TimeSpan BackendsEnd = TimeSpan.FromMilliseconds(100);

    public async Task<StreamSample> MeasureAsync(int rows, int postmaster, CancellationToken ct)
    {
        var (own, reader) = (ProcessorSeconds(), Environment.CpuUsage.TotalTime);
        var postgres = ProcessorTime.OfTree(postmaster);
        var begun = Stopwatch.GetTimestamp();
        await RunAsync(ct);
        var seconds = Stopwatch.GetElapsedTime(begun).TotalSeconds;
        // psql's backend ends after psql, and its CPU time can be read once its parent has waited for it.
        await Task.Delay(BackendsEnd, ct);
        return new StreamSample(
            rows / seconds,
            PerRow(ProcessorSeconds() - own),
            PerRow(ProcessorTime.OfTree(postmaster) - postgres),
            PerRow((Environment.CpuUsage.TotalTime - reader).TotalSeconds));

        double PerRow(double spent) => spent * 1e6 / rows;
    }

    private static async Task StreamAsync(
        ServerProcess server, string path, string accept, long lines, string end, CancellationToken ct)
    {
        var answer = await StreamedAnswerReader.ReadAsync(server.Port, path, accept, StreamRows.StreamBody, ct);
        if (answer.Status != 200 || answer.Lines != lines || !answer.End.StartsWith(end, StringComparison.Ordinal))
        {
            throw new InvalidOperationException(
                $"Not the {lines} lines of {accept} that were asked for, but {answer.Lines} with the status "
                + $"{answer.Status}, the last one: {answer.End}");
        }
    }
}

/// <summary>Represents one stream of the whole table. A CPU time is NaN if it can't be read.</summary>
/// <param name="Rate">The number of rows per second.</param>
/// <param name="OwnTime">The contestant's CPU time for a row, in microseconds.</param>
/// <param name="PostgresTime">PostgreSQL's CPU time for a row, in microseconds.</param>
/// <param name="ReaderTime">The CPU time of the stream's reader for a row, in microseconds.</param>
internal sealed record StreamSample(double Rate, double OwnTime, double PostgresTime, double ReaderTime)
{
    public static IReadOnlyList<Figure<StreamSample>> Figures { get; } =
    [
        new("rows/s", "0", sample => sample.Rate),
        new("own CPU, µs", "0.00", sample => sample.OwnTime),
        new("PostgreSQL's CPU, µs", "0.00", sample => sample.PostgresTime),
    ];
}
