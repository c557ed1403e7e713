using System.Text.Json.Nodes;

namespace Gateway.SideBySide;

/// <summary>One that takes part in a work.</summary>
/// <param name="Name">For people.</param>
/// <param name="Server">What has to be warm, and serves contestants of other works too; null where there is nothing to warm.</param>
/// <param name="RunAsync">Has so many clients drive it for a time.</param>
internal sealed record Contestant(
    string Name, object? Server, Func<int, TimeSpan, CancellationToken, Task<Stretch>> RunAsync)
{
    /// <summary>Answers once, for an account, with its row or rows; null where it can't give them.</summary>
    public Func<int, CancellationToken, Task<JsonArray>>? AskAsync { get; init; }

    /// <summary>What has to be there before it is driven; the effect of making it.</summary>
    public Func<CancellationToken, Task<Effect>>? PrepareAsync { get; init; }

    /// <summary>Whether it has sessions of its own, which are idle while others have their turns.</summary>
    public bool KeepsSessions { get; init; }

    /// <summary>Of each right answer.</summary>
    public Effect Effect { get; init; }

    /// <summary>Whether a client may end with a request under way, whose effect may or may not come about.</summary>
    public bool LeavesRequestsBehind { get; init; }
}

/// <summary>What a stretch of load came to. What can't be seen on this machine is NaN.</summary>
/// <param name="Load">For those who asked.</param>
/// <param name="OwnSeconds">What the contestant has spent on processors, PostgreSQL's left out.</param>
/// <param name="PeakMemory">The most that it had of the machine's memory, in MiB.</param>
internal sealed record Stretch(LoadResult Load, double OwnSeconds, double PeakMemory);

/// <summary>A contestant's processes, PostgreSQL's left out.</summary>
internal sealed class OwnProcesses(params IEnumerable<int?> ids)
{
    private readonly int[] _ids = [.. ids.Select(id => id ?? 0)];

    public async Task<Stretch> MeasureAsync(Func<Task<LoadResult>> run)
    {
        foreach (var id in _ids)
            ResidentMemory.ForgetPeak(id);
        var before = Seconds();
        var load = await run();
        return new Stretch(load, Seconds() - before, _ids.Sum(id => ResidentMemory.PeakOf(id)));
    }

    private double Seconds() => _ids.Sum(ProcessorTime.OfTree);
}
