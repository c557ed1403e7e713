using System.Text.Json;
using Gateway.Api.Json;

namespace Gateway.Api.Endpoints;

/// <summary>
/// Estimates the memory that a body needs, before any of it is allocated: a few bytes of JSON can become an object of
/// several hundred bytes.
/// </summary>
/// <param name="Document">The size of the parsed document, in bytes, until the request is read.</param>
/// <param name="Request">The size of the request, in bytes, until it is answered.</param>
internal readonly record struct RequestWeight(long Document, long Request)
{
    /// <summary>The bytes of a name while the request's members are sorted.</summary>
    private const int BytesOfName = 64;

    /// <summary>The bytes of a parameter with its Npgsql objects; a statement counts as several.</summary>
    private const int BytesOfParameter = 320;

    /// <summary>Up to this number of commas and brackets, an estimate is enough: the memory is small.</summary>
    private const int FewTokens = 64;

    /// <summary>Returns the weight of a body.</summary>
    /// <param name="body">The body.</param>
    /// <param name="deepest">The maximum nesting depth.</param>
    /// <exception cref="JsonException">The body is not JSON.</exception>
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
            // At these depths are the statements of a list and their parameters, or the parameters of a single
            // statement.
            if (json.CurrentDepth == 2 || (isList && json.CurrentDepth == 4))
                parameters++;
        }
        return Weigh(body.Length, tokens, names, parameters);
    }

    private static RequestWeight Weigh(int length, int tokens, int names, int parameters)
    {
        var tables = JsonTables.Of(length, tokens);
        return new RequestWeight(
            tables.Most + ((long)BytesOfName * names),
            ((long)JsonText.MemoryPerByte * length)
                + ((long)JsonTables.BytesOfToken * tokens)
                + ((long)BytesOfParameter * parameters))
        { Tables = tables };
    }

    /// <summary>Gets the parser's tables.</summary>
    public JsonTables Tables { get; private init; }
}
