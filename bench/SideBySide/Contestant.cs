using System.Text.Json.Nodes;

namespace Gateway.SideBySide;

/// <summary>Represents a contestant in a work.</summary>
/// <param name="Name">The name in the results.</param>
/// <param name="Server">
/// The server to warm up, which may serve contestants of other works too; null if there is nothing to warm up.
/// </param>
/// <param name="RunAsync">Drives it with a number of clients for a time.</param>
internal sealed record Contestant(
    string Name, object? Server, Func<int, TimeSpan, CancellationToken, Task<Stretch>> RunAsync)
{
    /// <summary>
    /// Gets the function that asks once for an account, and returns its rows; null if that is impossible.
    /// </summary>
    public Func<int, CancellationToken, Task<JsonArray>>? AskAsync { get; init; }

    /// <summary>
    /// Gets the function that prepares the work, and returns the effect of that; null if none is needed.
    /// </summary>
    public Func<CancellationToken, Task<Effect>>? PrepareAsync { get; init; }

    /// <summary>Gets whether it keeps sessions open, which are idle during the turns of others.</summary>
    public bool KeepsSessions { get; init; }

    /// <summary>Gets the effect of each right answer.</summary>
    public Effect Effect { get; init; }

    /// <summary>Gets whether a client may stop during a request, which then has its effect or not.</summary>
    public bool LeavesRequestsBehind { get; init; }
}

/// <summary>
/// Represents the result of a stretch of load. A value that can't be measured on this machine is NaN.
/// </summary>
/// <param name="Load">The result on the clients' side.</param>
/// <param name="OwnSeconds">The contestant's CPU time in seconds, without PostgreSQL's.</param>
/// <param name="PeakMemory">The contestant's peak resident memory in MiB.</param>
internal sealed record Stretch(LoadResult Load, double OwnSeconds, double PeakMemory);

/// <summary>Represents a contestant's processes, without PostgreSQL's.</summary>
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
