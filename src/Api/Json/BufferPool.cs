using System.Buffers;

namespace Gateway.Api.Json;

/// <summary>
/// Arrays to be used again. The shared pool keeps as many of each size as were ever in use at once, one more for each thread and
/// all of them for a while, which for large ones is more than the process may have; so of those few are kept.
/// </summary>
internal static class BufferPool
{
    private const int LargestShared = 64 * 1024;
    private const int LargestKept = 4 << 20;
    private const int KeptOfEachSize = 4;

    private static readonly ArrayPool<byte> Large = ArrayPool<byte>.Create(LargestKept, KeptOfEachSize);

    /// <summary>An array of at least that length, a power of two.</summary>
    public static byte[] Rent(int length) =>
        length <= LargestShared ? ArrayPool<byte>.Shared.Rent(length)
        : length <= LargestKept ? Large.Rent(length)
        : GC.AllocateUninitializedArray<byte>(length);

    public static void Return(byte[] array)
    {
        if (array.Length == 0)
            return;
        if (array.Length <= LargestShared)
            ArrayPool<byte>.Shared.Return(array);
        else if (array.Length <= LargestKept)
            Large.Return(array);
    }
}
