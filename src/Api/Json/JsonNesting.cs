using System.Text.Json;

namespace Gateway.Api.Json;

/// <summary>
/// Estimates the cost of parsing nested JSON. At the end of each array and object <see cref="JsonDocument"/> goes back
/// over all of its content, so each value is visited once for each level around it.
/// </summary>
internal static class JsonNesting
{
    /// <summary>
    /// The number of steps that is always allowed: about a second of work, for example a few values at 6,000 levels,
    /// the deepest nesting that PostgreSQL reads.
    /// </summary>
    private const long LeastSteps = 500_000_000;

    /// <summary>The nesting depth that is allowed for all values of a text of any length.</summary>
    private const int AnyDepth = 64;

    /// <summary>
    /// Returns whether a text can be parsed in linear time. Returns true for a text that is not JSON.
    /// </summary>
    /// <param name="json">The text.</param>
    /// <param name="deepest">The maximum nesting depth of the parser.</param>
    public static bool IsCheap(ReadOnlySpan<byte> json, int deepest)
    {
        // A value and its comma take at least two bytes.
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
            // The parser stops at the same place, and reports it.
        }
        return steps <= Math.Max(LeastSteps, values * AnyDepth);
    }
}
