using System.Buffers.Binary;
using System.Text;

namespace Gateway.Api.PostgresTests.Faults;

/// <summary>
/// Reads along with what a client sends to PostgreSQL (protocol 3, no TLS), to know when it asks to COMMIT: by Bind of
/// a statement that was parsed as such, or by a simple Query.
/// </summary>
internal sealed class FrontendMessages
{
    /// <summary>Of the packets that come before the start-up packet, and get one byte for an answer.</summary>
    private static readonly int[] Negotiations = [80877103, 80877104];

    private readonly Dictionary<string, string> _statements = [];
    private readonly List<byte> _unread = [];
    private bool _started;

    /// <summary>Reads the next bytes of the stream, which may begin and end anywhere.</summary>
    /// <returns>Whether a request to COMMIT is complete with them.</returns>
    public bool ReadCommit(ReadOnlySpan<byte> bytes)
    {
        _unread.AddRange(bytes);
        var commits = false;
        while (TryTake(out var type, out var body))
            commits |= IsCommit(type, body);
        return commits;
    }

    private bool TryTake(out char type, out byte[] body)
    {
        (type, body) = ('\0', []);
        // Only the packets of the start have no type.
        var header = _started ? 1 : 0;
        if (_unread.Count < header + sizeof(int))
            return false;
        var length = BinaryPrimitives.ReadInt32BigEndian(_unread.GetRange(header, sizeof(int)).ToArray());
        if (_unread.Count < header + length)
            return false;

        type = _started ? (char)_unread[0] : '\0';
        body = [.. _unread.GetRange(header + sizeof(int), length - sizeof(int))];
        _unread.RemoveRange(0, header + length);
        _started = _started || !Negotiations.Contains(BinaryPrimitives.ReadInt32BigEndian(body));
        return true;
    }

    private bool IsCommit(char type, byte[] body)
    {
        switch (type)
        {
            case 'Q':
                return IsCommit(Text(body, 0));
            case 'P':
                _statements[Text(body, 0)] = Text(body, 1);
                return false;
            case 'B':
                return IsCommit(_statements.GetValueOrDefault(Text(body, 1), ""));
            default:
                return false;
        }
    }

    private static bool IsCommit(string sql) => sql.TrimStart().StartsWith("COMMIT", StringComparison.OrdinalIgnoreCase);

    /// <summary>The zero-terminated text of that index.</summary>
    private static string Text(ReadOnlySpan<byte> body, int index)
    {
        for (; index > 0; index--)
            body = body[(body.IndexOf((byte)0) + 1)..];
        return Encoding.UTF8.GetString(body[..body.IndexOf((byte)0)]);
    }
}
