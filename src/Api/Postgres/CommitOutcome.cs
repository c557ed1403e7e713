using Npgsql;

namespace Gateway.Api.Postgres;

/// <summary>Represents the outcome of a COMMIT: one of the three nested types.</summary>
internal abstract record CommitOutcome
{
    private CommitOutcome()
    {
    }

    /// <summary>PostgreSQL has confirmed COMMIT.</summary>
    /// <param name="Position">
    /// The server's position in the write-ahead log, at or after the commit; null if it was not asked, or has not said.
    /// </param>
    public sealed record Committed(ServerPosition? Position = null) : CommitOutcome;

    /// <summary>PostgreSQL refused COMMIT, or a command before it, and rolled back.</summary>
    /// <param name="Error">The error, with the command that it refused.</param>
    public sealed record Refused(PostgresException Error) : CommitOutcome;

    /// <summary>
    /// COMMIT was sent and no answer came: the effect was kept or not. Execution's RetryPolicy settles it.
    /// </summary>
    /// <param name="Cause">The exception that ended the wait for the answer.</param>
    public sealed record InDoubt(Exception Cause) : CommitOutcome;
}
