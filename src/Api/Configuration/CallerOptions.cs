namespace Gateway.Api.Configuration;

/// <summary>
/// The settings of a caller. All are text: a binding error for another type would show the value, which may be secret.
/// </summary>
internal sealed class CallerOptions
{
    /// <summary>Gets the hashes of the keys, named <c>0</c> and <c>1</c>: two, so that a key can be rotated.</summary>
    public Dictionary<string, string?> Keys { get; init; } = new(StringComparer.Ordinal);

    /// <summary>Gets the <c>sub</c> of the caller's tokens, by the issuer's name.</summary>
    public Dictionary<string, string?> Subjects { get; init; } = new(StringComparer.Ordinal);

    /// <summary>Gets or sets the maximum average number of requests per second; null for no limit.</summary>
    public string? RequestsPerSecond { get; set; }

    /// <summary>
    /// Gets or sets the number of requests that may come at once. The default value is twice
    /// <see cref="RequestsPerSecond"/>.
    /// </summary>
    public string? Burst { get; set; }

    /// <summary>Gets or sets the maximum number of concurrent requests; null for no limit.</summary>
    public string? Concurrency { get; set; }

    /// <summary>Gets the right on each connection, <c>read</c> or <c>write</c>, by the connection's name.</summary>
    public Dictionary<string, string?> Connections { get; init; } = new(StringComparer.Ordinal);
}
