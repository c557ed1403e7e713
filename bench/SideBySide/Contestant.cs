using System.Text.Json.Nodes;

namespace Gateway.SideBySide;

/// <summary>Represents a program that takes part in one or more works. It runs until this is disposed.</summary>
internal abstract class Peer : IAsyncDisposable
{
    /// <summary>Returns its contestants for a work; none if it does not take part.</summary>
    public abstract IEnumerable<Contestant> Contestants(Work work);

    public abstract ValueTask DisposeAsync();
}

/// <summary>Represents a contestant in a work.</summary>
/// <param name="Name">The name in the results.</param>
/// <param name="Server">
/// The server to warm up, which may serve contestants of other works too; null if there is nothing to warm up.
/// </param>
/// <param name="RunAsync">Runs the load of a number of clients for a time.</param>
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

    /// <summary>Gets the effect of each right answer.</summary>
    public Effect Effect { get; init; }

    /// <summary>Gets whether a client may stop during a request, which then has its effect or not.</summary>
    public bool LeavesRequestsBehind { get; init; }

    public bool IsGateway => Server is GatewayPeer;
}
