using System.Buffers;
using System.Numerics;
using System.Text.Json;

namespace Gateway.Api.Endpoints;

/// <summary>
/// What a body makes the gateway hold, found out before any of it is made: a few bytes of JSON can be an object of some hundred.
/// </summary>
/// <param name="Document">The bytes of the parsed document, until the request is read.</param>
/// <param name="Request">The bytes of the request that is read, until it is answered.</param>
internal readonly record struct RequestWeight(long Document, long Request)
{
    /// <summary>Strings have two bytes a character; the SQL is held as it came and as it is sent, a parameter as JSON and as text.</summary>
    private const int TextCopies = 6;

    /// <summary>A row of System.Text.Json's table, of which an array or an object that is a parameter keeps its own.</summary>
    private const int BytesOfToken = 12;

    /// <summary>A name while the request's members are put in order.</summary>
    private const int BytesOfName = 64;

    /// <summary>A parameter with what Npgsql makes of it; a statement is some of them.</summary>
    private const int BytesOfParameter = 320;

    /// <summary>So many commas and brackets stand for too little to be looked at more closely.</summary>
    private const int FewTokens = 64;

    private const int LargestFirstTable = 1 << 20;

    /// <param name="body">The body.</param>
    /// <param name="deepest">The deepest nesting that is read.</param>
    /// <exception cref="JsonException">It is not JSON.</exception>
    public static RequestWeight Of(ReadOnlySpan<byte> body, int deepest)
    {
        var values = body.Count((byte)',') + body.Count((byte)'[') + body.Count((byte)'{');
        if (values <= FewTokens)
            return Weigh(body.Length, tokens: 4 * values, names: values, parameters: values);

        var (tokens, names, parameters) = (0, 0, 0);
        var isList = false;
        var json = new Utf8JsonReader(body, new JsonReaderOptions { MaxDepth = deepest });
        while (json.Read())
        {
            tokens++;
            if (json.TokenType == JsonTokenType.PropertyName)
            {
                names++;
                if (json.CurrentDepth == 1)
                    isList = json.ValueTextEquals("statements"u8) || json.ValueTextEquals("queries"u8);
            }
            // A statement of a list, a parameter of one, or a parameter.
            if (json.CurrentDepth == 2 || (isList && json.CurrentDepth == 4))
                parameters++;
        }
        return Weigh(body.Length, tokens, names, parameters);
    }

    /// <summary>
    /// Takes the arrays that the parser has just given back out of the shared pool again, and drops them: one for each thread
    /// would be kept, of a size that hostile bodies only have.
    /// </summary>
    /// <param name="from">The smallest, in bytes; a power of two.</param>
    /// <param name="to">Smaller than that, in bytes.</param>
    public static void DropTables(long from, long to)
    {
        const int Kept = 256 * 1024;
        for (var size = Math.Max(from, 2 * Kept); size < to; size *= 2)
            _ = ArrayPool<byte>.Shared.Rent((int)size);
    }

    /// <summary>The parser's first table, and the last that it needs: it doubles, and has both while it copies.</summary>
    public static (long First, long Last) TablesOf(int length, int tokens)
    {
        long first = length + BytesOfToken;
        if (first is > LargestFirstTable and <= 4 * LargestFirstTable)
            first = LargestFirstTable;
        first = (long)BitOperations.RoundUpToPowerOf2((ulong)first);
        var last = first;
        while ((long)tokens * BytesOfToken > last - BytesOfToken)
            last *= 2;
        return (first, last);
    }

    private static RequestWeight Weigh(int length, int tokens, int names, int parameters)
    {
        var (_, last) = TablesOf(length, tokens);
        return new RequestWeight(
            last + (last / 2) + ((long)BytesOfName * names),
            ((long)TextCopies * length) + ((long)BytesOfToken * tokens) + ((long)BytesOfParameter * parameters))
        { Tables = TablesOf(length, tokens) };
    }

    /// <summary>The sizes of the parser's tables, the first and the last.</summary>
    public (long First, long Last) Tables { get; private init; }
}
