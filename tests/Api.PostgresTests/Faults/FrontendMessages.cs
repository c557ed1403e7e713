namespace Gateway.Api.PostgresTests.Faults;

/// <summary>Reads along with what a client sends to PostgreSQL, to know which SQL each message is about.</summary>
internal sealed class FrontendMessages
{
    private readonly MessageFrames _frames = new(started: false);
    private readonly Dictionary<string, string> _statements = [];
    private readonly Dictionary<string, string> _portals = [];

    /// <summary>Reads the next bytes of the stream, which may begin and end anywhere.</summary>
    /// <returns>The messages that are complete with them.</returns>
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

/// <param name="Type">The protocol's letter, as <c>P</c> for Parse; zero in the packets of the start.</param>
/// <param name="Sql">What it parses, binds or executes; else empty.</param>
/// <param name="Bytes">All of it, as it travels.</param>
internal sealed record FrontendMessage(char Type, string Sql, byte[] Bytes)
{
    public bool IsOfCommit => Sql.TrimStart().StartsWith("COMMIT", StringComparison.OrdinalIgnoreCase);

    /// <summary>By Bind of a statement that was parsed as such, or by a simple Query.</summary>
    public bool AsksToCommit => Type is 'B' or 'Q' && IsOfCommit;
}
