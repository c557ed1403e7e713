namespace Gateway.Api.Configuration;

/// <summary>A caller's settings, as words: a binder that can't read one would show it.</summary>
internal sealed class CallerOptions
{
    /// <summary>The hashes of its keys, by <c>0</c> and <c>1</c>: two, so that one can take the other's place.</summary>
    public Dictionary<string, string?> Keys { get; init; } = new(StringComparer.Ordinal);

    /// <summary>The <c>sub</c> of its tokens, by the issuer's name.</summary>
    public Dictionary<string, string?> Subjects { get; init; } = new(StringComparer.Ordinal);

    /// <summary>How many requests it may send in a second, in the long run; any number where it is not set.</summary>
    public string? RequestsPerSecond { get; set; }

    /// <summary>How many of them may come at once; twice as many as in a second where it is not set.</summary>
    public string? Burst { get; set; }

    /// <summary>How many may run at once; any number where it is not set.</summary>
    public string? Concurrency { get; set; }

    /// <summary><c>read</c> or <c>write</c>, by the connection's name.</summary>
    public Dictionary<string, string?> Connections { get; init; } = new(StringComparer.Ordinal);
}
