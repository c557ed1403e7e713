namespace Gateway.Api.Dsns;

/// <summary>
/// A DSN that can't be honoured. Each fault is one sentence that names the key and the cure; none holds the
/// password or the DSN.
/// </summary>
internal sealed class DsnException(IReadOnlyList<string> faults) : Exception(string.Join(' ', faults))
{
    /// <summary>Every fault found, in the order of the DSN where it has one.</summary>
    public IReadOnlyList<string> Faults { get; } = faults;
}
