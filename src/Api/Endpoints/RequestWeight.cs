using System.Text.Json;
using Gateway.Api.Json;

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

    /// <summary>A name while the request's members are put in order.</summary>
    private const int BytesOfName = 64;

    /// <summary>A parameter with what Npgsql makes of it; a statement is some of them.</summary>
    private const int BytesOfParameter = 320;

    /// <summary>So many commas and brackets stand for too little to be looked at more closely.</summary>
    private const int FewTokens = 64;

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

    private static RequestWeight Weigh(int length, int tokens, int names, int parameters)
    {
        var tables = JsonTables.Of(length, tokens);
        return new RequestWeight(
            tables.Most + ((long)BytesOfName * names),
            ((long)TextCopies * length) + ((long)JsonTables.BytesOfToken * tokens) + ((long)BytesOfParameter * parameters))
        { Tables = tables };
    }

    /// <summary>The parser's tables.</summary>
    public JsonTables Tables { get; private init; }
}
