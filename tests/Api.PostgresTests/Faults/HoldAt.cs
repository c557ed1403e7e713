namespace Gateway.Api.PostgresTests.Faults;

/// <summary>The progress of an activity, or of the session that it opens, as the server sees it.</summary>
public enum Boundary
{
    /// <summary>The session is open; the gateway's first query in it has not arrived.</summary>
    Opened,

    /// <summary>The activity is claimed; the statement has not arrived.</summary>
    Claimed,

    /// <summary>The statement has run; the answer is not recorded.</summary>
    StatementRun,

    /// <summary>The answer is recorded; COMMIT has not arrived.</summary>
    Recorded,

    /// <summary>COMMIT has been forwarded; the server's answer to it is not.</summary>
    CommitSent,

    /// <summary>The answer to COMMIT has been forwarded, and nothing after it.</summary>
    CommitDone,
}

/// <summary>
/// Forwards everything up to the given boundary of an activity, between two messages, and holds the rest until it is
/// released or dropped. Set it only while no message is in flight.
/// </summary>
public sealed record HoldAt(Boundary Boundary) : Fault
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly TaskCompletionSource _reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<bool> _forwards = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Returns when a connection is held.</summary>
    /// <exception cref="TimeoutException">None has reached the boundary.</exception>
    public Task ReachedAsync() => _reached.Task.WaitAsync(Patience);

    /// <summary>Forwards the held bytes, and everything that follows.</summary>
    public void Release() => _forwards.TrySetResult(true);

    /// <summary>
    /// Closes the connection: the held bytes never arrive, as if the client had died before it sent them.
    /// </summary>
    public void Drop() => _forwards.TrySetResult(false);

    /// <summary>Reports that the boundary is reached.</summary>
    internal void Reach() => _reached.TrySetResult();

    /// <summary>Returns whether the held bytes are forwarded, once that is decided.</summary>
    internal Task<bool> ForwardsAsync() => _forwards.Task;

    /// <summary>Returns whether the boundary is before a given message of the client.</summary>
    internal bool IsBefore(FrontendMessage message) => message.Type is 'P' or 'B' && Boundary switch
    {
        Boundary.Opened => message.Sql.Contains("inet_client_port", StringComparison.Ordinal),
        Boundary.StatementRun => message.IsOfCommit || message.Sql.Contains("gateway_journal.finish", StringComparison.Ordinal),
        Boundary.Recorded => message.IsOfCommit,
        _ => false,
    };

    /// <summary>Returns whether the boundary is after a given message of the client.</summary>
    internal bool IsAfter(FrontendMessage message) => Boundary == Boundary.Claimed
        && message.Type == 'E' && message.Sql.Contains("gateway_journal.claim", StringComparison.Ordinal);
}
