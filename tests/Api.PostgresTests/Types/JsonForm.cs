using System.Text;
using System.Text.Json;

namespace Gateway.Api.PostgresTests.Types;

/// <summary>Normalises JSON for comparisons: numbers by their digits, members in their order.</summary>
internal static class JsonForm
{
    /// <summary>The maximum nesting depth, more than PostgreSQL's own JSON allows.</summary>
    public const int MaxDepth = 20_000;

    /// <summary>Returns the same text for all JSON that differs only in white space and escapes.</summary>
    public static string Of(string json)
    {
        var reader = new Utf8JsonReader(Encoding.UTF8.GetBytes(json), new JsonReaderOptions { MaxDepth = MaxDepth });
        var form = new StringBuilder(json.Length);
        while (reader.Read())
        {
            form.Append(reader.TokenType is JsonTokenType.String or JsonTokenType.PropertyName
                ? TextOf(ref reader)
                : Encoding.UTF8.GetString(reader.ValueSpan));
            form.Append(reader.TokenType == JsonTokenType.PropertyName ? ':' : '\n');
        }
        return form.ToString();
    }

    public static JsonElement Parse(string json) => JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = MaxDepth }).RootElement;

    /// <summary>Returns an excerpt, short enough for a test's message.</summary>
    public static string Excerpt(string? json) => json is null ? "NULL" : json.Length > 300 ? $"{json[..300]}… ({json.Length})" : json;

    private static string TextOf(ref Utf8JsonReader reader)
    {
        try
        {
            return JsonSerializer.Serialize(reader.GetString());
        }
        catch (InvalidOperationException)
        {
            // Half a surrogate pair, which json may contain, and a .NET string from it may not.
            return $"\"{Encoding.UTF8.GetString(reader.ValueSpan)}\"";
        }
    }
}

/// <summary>Formats the mismatches of a test of many values.</summary>
internal static class Found
{
    /// <summary>The maximum number of mismatches in a message.</summary>
    private const int MostShown = 15;

    /// <summary>Describes a cell that differs from <c>to_json</c>.</summary>
    public static string Another(string of, string? printed, string cell) =>
        $"{JsonForm.Excerpt(of)}\n  to_json prints {JsonForm.Excerpt(printed)}\n  the cell is    {JsonForm.Excerpt(cell)}";

    public static void AssertNone(IReadOnlyCollection<string> faults) => Assert.True(
        faults.Count == 0, $"{faults.Count} faults:\n{string.Join('\n', faults.Take(MostShown))}");
}
