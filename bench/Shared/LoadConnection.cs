using System.Buffers.Text;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Gateway.Bench;

/// <summary>One caller: sends a request, waits for its answer, and so on, on one connection that it keeps.</summary>
internal sealed class LoadConnection : IDisposable
{
    /// <summary>A length that no answer has.</summary>
    private const int Unknown = int.MaxValue;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)
    {
        NoDelay = true,
        ReceiveTimeout = (int)Patience.TotalMilliseconds,
    };

    private byte[] _buffer = new byte[16 * 1024];

    public LoadConnection(int port) => _socket.Connect(IPAddress.Loopback, port);

    /// <summary>Of each request that was answered as it should be, in the stopwatch's ticks.</summary>
    public List<long> Latencies { get; } = [];

    public long Errors { get; private set; }

    public string? FirstError { get; private set; }

    /// <param name="requests">What to send.</param>
    /// <param name="first">Where among them to begin.</param>
    /// <param name="end">When to begin no other, by the stopwatch.</param>
    public void Run(LoadRequests requests, int first, long end)
    {
        try
        {
            var begun = Stopwatch.GetTimestamp();
            for (var next = first; begun < end; next++)
            {
                _socket.Send(requests.Get(next));
                var answer = Receive();
                var now = Stopwatch.GetTimestamp();
                if (requests.IsRight(answer))
                    Latencies.Add(now - begun);
                else
                    Fail(Encoding.UTF8.GetString(answer));
                begun = now;
            }
        }
        catch (Exception error) when (error is SocketException or IOException)
        {
            Fail(error.Message);
        }
    }

    public void Dispose() => _socket.Dispose();

    private ReadOnlySpan<byte> Receive()
    {
        int length = 0, whole = Unknown;
        while (length < whole)
        {
            if (length == _buffer.Length)
                Array.Resize(ref _buffer, length * 2);
            var read = _socket.Receive(_buffer.AsSpan(length));
            if (read == 0)
                throw new EndOfStreamException("The server closed the connection.");
            length += read;
            if (whole == Unknown)
                whole = WholeLength(_buffer.AsSpan(0, length));
        }
        return _buffer.AsSpan(0, length);
    }

    /// <summary>The length of an answer, its headers included, as soon as it can be told from what is there of it.</summary>
    private static int WholeLength(ReadOnlySpan<byte> answer)
    {
        var body = answer.IndexOf("\r\n\r\n"u8) + 4;
        if (body < 4)
            return Unknown;
        if (answer[..body].IndexOf("Transfer-Encoding: chunked\r\n"u8) >= 0)
        {
            // JSON has no such end of a line within.
            return answer.EndsWith("\r\n0\r\n\r\n"u8) ? answer.Length : Unknown;
        }
        var name = "Content-Length: "u8;
        var header = answer[..body].IndexOf(name);
        if (header < 0 || !Utf8Parser.TryParse(answer[(header + name.Length)..], out int length, out _))
            throw new IOException("The answer does not say how long it is.");
        return body + length;
    }

    private void Fail(string error)
    {
        Errors++;
        FirstError ??= error;
    }
}
