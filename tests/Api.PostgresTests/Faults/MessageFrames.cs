using System.Buffers.Binary;
using System.Text;

namespace Gateway.Api.PostgresTests.Faults;

/// <summary>Splits one direction of a connection to PostgreSQL (protocol 3, no TLS) into messages.</summary>
/// <param name="started">False from the first byte of a client; true from any later message on.</param>
internal sealed class MessageFrames(bool started)
{
    /// <summary>The codes of the packets before the start-up packet, which are answered with one byte.</summary>
    private static readonly int[] Negotiations = [80877103, 80877104];

    private readonly List<byte> _unread = [];
    private bool _started = started;

    /// <summary>Reads the next bytes of the stream, which may begin and end anywhere.</summary>
    /// <returns>The messages that these bytes complete.</returns>
    public List<Message> Read(ReadOnlySpan<byte> bytes)
    {
        _unread.AddRange(bytes);
        var messages = new List<Message>();
        while (TryTake(out var message))
            messages.Add(message);
        return messages;
    }

    private bool TryTake(out Message message)
    {
        message = default;
        // Only start-up packets have no type.
        var header = _started ? 1 : 0;
        if (_unread.Count < header + sizeof(int))
            return false;
        var length = BinaryPrimitives.ReadInt32BigEndian(_unread.GetRange(header, sizeof(int)).ToArray());
        if (_unread.Count < header + length)
            return false;

        message = new Message(_started ? (char)_unread[0] : '\0', [.. _unread.GetRange(0, header + length)], header + sizeof(int));
        _unread.RemoveRange(0, header + length);
        _started = _started || !Negotiations.Contains(BinaryPrimitives.ReadInt32BigEndian(message.Body));
        return true;
    }
}

/// <param name="Type">The protocol's letter; zero in start-up packets, which have none.</param>
/// <param name="Bytes">The whole message, as sent.</param>
/// <param name="Header">The number of bytes before the body.</param>
internal readonly record struct Message(char Type, byte[] Bytes, int Header)
{
    public ReadOnlySpan<byte> Body => Bytes.AsSpan(Header);

    /// <summary>Returns the zero-terminated text with an index in the body.</summary>
    public string Text(int index)
    {
        var body = Body;
        for (; index > 0; index--)
            body = body[(body.IndexOf((byte)0) + 1)..];
        return Encoding.UTF8.GetString(body[..body.IndexOf((byte)0)]);
    }
}
