using System.Diagnostics;

namespace Gateway.SideBySide;

/// <summary>Measures the time from a gateway's start to its first answer, and its resident memory at rest.</summary>
internal static class StartTrial
{
    /// <summary>The time after which the gateway is at rest.</summary>
    private static readonly TimeSpan Rest = TimeSpan.FromSeconds(4);

    /// <summary>The time between two attempts, short in comparison with a start.</summary>
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(2);

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    /// <summary>Measures one start.</summary>
    /// <exception cref="InvalidOperationException">The gateway does not answer.</exception>
    public static async Task<StartSample> MeasureAsync(Ground ground, CancellationToken ct)
    {
        using var client = new HttpClient();
        var begun = Stopwatch.GetTimestamp();
        await using var server = ground.Gateway.Start(ground.Postgres);
        while (!await AnswersAsync(client, server.Port, ct))
        {
            if (Stopwatch.GetElapsedTime(begun) > Patience)
                throw new InvalidOperationException("The gateway does not answer after its start.");
            await Task.Delay(Interval, ct);
        }
        var seconds = Stopwatch.GetElapsedTime(begun).TotalSeconds;
        await Task.Delay(Rest, ct);
        return new StartSample(seconds, ResidentMemory.Of(server.ProcessId));
    }

    private static async Task<bool> AnswersAsync(HttpClient client, int port, CancellationToken ct)
    {
        try
        {
            using var answer = await GatewayPeer.AskAsync(client, port, ct);
            return answer.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            // The gateway does not listen yet.
            return false;
        }
    }
}

/// <summary>Represents one start.</summary>
/// <param name="Seconds">The seconds from the process's start to the first right answer.</param>
/// <param name="Memory">
/// The resident memory some seconds after that answer, in MiB; NaN if that can't be read.
/// </param>
internal sealed record StartSample(double Seconds, double Memory);
