namespace Gateway.Api.PostgresTests.Faults;

/// <summary>Reads the messages of a client to PostgreSQL, and finds the SQL of each.</summary>
internal sealed class FrontendMessages
{
    private readonly MessageFrames _frames = new(started: false);
    private readonly Dictionary<string, string> _statements = [];
    private readonly Dictionary<string, string> _portals = [];

    /// <summary>Reads the next bytes of the stream, which may begin and end anywhere.</summary>
    /// <returns>The messages that these bytes complete.</returns>
    public List<FrontendMessage> Read(ReadOnlySpan<byte> bytes) =>
        [.. _frames.Read(bytes).Select(message => new FrontendMessage(message.Type, SqlOf(message), message.Bytes))];

    private string SqlOf(Message message)
    {
        switch (message.Type)
        {
            case 'Q':
                return message.Text(0);
            case 'P':
                return _statements[message.Text(0)] = message.Text(1);
            case 'B':
                return _portals[message.Text(0)] = _statements.GetValueOrDefault(message.Text(1), "");
            case 'E':
                return _portals.GetValueOrDefault(message.Text(0), "");
            default:
                return "";
        }
    }
}

/// <param name="Type">The protocol's letter, such as <c>P</c> for Parse; zero in start-up packets.</param>
/// <param name="Sql">The SQL that it parses, binds or executes; empty for others.</param>
/// <param name="Bytes">The whole message, as sent.</param>
internal sealed record FrontendMessage(char Type, string Sql, byte[] Bytes)
{
    public bool IsOfCommit => Sql.TrimStart().StartsWith("COMMIT", StringComparison.OrdinalIgnoreCase);

    /// <summary>
    /// Gets whether the message runs COMMIT: a Bind of a statement parsed as such, or a simple Query.
    /// </summary>
    public bool AsksToCommit => Type is 'B' or 'Q' && IsOfCommit;
}
