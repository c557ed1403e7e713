using System.Text.Json;

namespace Gateway.Api.Json;

/// <summary>
/// What JSON that is nested costs to parse: at the end of each array and object <see cref="JsonDocument"/> goes back over all that is in
/// it, so that each value counts once for each level that it is in.
/// </summary>
internal static class JsonNesting
{
    /// <summary>A second of work: some values of 6,000 levels, which is as deep as PostgreSQL reads.</summary>
    private const long LeastSteps = 500_000_000;

    /// <summary>How deep all of it may be, however large it is.</summary>
    private const int AnyDepth = 64;

    /// <summary>Whether it can be parsed in a time that is linear in its length. What is no JSON can.</summary>
    /// <param name="json">The text.</param>
    /// <param name="deepest">The deepest nesting that is parsed at all.</param>
    public static bool IsCheap(ReadOnlySpan<byte> json, int deepest)
    {
        // A value and its comma are two bytes.
        if ((long)json.Length / 2 * Math.Min(json.Length / 2, deepest) <= LeastSteps)
            return true;
        var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = deepest });
        var open = new Stack<long>();
        long values = 0, steps = 0;
        try
        {
            while (reader.Read())
            {
                values++;
                if (reader.TokenType is JsonTokenType.StartArray or JsonTokenType.StartObject)
                    open.Push(values);
                else if (reader.TokenType is JsonTokenType.EndArray or JsonTokenType.EndObject)
                    steps += values - open.Pop();
            }
        }
        catch (JsonException)
        {
            // The parser gets no further either, and says where.
        }
        return steps <= Math.Max(LeastSteps, values * AnyDepth);
    }
}
