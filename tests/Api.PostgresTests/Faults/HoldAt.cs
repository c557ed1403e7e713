namespace Gateway.Api.PostgresTests.Faults;

/// <summary>How far an activity has come, as the server sees it.</summary>
public enum Boundary
{
    /// <summary>The activity is claimed; its statement has not come yet.</summary>
    Claimed,

    /// <summary>The statement has run; the answer is not recorded.</summary>
    StatementRun,

    /// <summary>The answer is recorded; COMMIT has not come yet.</summary>
    Recorded,

    /// <summary>COMMIT has been forwarded; nothing that the server says to it passes.</summary>
    CommitSent,

    /// <summary>The answer to COMMIT has been forwarded, and nothing after it.</summary>
    CommitDone,
}

/// <summary>
/// Passes all up to that boundary of an activity, cut at the borders of messages, and holds what comes next until it is
/// told what to do. To be set while nothing is on its way.
/// </summary>
public sealed record HoldAt(Boundary Boundary) : Fault
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly TaskCompletionSource _reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<bool> _forwards = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Returns once a connection is held.</summary>
    /// <exception cref="TimeoutException">None has come to the boundary.</exception>
    public Task ReachedAsync() => _reached.Task.WaitAsync(Patience);

    /// <summary>Forwards what was held, and all that follows.</summary>
    public void Release() => _forwards.TrySetResult(true);

    /// <summary>Closes the connection: what was held never arrives, as when the client has died before it sent it.</summary>
    public void Drop() => _forwards.TrySetResult(false);

    /// <summary>Says that the boundary is reached.</summary>
    internal void Reach() => _reached.TrySetResult();

    /// <summary>Whether what is held is to be forwarded, once that is known.</summary>
    internal Task<bool> ForwardsAsync() => _forwards.Task;

    /// <summary>Whether the boundary lies before that message of the client's.</summary>
    internal bool IsBefore(FrontendMessage message) => message.Type is 'P' or 'B' && Boundary switch
    {
        Boundary.StatementRun => message.IsOfCommit || message.Sql.Contains("gateway_journal.finish", StringComparison.Ordinal),
        Boundary.Recorded => message.IsOfCommit,
        _ => false,
    };

    /// <summary>Whether the boundary lies after that message of the client's.</summary>
    internal bool IsAfter(FrontendMessage message) => Boundary == Boundary.Claimed
        && message.Type == 'E' && message.Sql.Contains("gateway_journal.claim", StringComparison.Ordinal);
}
