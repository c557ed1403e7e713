using System.Buffers;
using System.Numerics;
using Gateway.Api.Callers;
using Gateway.Api.Errors;
using Gateway.Contracts;

namespace Gateway.Api.Json;

/// <summary>An answer, or a part of one, that is held in pooled memory, up to a limit.</summary>
/// <param name="limit">The most bytes of it all.</param>
/// <param name="taken">What other parts have taken of that.</param>
/// <param name="memory">Counts it; null where it is small, or gone in a moment.</param>
internal sealed class PooledBuffer(int limit, int taken = 0, MemoryReservation? memory = null) : IBufferWriter<byte>, IDisposable
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

    /// <summary>What was written from there on, to be changed in its place.</summary>
    public Span<byte> From(int start) => _bytes.AsSpan(start, Length - start);

    /// <summary>Takes back what was written from there on.</summary>
    public void CutTo(int length) => Length = length;

    /// <summary>Takes away what was written first, as far as it is still there.</summary>
    public void CutFront(int count)
    {
        count = Math.Min(count, Length);
        _bytes.AsSpan(count, Length - count).CopyTo(_bytes);
        Length -= count;
    }

    /// <summary>Says so before a value is read that has no room.</summary>
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
        $"The answer would be larger than {limit} bytes (Gateway__ResponseLimitBytes); ask for fewer rows or columns, or for a "
        + "stream of /v1/query (Accept: application/x-ndjson or text/csv), which has no such limit.");

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
        // To the power of two that a pool would give.
        length = (int)Math.Min(BitOperations.RoundUpToPowerOf2((uint)length), (uint)Array.MaxLength);
        memory?.Take(length);
        return BufferPool.Rent(length);
    }

    private void GiveBack(byte[] bytes)
    {
        BufferPool.Return(bytes);
        memory?.GiveBack(bytes.Length);
    }
}
