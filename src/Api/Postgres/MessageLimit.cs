using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using Npgsql;

namespace Gateway.Api.Postgres;

/// <summary>
/// Filters the messages of the server, to limit the memory that Npgsql takes: Npgsql reads a message as a whole, and
/// SQL can make an error or a notice of 1 GB.
/// </summary>
/// <remarks>
/// A large error is cut, and keeps its SQLSTATE. A large notice, notification or parameter status is dropped, because
/// the gateway does not use it. Rows pass, because they are read in parts. All other messages are small by nature.
/// </remarks>
/// <param name="server">The stream from the server, at the beginning of a message.</param>
internal sealed class MessageLimit(Stream server) : Stream
{
    /// <summary>
    /// Maximum length in bytes of an error, a notice, a notification or a parameter status that passes unchanged.
    /// </summary>
    public const int Largest = 256 * 1024;

    /// <summary>
    /// Maximum length in bytes of any other message except a row. The largest is the description of a row, which has at
    /// most 1,664 columns.
    /// </summary>
    private const int LargestOther = 1 << 20;

    /// <summary>Bytes of a message's head: its type, and its length without the type.</summary>
    private const int HeadLength = 5;
    private const int LengthLength = 4;

    /// <summary>Bytes that end a cut error: one that fills up, the end of a field, and the end of all fields.</summary>
    private const int EndLength = 3;

    // A head that has not arrived completely, or has not been handed out completely.
    private readonly byte[] _head = new byte[HeadLength];
    private int _headCome;
    private int _headLeft;

    // The bytes left of the current message, in order: to hand out, to replace by the end of a cut error, to drop.
    private int _left;
    private int _endLeft;
    private int _skipped;
    private byte _last;

    public override bool CanRead => true;
    public override bool CanSeek => false;
    public override bool CanWrite => false;
    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>Makes every session of the data source read through a <see cref="MessageLimit"/>.</summary>
    /// <param name="builder">Builds the data source.</param>
    /// <param name="prepare">Also prepares each new session; null if nothing else is to be done.</param>
    public static void AddTo(NpgsqlDataSourceBuilder builder, Func<NpgsqlConnection, Task>? prepare = null) =>
        builder.UsePhysicalConnectionInitializer(
            connection => throw new NotSupportedException("Sessions are opened asynchronously."),
            connection =>
            {
                Limit(connection);
                return prepare is null ? Task.CompletedTask : prepare(connection);
            });

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (true)
        {
            if (_headLeft > 0)
                return HandOutHead(buffer.Span);
            if (_headCome > 0)
            {
                var came = await server.ReadAsync(_head.AsMemory(_headCome), cancellationToken);
                if (came == 0)
                    return 0;
                Complete(came);
                continue;
            }
            var read = await server.ReadAsync(buffer, cancellationToken);
            if (read == 0 || (read = Filter(buffer.Span[..read])) > 0)
                return read;
        }
    }

    public override int Read(Span<byte> buffer)
    {
        while (true)
        {
            if (_headLeft > 0)
                return HandOutHead(buffer);
            if (_headCome > 0)
            {
                var came = server.Read(_head.AsSpan(_headCome));
                if (came == 0)
                    return 0;
                Complete(came);
                continue;
            }
            var read = server.Read(buffer);
            if (read == 0 || (read = Filter(buffer[..read])) > 0)
                return read;
        }
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    private static void Limit(NpgsqlConnection connection) =>
        NpgsqlInternals.WrapReading(connection, server => new MessageLimit(server));

    /// <summary>Follows the messages through the bytes that have arrived, and removes the dropped ones.</summary>
    /// <returns>The number of bytes that remain, at the front.</returns>
    private int Filter(Span<byte> come)
    {
        var (at, kept) = (0, 0);
        while (at < come.Length)
        {
            if (_left > 0)
            {
                var count = Math.Min(_left, come.Length - at);
                if (kept < at)
                    come.Slice(at, count).CopyTo(come[kept..]);
                (at, kept, _left) = (at + count, kept + count, _left - count);
                _last = come[kept - 1];
            }
            else if (_endLeft > 0)
            {
                come[kept++] = NextOfEnd();
                at++;
            }
            else if (_skipped > 0)
            {
                var count = Math.Min(_skipped, come.Length - at);
                (at, _skipped) = (at + count, _skipped - count);
            }
            else if (come.Length - at < HeadLength)
            {
                come[at..].CopyTo(_head);
                _headCome = come.Length - at;
                break;
            }
            else
            {
                var head = come.Slice(at, HeadLength);
                if (Begin(head))
                {
                    head.CopyTo(come[kept..]);
                    kept += HeadLength;
                }
                at += HeadLength;
            }
        }
        return kept;
    }

    /// <summary>Decides by its head whether a message passes, is cut or is dropped.</summary>
    /// <returns>False if the message is dropped, with its head.</returns>
    private bool Begin(Span<byte> head)
    {
        var length = BinaryPrimitives.ReadInt32BigEndian(head[1..]) - LengthLength;
        switch ((char)head[0])
        {
            case 'D' or 'd' when length >= 0:
            case 'E' or 'N' or 'A' or 'S' when length is >= 0 and <= Largest:
            case not ('E' or 'N' or 'A' or 'S') when length is >= 0 and <= LargestOther:
                _left = length;
                return true;
            case 'N' or 'A' or 'S' when length > 0:
                _skipped = length;
                return false;
            case 'E' when length > 0:
                BinaryPrimitives.WriteInt32BigEndian(head[1..], LengthLength + Largest);
                (_left, _endLeft, _skipped) = (Largest - EndLength, EndLength, length - Largest);
                return true;
            default:
                throw new IOException(
                    $"The server sends a message of type {head[0]} and length {length}, "
                    + "which is none of PostgreSQL's.");
        }
    }

    /// <summary>
    /// Returns the next byte of the end of a cut error. If the cut is at the end of a field, an empty field is added,
    /// so that the end has the same length in both cases.
    /// </summary>
    private byte NextOfEnd() => _endLeft-- < EndLength ? (byte)0 : _last == 0 ? (byte)'R' : (byte)'.';

    private void Complete(int came)
    {
        _headCome += came;
        if (_headCome < HeadLength)
            return;
        _headCome = 0;
        if (Begin(_head))
            _headLeft = HeadLength;
    }

    private int HandOutHead(Span<byte> buffer)
    {
        var count = Math.Min(_headLeft, buffer.Length);
        _head.AsSpan(HeadLength - _headLeft, count).CopyTo(buffer);
        _headLeft -= count;
        return count;
    }
}
