using System.Buffers;
using Gateway.Api.Errors;
using Gateway.Contracts;

namespace Gateway.Api.Rows;

/// <summary>An answer that is held whole, in pooled memory, up to a limit.</summary>
internal sealed class PooledBuffer(int limit) : IBufferWriter<byte>, IDisposable
{
    private const int FirstSize = 4096;
    private byte[] _bytes = ArrayPool<byte>.Shared.Rent(FirstSize);

    public int Length { get; private set; }

    public ReadOnlyMemory<byte> Written => _bytes.AsMemory(0, Length);

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

    /// <summary>Says so before a value is read that has no room.</summary>
    /// <exception cref="Failure"><c>result_too_large</c></exception>
    public void EnsureRoom(long length)
    {
        if (length > limit)
        {
            throw new Failure(
                ProblemCode.ResultTooLarge,
                $"The answer would be larger than {limit} bytes (Gateway__ResponseLimitBytes); ask for fewer rows or columns.");
        }
    }

    public void Dispose()
    {
        ArrayPool<byte>.Shared.Return(_bytes);
        _bytes = [];
    }

    private void Reserve(int sizeHint)
    {
        var wanted = Length + Math.Max(sizeHint, 256);
        if (wanted <= _bytes.Length)
            return;
        var larger = ArrayPool<byte>.Shared.Rent(Math.Max(wanted, _bytes.Length * 2));
        _bytes.AsSpan(0, Length).CopyTo(larger);
        ArrayPool<byte>.Shared.Return(_bytes);
        _bytes = larger;
    }
}
