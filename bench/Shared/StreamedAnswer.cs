using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Gateway.Bench;

/// <summary>Represents the answer to a request for a stream.</summary>
/// <param name="Status">The HTTP status.</param>
/// <param name="Lines">The number of line breaks in the body.</param>
/// <param name="Bytes">The length of the body.</param>
/// <param name="End">The body's last line, or the part of it that is kept.</param>
internal sealed record StreamedAnswer(int Status, long Lines, long Bytes, string End)
{
    public const string Ndjson = "application/x-ndjson";

    /// <summary>Posts JSON and reads the answer to its end, on a connection of its own.</summary>
    /// <exception cref="IOException">The answer is cut off, or too slow.</exception>
    /// <exception cref="SocketException">No server listens.</exception>
    public static Task<StreamedAnswer> ReadAsync(
        int port, string path, string accept, string body, CancellationToken ct) =>
        // A thread that blocks costs less for each read than an event loop.
        Task.Factory.StartNew(
            () =>
            {
                using var reader = new StreamedAnswerReader(port, ct);
                return reader.Read(
                    $"POST {path} HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\nContent-Type: application/json\r\n"
                    + $"Content-Length: {Encoding.UTF8.GetByteCount(body)}\r\n\r\n{body}");
            },
            ct, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    /// <summary>Reads a stream, and requires all of its lines.</summary>
    /// <param name="port">The server's port.</param>
    /// <param name="path">The path of the request.</param>
    /// <param name="accept">The requested format.</param>
    /// <param name="body">The request's body.</param>
    /// <param name="lines">The number of lines of the whole stream.</param>
    /// <param name="ct">Ends the stream.</param>
    /// <exception cref="InvalidOperationException">The answer is not the whole stream.</exception>
    public static async Task RequireAsync(
        int port, string path, string accept, string body, long lines, CancellationToken ct)
    {
        var answer = await ReadAsync(port, path, accept, body, ct);
        if (answer.Status != 200 || answer.Lines != lines)
        {
            throw new InvalidOperationException(
                $"{path} streams {answer.Lines} lines of {lines} with the status {answer.Status}. "
                + $"The last line: {answer.End}");
        }
    }
}

/// <summary>
/// Reads an answer with as little work as possible, so that the server is measured and not its reader. It counts the
/// line breaks, and keeps only the end.
/// </summary>
internal sealed class StreamedAnswerReader : IDisposable
{
    private const int BufferLength = 256 * 1024;

    /// <summary>The number of bytes that are kept of the body's end: more than a problem has.</summary>
    private const int Kept = 4096;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)
    {
        NoDelay = true,
        ReceiveTimeout = (int)Patience.TotalMilliseconds,
    };

    private readonly CancellationToken _stopping;
    private readonly byte[] _buffer = new byte[BufferLength];
    private readonly byte[] _end = new byte[Kept];
    private int _read, _filled, _endLength;
    private long _lines, _bytes;

    public StreamedAnswerReader(int port, CancellationToken stopping)
    {
        _stopping = stopping;
        _socket.Connect(IPAddress.Loopback, port);
    }

    public void Dispose() => _socket.Dispose();

    public StreamedAnswer Read(string request)
    {
        _socket.Send(Encoding.UTF8.GetBytes(request));
        var status = int.Parse(ReadLine().Split(' ')[1], CultureInfo.InvariantCulture);
        var length = 0L;
        var chunked = false;
        while (ReadLine() is { Length: > 0 } line)
        {
            if (line.Equals("Transfer-Encoding: chunked", StringComparison.OrdinalIgnoreCase))
                chunked = true;
            else if (line.StartsWith("Content-Length: ", StringComparison.OrdinalIgnoreCase))
                length = long.Parse(line.AsSpan("Content-Length: ".Length), CultureInfo.InvariantCulture);
        }
        do
        {
            if (chunked)
                length = long.Parse(ReadLine(), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            ReadBody(length);
            if (chunked && ReadLine().Length > 0)
                throw new IOException("A chunk is longer than its announced length.");
        }
        while (chunked && length > 0);
        return new StreamedAnswer(
            status, _lines, _bytes, Encoding.UTF8.GetString(_end, 0, _endLength).TrimEnd('\n').Split('\n')[^1]);
    }

    private void ReadBody(long length)
    {
        while (length > 0)
        {
            if (_read == _filled)
                Fill();
            var piece = _buffer.AsSpan(_read, (int)Math.Min(length, _filled - _read));
            _lines += piece.Count((byte)'\n');
            _bytes += piece.Length;
            KeepEnd(piece[^Math.Min(piece.Length, Kept)..]);
            _read += piece.Length;
            length -= piece.Length;
        }
    }

    private void KeepEnd(ReadOnlySpan<byte> last)
    {
        var stays = Math.Min(_endLength, Kept - last.Length);
        _end.AsSpan(_endLength - stays, stays).CopyTo(_end);
        last.CopyTo(_end.AsSpan(stays));
        _endLength = stays + last.Length;
    }

    private string ReadLine()
    {
        int end;
        while ((end = _buffer.AsSpan(_read, _filled - _read).IndexOf("\r\n"u8)) < 0)
            Fill();
        var line = Encoding.ASCII.GetString(_buffer, _read, end);
        _read += end + 2;
        return line;
    }

    private void Fill()
    {
        _stopping.ThrowIfCancellationRequested();
        if (_read == _filled)
        {
            _read = _filled = 0;
        }
        else if (_filled == _buffer.Length)
        {
            Debug.Assert(_read > 0, "A line fits into the buffer.");
            _buffer.AsSpan(_read, _filled - _read).CopyTo(_buffer);
            _filled -= _read;
            _read = 0;
        }
        try
        {
            var received = _socket.Receive(_buffer.AsSpan(_filled));
            _filled += received;
            if (received == 0)
                throw new EndOfStreamException($"The answer was cut off after {_bytes} bytes.");
        }
        catch (SocketException error)
        {
            throw new IOException($"The answer broke off after {_bytes} bytes.", error);
        }
    }
}
