using System.Diagnostics;
using Gateway.LocalPostgres;

namespace Gateway.SideBySide;

/// <summary>A gateway from its start to its first answer, and what it has of the machine's memory at rest.</summary>
internal static class StartTrial
{
    /// <summary>Until it has rested.</summary>
    private static readonly TimeSpan Rest = TimeSpan.FromSeconds(4);

    /// <summary>Short beside a start.</summary>
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(2);

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    /// <param name="gateway">As it is published.</param>
    /// <param name="postgres">With the accounts and the journal.</param>
    /// <param name="ct">Ends it.</param>
    /// <exception cref="InvalidOperationException">It does not answer.</exception>
    public static async Task<StartSample> MeasureAsync(GatewayServer gateway, LocalPostgresServer postgres, CancellationToken ct)
    {
        using var client = new HttpClient();
        var begun = Stopwatch.GetTimestamp();
        await using var server = gateway.Start(postgres);
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
            // It does not listen yet.
            return false;
        }
    }
}

/// <summary>One start.</summary>
/// <param name="Seconds">From the process's start to the first right answer.</param>
/// <param name="Memory">Resident, some seconds after that answer, in MiB; NaN where that can't be seen.</param>
internal sealed record StartSample(double Seconds, double Memory);
