using System.Buffers.Binary;
using System.Text;
using Gateway.Api.Postgres;

namespace Gateway.Api.Tests.Postgres;

public sealed class MessageLimitTests(ITestOutputHelper output)
{
    private const int Rounds = 40;

    [Fact]
    public async Task MessagesInAnyPieces_GoThroughWithWhatIsTooLargeCutOrLeftOut()
    {
        var seed = Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        for (var round = 0; round < Rounds; round++)
        {
            var sent = new MemoryStream();
            var expected = new MemoryStream();
            for (var message = 0; message < 30; message++)
            {
                var type = "DZCTENAS"[random.Next(8)];
                var length = random.Next(12) == 0 ? random.Next(MessageLimit.Largest - 3, 3 * MessageLimit.Largest) : random.Next(300);
                var body = new byte[type is 'Z' or 'C' or 'T' ? length % 300 : length];
                random.NextBytes(body);
                Write(sent, type, body);
                if (body.Length <= MessageLimit.Largest || type == 'D')
                    Write(expected, type, body);
                else if (type == 'E')
                    Write(expected, type, CutError(body));
            }

            var isAsync = round % 2 == 0;
            Assert.Equal(expected.ToArray(), await ReadAsync(new MessageLimit(new Pieces(sent.ToArray(), random)), random, isAsync));
        }
    }

    [Theory]
    [InlineData(0, ".")]
    [InlineData(1, "R")]
    public async Task LargeErrorCutShort_EndsItsFields(int fieldsEnd, string end)
    {
        // The first field ends with the last byte that is kept, or later.
        var body = Encoding.ASCII.GetBytes("CP0001\0M" + new string('x', 2 * MessageLimit.Largest) + "\0\0");
        if (fieldsEnd == 1)
            body[MessageLimit.Largest - 4] = 0;
        var sent = new MemoryStream();
        Write(sent, 'E', body);

        var read = await ReadAsync(new MessageLimit(new MemoryStream(sent.ToArray())), new Random(1), isAsync: true);

        Assert.Equal(5 + MessageLimit.Largest, read.Length);
        Assert.Equal($"{end}\0\0", Encoding.ASCII.GetString(read.AsSpan(read.Length - 3)));
    }

    [Theory]
    [InlineData('T', 2_000_000)]
    [InlineData('Z', -1)]
    [InlineData('N', -1)]
    public async Task WhatIsNoMessageOfPostgreSql_EndsTheReading(char type, int length)
    {
        var head = new byte[5];
        head[0] = (byte)type;
        BinaryPrimitives.WriteInt32BigEndian(head.AsSpan(1), 4 + length);

        await Assert.ThrowsAsync<IOException>(() => ReadAsync(new MessageLimit(new MemoryStream(head)), new Random(1), isAsync: true));
    }

    private static byte[] CutError(byte[] body)
    {
        var cut = body[..MessageLimit.Largest];
        cut[^3] = (byte)(cut[^4] == 0 ? 'R' : '.');
        cut[^2] = cut[^1] = 0;
        return cut;
    }

    private static void Write(Stream stream, char type, byte[] body)
    {
        Span<byte> length = stackalloc byte[4];
        BinaryPrimitives.WriteInt32BigEndian(length, 4 + body.Length);
        stream.WriteByte((byte)type);
        stream.Write(length);
        stream.Write(body);
    }

    private static async Task<byte[]> ReadAsync(Stream stream, Random random, bool isAsync)
    {
        var read = new MemoryStream();
        var buffer = new byte[9000];
        while (true)
        {
            // As Npgsql reads: into the free space of its buffer, or of a value's.
            var room = random.Next(4) == 0 ? random.Next(1, 8) : random.Next(1, buffer.Length);
            var count = isAsync
                ? await stream.ReadAsync(buffer.AsMemory(0, room), TestContext.Current.CancellationToken)
                : stream.Read(buffer, 0, room);
            if (count == 0)
                return read.ToArray();
            read.Write(buffer, 0, count);
        }
    }

    /// <summary>Returns the bytes in pieces, as from a network.</summary>
    private sealed class Pieces(byte[] bytes, Random random) : MemoryStream(bytes)
    {
        public override int Read(Span<byte> buffer) => base.Read(buffer[..Some(buffer.Length)]);

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            base.ReadAsync(buffer[..Some(buffer.Length)], cancellationToken);

        private int Some(int room) => Math.Min(room, random.Next(3) == 0 ? random.Next(1, 7) : random.Next(1, 10_000));
    }
}
