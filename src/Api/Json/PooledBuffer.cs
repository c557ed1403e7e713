using System.Buffers;
using Gateway.Api.Callers;
using Gateway.Api.Errors;
using Gateway.Contracts;

namespace Gateway.Api.Json;

/// <summary>Holds an answer, or a part of one, in pooled memory, up to a limit.</summary>
/// <param name="limit">The maximum size of the whole answer, in bytes.</param>
/// <param name="taken">The bytes that other parts of the answer already have.</param>
/// <param name="memory">The reservation that counts the memory; null if the buffer is small or short-lived.</param>
internal sealed class PooledBuffer(int limit, int taken = 0, MemoryReservation? memory = null)
    : IBufferWriter<byte>, IDisposable
{
    private const int FirstSize = 4096;
    private byte[] _bytes = Rent(FirstSize, memory);

    public int Length { get; private set; }

    public ReadOnlyMemory<byte> Written => _bytes.AsMemory(0, Length);

    /// <exception cref="Failure"><c>result_too_large</c></exception>
    public void Write(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > _bytes.Length - Length)
            Reserve(bytes.Length);
        bytes.CopyTo(_bytes.AsSpan(Length));
        Advance(bytes.Length);
    }

    /// <exception cref="Failure"><c>result_too_large</c></exception>
    public void Write(byte value)
    {
        if (Length == _bytes.Length)
            Reserve(1);
        _bytes[Length] = value;
        Advance(1);
    }

    /// <exception cref="Failure"><c>result_too_large</c></exception>
    public void Advance(int count)
    {
        Length += count;
        EnsureRoom(Length);
    }

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        Reserve(sizeHint);
        return _bytes.AsMemory(Length);
    }

    public Span<byte> GetSpan(int sizeHint = 0)
    {
        Reserve(sizeHint);
        return _bytes.AsSpan(Length);
    }

    /// <summary>Returns the bytes written from a position on, to change them in place.</summary>
    public Span<byte> From(int start) => _bytes.AsSpan(start, Length - start);

    /// <summary>Removes the bytes after a length.</summary>
    public void CutTo(int length) => Length = length;

    /// <summary>Removes bytes from the front, as many as there are.</summary>
    public void CutFront(int count)
    {
        count = Math.Min(count, Length);
        _bytes.AsSpan(count, Length - count).CopyTo(_bytes);
        Length -= count;
    }

    /// <summary>Throws before a value is read that does not fit.</summary>
    /// <exception cref="Failure"><c>result_too_large</c></exception>
    public void EnsureRoom(long length)
    {
        if (length > limit - taken)
            ThrowTooLarge();
    }

    public void Dispose()
    {
        GiveBack(_bytes);
        _bytes = [];
    }

    private void ThrowTooLarge() => throw new Failure(
        ProblemCode.ResultTooLarge,
        $"The answer would be larger than {limit} bytes (Gateway__ResponseLimitBytes); ask for fewer rows or columns, "
        + "or for a stream of /v1/query (Accept: application/x-ndjson or text/csv), which has no such limit.");

    private void Reserve(int sizeHint)
    {
        var wanted = Length + Math.Max(sizeHint, 256);
        if (wanted <= _bytes.Length)
            return;
        var larger = Rent(Math.Max(wanted, _bytes.Length * 2), memory);
        _bytes.AsSpan(0, Length).CopyTo(larger);
        GiveBack(_bytes);
        _bytes = larger;
    }

    private static byte[] Rent(int length, MemoryReservation? memory)
    {
        memory?.Take(BufferPool.SizeFor(length));
        return BufferPool.Rent(length);
    }

    private void GiveBack(byte[] bytes)
    {
        BufferPool.Return(bytes);
        memory?.GiveBack(bytes.Length);
    }
}
