namespace Gateway.Api.Dsns;

/// <summary>
/// Thrown when a DSN can't be honoured. Each fault is one sentence with the key and the fix; it contains neither the
/// password nor the DSN.
/// </summary>
internal sealed class DsnException(IReadOnlyList<string> faults) : Exception(string.Join(' ', faults))
{
    /// <summary>Gets all faults, in the order of the DSN where possible.</summary>
    public IReadOnlyList<string> Faults { get; } = faults;
}
