using System.Buffers;
using System.Numerics;

namespace Gateway.Api.Json;

/// <summary>
/// Pools byte arrays. For a while the shared pool keeps as many arrays of each size as were ever in use at the same
/// time, and one more for each thread. For large arrays that can exceed the memory of the process, so this pool keeps
/// few of them.
/// </summary>
internal static class BufferPool
{
    private const int Smallest = 16;
    private const int LargestShared = 64 * 1024;
    private const int LargestKept = 4 << 20;
    private const int KeptOfEachSize = 4;

    private static readonly ArrayPool<byte> Large = ArrayPool<byte>.Create(LargestKept, KeptOfEachSize);

    /// <summary>Returns the size of the array that <see cref="Rent"/> returns: the next power of two.</summary>
    public static int SizeFor(int length) =>
        (int)Math.Clamp(BitOperations.RoundUpToPowerOf2((uint)length), Smallest, (uint)Array.MaxLength);

    /// <summary>Returns an array of exactly the size that <see cref="SizeFor"/> returns for the length.</summary>
    public static byte[] Rent(int length)
    {
        var size = SizeFor(length);
        var array = size <= LargestShared ? ArrayPool<byte>.Shared.Rent(size)
            : size <= LargestKept ? Large.Rent(size)
            : [];
        if (array.Length == size)
            return array;
        // If the pool has no array of the size left, it returns a larger one. Whoever counts memory counts the size.
        Return(array);
        return GC.AllocateUninitializedArray<byte>(size);
    }

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
