using System.Buffers;
using System.Numerics;
using System.Text.Json;

namespace Gateway.Api.Json;

/// <summary>
/// Represents the memory that <see cref="JsonDocument"/> needs beside the text: a table with a row for each token. It
/// doubles when it is full, and both tables exist while it is copied.
/// </summary>
/// <param name="First">The size of the first table, in bytes; a power of two.</param>
/// <param name="Last">The size of the table that has room for all tokens, in bytes; a power of two.</param>
internal readonly record struct JsonTables(long First, long Last)
{
    /// <summary>The size of a row. An array or an object that is kept has a row of its own.</summary>
    public const int BytesOfToken = 12;

    private const int LargestFirst = 1 << 20;

    /// <summary>Gets the maximum that is held at a time, in bytes.</summary>
    public long Most => Last + (Last / 2);

    /// <summary>Returns the tables of a text.</summary>
    /// <param name="length">The length of the text, in bytes.</param>
    /// <param name="tokens">The number of its tokens, or an upper bound.</param>
    public static JsonTables Of(int length, long tokens)
    {
        long first = length + BytesOfToken;
        if (first is > LargestFirst and <= 4 * LargestFirst)
            first = LargestFirst;
        first = (long)BitOperations.RoundUpToPowerOf2((ulong)first);
        var last = first;
        while (tokens * BytesOfToken > last - BytesOfToken)
            last *= 2;
        return new JsonTables(first, last);
    }

    /// <summary>Returns the tables of a JSON text.</summary>
    public static JsonTables Of(ReadOnlySpan<byte> json)
    {
        // Each of these characters comes with at most four tokens; those inside strings come with none.
        var most = 4 * (1L + json.Count((byte)',') + json.Count((byte)'[') + json.Count((byte)'{'));
        var tables = Of(json.Length, most);
        if (tables.Last == tables.First)
            return tables;
        var tokens = 0;
        var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = int.MaxValue });
        while (reader.Read())
            tokens++;
        return Of(json.Length, tokens);
    }

    /// <summary>Drops the tables that the parser returned to the shared pool while it made the last one.</summary>
    public void DropFirst() => Drop(First, Last);

    /// <summary>Drops the last table, which the document returned to the shared pool.</summary>
    public void DropLast() => Drop(Last, 2 * Last);

    /// <summary>
    /// Takes arrays out of the shared pool. The pool would keep one for each thread, of sizes that only hostile texts
    /// need.
    /// </summary>
    private static void Drop(long from, long to)
    {
        const int Kept = 256 * 1024;
        for (var size = Math.Max(from, 2 * Kept); size < to; size *= 2)
            _ = ArrayPool<byte>.Shared.Rent((int)size);
    }
}
