using Gateway.Api.Callers;
using Gateway.Api.Json;

namespace Gateway.Api.Tests.Json;

/// <summary>
/// Tests that buffers have the size that is counted for them, also if more of a size are in use than the pool keeps.
/// </summary>
public sealed class BufferPoolTests
{
    private const int AtOnce = 20;

    [Theory]
    [InlineData(1, 16)]
    [InlineData(16, 16)]
    [InlineData(17, 32)]
    [InlineData(64 * 1024, 64 * 1024)]
    [InlineData((64 * 1024) + 1, 128 * 1024)]
    [InlineData(1 << 20, 1 << 20)]
    [InlineData(4 << 20, 4 << 20)]
    [InlineData((4 << 20) + 1, 8 << 20)]
    public void ArraysInUseAtOnce_HaveTheCountedSize(int length, int size)
    {
        Assert.Equal(size, BufferPool.SizeFor(length));

        for (var time = 0; time < 2; time++)
        {
            var arrays = Enumerable.Range(0, AtOnce).Select(_ => BufferPool.Rent(length)).ToList();
            Assert.All(arrays, array => Assert.Equal(size, array.Length));
            arrays.ForEach(BufferPool.Return);
        }
    }

    [Fact]
    public void BuffersInUseAtOnce_GiveBackWhatTheyTook()
    {
        var budget = new MemoryBudget(1 << 30);
        var requests = Enumerable.Range(0, AtOnce).Select(_ => budget.Open("caller")).ToList();
        var buffers = requests.ConvertAll(request => new PooledBuffer(int.MaxValue, memory: request));
        foreach (var buffer in buffers)
            buffer.Write(new byte[200_000]);
        var held = budget.Held;

        foreach (var buffer in buffers)
            buffer.Dispose();
        foreach (var request in requests)
            request.Dispose();

        Assert.InRange(held, AtOnce * 256 * 1024, AtOnce * 512 * 1024);
        Assert.Equal(0, budget.Held);
    }
}
