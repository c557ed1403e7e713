namespace Gateway.Api.PostgresTests.Faults;

[Flags]
public enum Direction
{
    None = 0,
    ToServer = 1,
    ToClient = 2,
    Both = ToServer | ToClient,
}

/// <summary>What a <see cref="FaultProxy"/> does with a connection.</summary>
public abstract record Fault
{
    public static readonly Fault None = new Pass();
}

/// <summary>Forwards all, closes and resets included.</summary>
public sealed record Pass : Fault;

/// <summary>Forwards each piece after a time of its own, drawn by the proxy's seed between these two.</summary>
public sealed record Delay(TimeSpan Least, TimeSpan Most) : Fault;

/// <summary>
/// Takes what is sent that way and forwards nothing of it: no byte, no FIN, no RST. One direction makes the connection
/// half-open. What was swallowed is missing, so a connection that lost something never passes anything again.
/// </summary>
public sealed record BlackHole(Direction Direction = Direction.Both) : Fault;

/// <summary>Resets both ends (RST) at once.</summary>
public sealed record Reset : Fault;

/// <summary>Forwards that many bytes more in that direction, and then closes both ends, or resets them.</summary>
public sealed record CutAfter(long Bytes, Direction Direction, bool Resets = false) : Fault;

/// <summary>
/// Passes all until the client has asked to COMMIT, and then nothing of what the server answers: PostgreSQL commits
/// and the client does not hear of it.
/// </summary>
/// <param name="Reset">True resets the client once the answer has come; false leaves it waiting.</param>
public sealed record DropCommitAnswer(bool Reset) : Fault;

/// <summary>
/// Passes all up to the server's first command tag that begins so, and answers an error in its place that ends the
/// session. What the server has done by then is done. To be set while nothing is on its way.
/// </summary>
/// <param name="Tag">Such as <c>COMMIT</c>.</param>
/// <param name="Severity"><c>FATAL</c> or <c>PANIC</c>.</param>
/// <param name="SqlState">The error's SQLSTATE.</param>
public sealed record EndInstead(string Tag, string Severity, string SqlState) : Fault;
