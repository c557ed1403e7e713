namespace Gateway.SideBySide;

/// <summary>Represents a program that takes part in one or more works. It runs until this is disposed.</summary>
internal abstract class Peer : IAsyncDisposable
{
    /// <summary>Returns its contestants for a work; none if it does not take part.</summary>
    public abstract IEnumerable<Contestant> Contestants(Work work);

    public abstract ValueTask DisposeAsync();
}
