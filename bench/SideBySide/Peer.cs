namespace Gateway.SideBySide;

/// <summary>Something that takes part in one work or in several, and runs as long as this does.</summary>
internal abstract class Peer : IAsyncDisposable
{
    /// <summary>As what it takes part in a work; nothing where it does not.</summary>
    public abstract IEnumerable<Contestant> Contestants(Work work);

    public abstract ValueTask DisposeAsync();
}
