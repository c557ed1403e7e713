using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text.Json;
using Gateway.LocalPostgres;

namespace Gateway.Bench;

/// <summary>
/// Runs a benchmark from its start to its exit code. Ctrl+C and SIGTERM stop it in order, with all processes that it
/// has started.
/// </summary>
internal static class BenchRun
{
    /// <summary>Runs the benchmark.</summary>
    /// <returns>0; 1 after an error, with a message on standard error; 130 if it was stopped.</returns>
    public static async Task<int> RunAsync(Func<CancellationToken, Task> run)
    {
        using var stopping = new CancellationTokenSource();
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        try
        {
            await run(stopping.Token);
            return 0;
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            return 130;
        }
        catch (Exception error) when (error is FormatException or LocalPostgresException || IsFailure(error))
        {
            await Console.Error.WriteLineAsync(error.Message);
            return 1;
        }

        void Stop(PosixSignalContext signal)
        {
            signal.Cancel = true;
            stopping.Cancel();
        }
    }

    /// <summary>Returns whether an exception means that a contestant does not work or answers wrongly.</summary>
    public static bool IsFailure(Exception error) => error is InvalidOperationException or HttpRequestException
        or IOException or SocketException or JsonException or OperationCanceledException;

    /// <summary>
    /// Returns the order of a round. Another contestant begins each round, because the last one's work affects the
    /// first one.
    /// </summary>
    public static IEnumerable<T> Turns<T>(IReadOnlyList<T> contestants, int round)
    {
        var first = round % contestants.Count;
        return contestants.Skip(first).Concat(contestants.Take(first));
    }
}
