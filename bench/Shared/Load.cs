using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace Gateway.Bench;

/// <summary>Represents the result of a stretch of load.</summary>
/// <param name="Requests">The number of right answers.</param>
/// <param name="Errors">The number of requests with a wrong answer, or none.</param>
/// <param name="Seconds">The duration in seconds.</param>
/// <param name="P50">The median latency in microseconds.</param>
/// <param name="P99">The latency in microseconds that one request in a hundred exceeds.</param>
internal sealed record LoadResult(long Requests, long Errors, double Seconds, double P50, double P99);

/// <summary>
/// Produces the load, in a process of its own, so that its CPU time is not counted as the gateway's. It reads a command
/// from each line, answers with a line, and ends when its input ends.
/// </summary>
internal static class Load
{
    /// <summary>
    /// The number of callers: the gateway's default number of sessions, so that no request waits for one.
    /// </summary>
    public const int Connections = 16;

    /// <summary>Runs in the load's process: reads commands and writes results until the input ends.</summary>
    /// <param name="loads">The requests, by the name of the load in commands.</param>
    public static void Serve(IReadOnlyDictionary<string, LoadRequests> loads)
    {
        // Ctrl+C in a terminal reaches this process too, but the benchmark's process decides when to end.
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

    /// <summary>Returns a command for <see cref="Serve"/>.</summary>
    public static string Command(int port, string load, TimeSpan duration) =>
        string.Create(CultureInfo.InvariantCulture, $"{port} {load} {duration.TotalSeconds}");

    private static LoadResult Run(int port, LoadRequests requests, TimeSpan duration)
    {
        var connections = Enumerable.Range(0, Connections).Select(_ => new LoadConnection(port)).ToArray();
        var begun = Stopwatch.GetTimestamp();
        var end = begun + (long)(duration.TotalSeconds * Stopwatch.Frequency);
        // A thread that blocks costs less for each request than an event loop.
        var threads = connections.Select((connection, index) =>
            new Thread(() => connection.Run(requests, index * requests.Count / Connections, end))).ToArray();
        foreach (var thread in threads)
            thread.Start();
        foreach (var thread in threads)
            thread.Join();
        var elapsed = Stopwatch.GetElapsedTime(begun);

        foreach (var connection in connections)
            connection.Dispose();
        var errors = connections.Select(connection => connection.FirstError);
        if (errors.FirstOrDefault(error => error is not null) is { } fault)
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
