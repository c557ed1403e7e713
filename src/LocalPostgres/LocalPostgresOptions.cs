namespace Gateway.LocalPostgres;

/// <summary>The folder and the settings of a private PostgreSQL.</summary>
public sealed record LocalPostgresOptions
{
    /// <summary>
    /// Gets the folder for the data, the password, the log and the lock. It is created if it does not exist, and has
    /// one owner at a time. As root, a folder under the temporary folder replaces it if the server's user can't reach
    /// it.
    /// </summary>
    public required string Folder { get; init; }

    /// <summary>
    /// Gets whether the data and the password are kept for the next start. Otherwise the server starts empty, and
    /// everything it created is deleted.
    /// </summary>
    public bool KeepData { get; init; }

    /// <summary>
    /// Gets settings for <c>postgresql.conf</c>, by name, unquoted. <c>port</c> and <c>listen_addresses</c> can't be
    /// set.
    /// </summary>
    public IReadOnlyDictionary<string, string> Settings { get; init; } = new Dictionary<string, string>();

    /// <summary>
    /// Gets the action that receives a sentence before each step that takes longer than about a second.
    /// </summary>
    public Action<string>? Progress { get; init; }

    /// <summary>Gets the sources that are tried; tests restrict them.</summary>
    internal ServerSearch Search { get; init; } = new();

    /// <summary>Returns a port for the first start; tests return one that is in use.</summary>
    internal Func<int> PickPort { get; init; } = Ports.PickFree;

    internal void Say(string sentence) => Progress?.Invoke(sentence);
}
