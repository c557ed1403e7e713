using System.Net.Sockets;
using System.Runtime.InteropServices;
using Gateway.LocalPostgres;

namespace Gateway.Bench;

/// <summary>
/// Runs a benchmark from its start to its exit code. Ctrl+C and SIGTERM stop it in order, with all processes that it
/// has started.
/// </summary>
internal static class BenchRun
{
    /// <summary>Runs the benchmark.</summary>
    /// <returns>
    /// 0; 1 if it can't be run, and the message goes to standard error; 130 if it was stopped.
    /// </returns>
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
        catch (OperationCanceledException)
        {
            return 130;
        }
        catch (Exception error) when (error is FormatException or InvalidOperationException or HttpRequestException
            or IOException or SocketException or LocalPostgresException)
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
}
