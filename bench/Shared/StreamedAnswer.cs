using System.Buffers.Text;
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
/// <param name="Start">The body's first line, or the part of it that is kept.</param>
/// <param name="End">The body's last line, or the part of it that is kept.</param>
internal sealed record StreamedAnswer(int Status, long Lines, long Bytes, string Start, string End);

/// <summary>
/// Reads an answer with as little work as possible, so that the server is measured and not its reader. It counts the
/// line breaks, and keeps only the beginning and the end.
/// </summary>
internal sealed class StreamedAnswerReader : IDisposable
{
    private const int BufferLength = 256 * 1024;

    /// <summary>
    /// The number of bytes that are kept of the body's beginning and of its end: more than a problem has.
    /// </summary>
    private const int Kept = 4096;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)
    {
        NoDelay = true,
        ReceiveTimeout = (int)Patience.TotalMilliseconds,
    };

    private readonly CancellationToken _stopping;
    private readonly byte[] _buffer = new byte[BufferLength];
    private readonly byte[] _start = new byte[Kept];
    private readonly byte[] _end = new byte[Kept];
    private int _read, _filled, _startLength, _endLength;
    private long _lines, _bytes;

    private StreamedAnswerReader(CancellationToken stopping) => _stopping = stopping;

    /// <summary>Posts JSON and reads the answer to its end, on a connection of its own.</summary>
    /// <exception cref="IOException">The answer is cut off, or too slow.</exception>
    /// <exception cref="SocketException">No server listens.</exception>
    public static Task<StreamedAnswer> ReadAsync(
        int port, string path, string accept, string body, CancellationToken ct) =>
        // A thread that blocks costs less for each read than an event loop.
        Task.Factory.StartNew(
            () =>
            {
                using var reader = new StreamedAnswerReader(ct);
                return reader.Read(port, Encoding.UTF8.GetBytes(
                    $"POST {path} HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\nContent-Type: application/json\r\n"
                    + $"Content-Length: {Encoding.UTF8.GetByteCount(body)}\r\n\r\n{body}"));
            },
            ct, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    public void Dispose() => _socket.Dispose();

    private StreamedAnswer Read(int port, byte[] request)
    {
        _socket.Connect(IPAddress.Loopback, port);
        _socket.Send(request);

        var status = int.Parse(ReadLine().Split(' ')[1], CultureInfo.InvariantCulture);
        var (chunked, length) = ReadHeaders();
        if (chunked)
            ReadChunks();
        else
            ReadBody(length);
        return new StreamedAnswer(
            status, _lines, _bytes,
            Encoding.UTF8.GetString(_start, 0, _startLength).Split('\n')[0],
            Encoding.UTF8.GetString(_end, 0, _endLength).TrimEnd('\n').Split('\n')[^1]);
    }

    private (bool Chunked, long Length) ReadHeaders()
    {
        var chunked = false;
        var length = 0L;
        while (ReadLine() is { Length: > 0 } line)
        {
            if (line.Equals("Transfer-Encoding: chunked", StringComparison.OrdinalIgnoreCase))
                chunked = true;
            else if (line.StartsWith("Content-Length: ", StringComparison.OrdinalIgnoreCase))
                length = long.Parse(line.AsSpan("Content-Length: ".Length), CultureInfo.InvariantCulture);
        }
        return (chunked, length);
    }

    private void ReadChunks()
    {
        while (ReadChunkLength() is > 0 and var length)
        {
            ReadBody(length);
            SkipLineEnd();
        }
        SkipLineEnd();
    }

    private long ReadChunkLength()
    {
        int end;
        while ((end = _buffer.AsSpan(_read, _filled - _read).IndexOf("\r\n"u8)) < 0)
            Fill();
        if (!Utf8Parser.TryParse(_buffer.AsSpan(_read, end), out long length, out var parsed, 'x') || parsed != end)
            throw new IOException("A chunk does not say how long it is.");
        _read += end + 2;
        return length;
    }

    private void ReadBody(long length)
    {
        while (length > 0)
        {
            if (_read == _filled)
                Fill();
            var piece = _buffer.AsSpan(_read, (int)Math.Min(length, _filled - _read));
            Take(piece);
            _read += piece.Length;
            length -= piece.Length;
        }
    }

    private void Take(ReadOnlySpan<byte> piece)
    {
        _lines += piece.Count((byte)'\n');
        _bytes += piece.Length;

        var first = piece[..Math.Min(piece.Length, Kept - _startLength)];
        first.CopyTo(_start.AsSpan(_startLength));
        _startLength += first.Length;

        var last = piece[^Math.Min(piece.Length, Kept)..];
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

    private void SkipLineEnd()
    {
        if (ReadLine().Length > 0)
            throw new IOException("A chunk is longer than it says.");
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
