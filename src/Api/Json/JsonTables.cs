using System.Buffers;
using System.Numerics;
using System.Text.Json;

namespace Gateway.Api.Json;

/// <summary>
/// What <see cref="JsonDocument"/> holds beside the text: a table with a row for each token. It doubles when it is
/// full, and both are there while it is copied.
/// </summary>
/// <param name="First">The bytes of the first table; a power of two.</param>
/// <param name="Last">The bytes of the one that has room for all; a power of two.</param>
internal readonly record struct JsonTables(long First, long Last)
{
    /// <summary>A row, of which an array or an object that is kept has its own.</summary>
    public const int BytesOfToken = 12;

    private const int LargestFirst = 1 << 20;

    /// <summary>The most that is held at a time.</summary>
    public long Most => Last + (Last / 2);

    /// <summary>Of a text.</summary>
    /// <param name="length">Its bytes.</param>
    /// <param name="tokens">Its tokens, or more.</param>
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

    /// <summary>Of a text that is JSON.</summary>
    public static JsonTables Of(ReadOnlySpan<byte> json)
    {
        // At most four tokens come with each of these; in a string none does.
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

    /// <summary>Drops those that the parser has given back while it made the last.</summary>
    public void DropFirst() => Drop(First, Last);

    /// <summary>Drops the last, which the document has given back.</summary>
    public void DropLast() => Drop(Last, 2 * Last);

    /// <summary>Takes arrays out of the shared pool again: one for each thread would be kept, of a size that hostile texts only have.</summary>
    private static void Drop(long from, long to)
    {
        const int Kept = 256 * 1024;
        for (var size = Math.Max(from, 2 * Kept); size < to; size *= 2)
            _ = ArrayPool<byte>.Shared.Rent((int)size);
    }
}
