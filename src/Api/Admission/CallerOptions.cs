namespace Gateway.Api.Admission;

/// <summary>A caller's settings, as words: a binder that can't read one would show it.</summary>
internal sealed class CallerOptions
{
    /// <summary>The hashes of its keys, by <c>0</c> and <c>1</c>: two, so that one can take the other's place.</summary>
    public Dictionary<string, string?> Keys { get; init; } = new(StringComparer.Ordinal);

    /// <summary><c>read</c> or <c>write</c>, by the connection's name.</summary>
    public Dictionary<string, string?> Connections { get; init; } = new(StringComparer.Ordinal);
}
