using System.Buffers;

namespace Gateway.Api.Json;

/// <summary>
/// Pools byte arrays. For a while the shared pool keeps as many arrays of each size as were ever in use at the same
/// time, and one more for each thread. For large arrays that can exceed the memory of the process, so this pool keeps
/// few of them.
/// </summary>
internal static class BufferPool
{
    private const int LargestShared = 64 * 1024;
    private const int LargestKept = 4 << 20;
    private const int KeptOfEachSize = 4;

    private static readonly ArrayPool<byte> Large = ArrayPool<byte>.Create(LargestKept, KeptOfEachSize);

    /// <summary>Returns an array whose length is a power of two, and at least the given length.</summary>
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
