using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace Gateway.Bench;

/// <summary>What a stretch of load came to.</summary>
/// <param name="Requests">Answered as they should be.</param>
/// <param name="Errors">Answered otherwise, or not.</param>
/// <param name="Seconds">How long it took.</param>
/// <param name="P50">The median latency, in microseconds.</param>
/// <param name="P99">The latency that one in a hundred exceeds, in microseconds.</param>
internal sealed record LoadResult(long Requests, long Errors, double Seconds, double P50, double P99);

/// <summary>
/// The load, in a process of its own, so that what it costs is not counted as the gateway's. It takes a command a line
/// and answers with a line, and ends with its input.
/// </summary>
internal static class Load
{
    /// <summary>As many as the gateway has sessions by default: nobody queues.</summary>
    public const int Connections = 16;

    /// <param name="loads">By the names that commands have.</param>
    public static void Serve(IReadOnlyDictionary<string, LoadRequests> loads)
    {
        // Ctrl+C in a terminal reaches this process too; the other one decides when to end.
        Console.CancelKeyPress += (_, key) => key.Cancel = true;
        while (Console.In.ReadLine() is { } line)
        {
            var command = line.Split(' ');
            var result = Run(
                int.Parse(command[0], CultureInfo.InvariantCulture),
                loads[command[1]],
                TimeSpan.FromSeconds(double.Parse(command[2], CultureInfo.InvariantCulture)));
            Console.Out.WriteLine(JsonSerializer.Serialize(result));
        }
    }

    /// <summary>The command that <see cref="Serve"/> takes.</summary>
    public static string Command(int port, string load, TimeSpan duration) =>
        string.Create(CultureInfo.InvariantCulture, $"{port} {load} {duration.TotalSeconds}");

    private static LoadResult Run(int port, LoadRequests requests, TimeSpan duration)
    {
        var connections = Enumerable.Range(0, Connections).Select(_ => new LoadConnection(port)).ToArray();
        var begun = Stopwatch.GetTimestamp();
        var end = begun + (long)(duration.TotalSeconds * Stopwatch.Frequency);
        // A thread that blocks costs less for each request than a loop of events does.
        var threads = connections.Select((connection, index) =>
            new Thread(() => connection.Run(requests, index * requests.Count / Connections, end))).ToArray();
        foreach (var thread in threads)
            thread.Start();
        foreach (var thread in threads)
            thread.Join();
        var elapsed = Stopwatch.GetElapsedTime(begun);

        foreach (var connection in connections)
            connection.Dispose();
        if (connections.Select(connection => connection.FirstError).FirstOrDefault(error => error is not null) is { } fault)
            Console.Error.WriteLine($"load: {fault}");

        var latencies = connections.SelectMany(connection => connection.Latencies).Order().ToArray();
        return new LoadResult(
            latencies.Length, connections.Sum(connection => connection.Errors), elapsed.TotalSeconds,
            Microseconds(latencies, 0.5), Microseconds(latencies, 0.99));
    }

    private static double Microseconds(long[] latencies, double share) => latencies.Length == 0
        ? 0
        : Stopwatch.GetElapsedTime(0, Statistics.Percentile(latencies, share)).TotalMicroseconds;
}
