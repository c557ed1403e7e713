using System.Buffers.Text;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Gateway.Bench;

/// <summary>Represents one caller. It sends one request after another on a connection that stays open.</summary>
internal sealed class LoadConnection : IDisposable
{
    /// <summary>Stands for a length that is not known yet. No answer is as long.</summary>
    private const int Unknown = int.MaxValue;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)
    {
        NoDelay = true,
        ReceiveTimeout = (int)Patience.TotalMilliseconds,
    };

    private byte[] _buffer = new byte[16 * 1024];

    public LoadConnection(int port) => _socket.Connect(IPAddress.Loopback, port);

    /// <summary>Gets the latency of each request with a right answer, in ticks of the stopwatch.</summary>
    public List<long> Latencies { get; } = [];

    public long Errors { get; private set; }

    public string? FirstError { get; private set; }

    /// <summary>Sends requests until the end.</summary>
    /// <param name="requests">The requests.</param>
    /// <param name="first">The number of the first request.</param>
    /// <param name="end">The stopwatch's timestamp after which no request begins.</param>
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

    /// <summary>
    /// Returns the length of an answer with its headers, from the part that has arrived; <see cref="Unknown"/> if that
    /// part does not tell.
    /// </summary>
    private static int WholeLength(ReadOnlySpan<byte> answer)
    {
        var body = answer.IndexOf("\r\n\r\n"u8) + 4;
        if (body < 4)
            return Unknown;
        if (answer[..body].IndexOf("Transfer-Encoding: chunked\r\n"u8) >= 0)
        {
            // This is the end of the last chunk. JSON can't contain it.
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
