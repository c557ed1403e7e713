namespace Gateway.LocalPostgres;

/// <summary>Where a private PostgreSQL lives and how it is set up.</summary>
public sealed record LocalPostgresOptions
{
    /// <summary>
    /// Holds the data, the password, the log and the lock. Created where missing. One owner at a time.
    /// As root, when the server's user can't reach it, a folder below the temporary one stands in.
    /// </summary>
    public required string Folder { get; init; }

    /// <summary>
    /// True keeps the data and the password for the next start; false starts empty and deletes what it made.
    /// </summary>
    public bool KeepData { get; init; }

    /// <summary>
    /// Settings for <c>postgresql.conf</c>, by name, unquoted. <c>port</c> and <c>listen_addresses</c> are not theirs
    /// to say.
    /// </summary>
    public IReadOnlyDictionary<string, string> Settings { get; init; } = new Dictionary<string, string>();

    /// <summary>Told one sentence before each step that takes longer than a second or so.</summary>
    public Action<string>? Progress { get; init; }

    /// <summary>Which ways to a server are tried, and where; tests narrow it.</summary>
    internal ServerSearch Search { get; init; } = new();

    /// <summary>Names a port for the first start; tests name one that is taken.</summary>
    internal Func<int> PickPort { get; init; } = Ports.PickFree;

    internal void Say(string sentence) => Progress?.Invoke(sentence);
}
