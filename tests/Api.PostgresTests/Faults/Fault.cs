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

/// <summary>Forwards everything, including closes and resets.</summary>
public sealed record Pass : Fault;

/// <summary>Forwards each piece after a random delay between these two, drawn with the proxy's seed.</summary>
public sealed record Delay(TimeSpan Least, TimeSpan Most) : Fault;

/// <summary>
/// Accepts bytes in the given direction, and forwards nothing: no byte, no FIN, no RST. With one direction the
/// connection is half-open. Swallowed bytes are lost, so a connection that lost any never forwards again.
/// </summary>
public sealed record BlackHole(Direction Direction = Direction.Both) : Fault;

/// <summary>Resets both ends (RST) at once.</summary>
public sealed record Reset : Fault;

/// <summary>
/// Forwards the given number of further bytes in the given direction, and then closes or resets both ends.
/// </summary>
public sealed record CutAfter(long Bytes, Direction Direction, bool Resets = false) : Fault;

/// <summary>
/// Forwards everything until the client has sent COMMIT, and then none of the server's answers: PostgreSQL commits, and
/// the client does not learn it.
/// </summary>
/// <param name="Reset">True resets the client once the answer has arrived; false leaves it waiting.</param>
public sealed record DropCommitAnswer(bool Reset) : Fault;

/// <summary>
/// Forwards everything up to the server's first command tag with the given start, and replaces that by an error that
/// ends the session. What the server has done by then stays done. Set it only while no message is in flight.
/// </summary>
/// <param name="Tag">The start of the tag, such as <c>COMMIT</c>.</param>
/// <param name="Severity"><c>FATAL</c> or <c>PANIC</c>.</param>
/// <param name="SqlState">The error's SQLSTATE.</param>
public sealed record EndInstead(string Tag, string Severity, string SqlState) : Fault;
