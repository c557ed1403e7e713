using System.Text;
using System.Text.Json;

namespace Gateway.Api.PostgresTests.Types;

/// <summary>JSON to be compared with other JSON: numbers by their digits, members in their order.</summary>
internal static class JsonForm
{
    /// <summary>Deeper than PostgreSQL's own JSON goes.</summary>
    public const int MaxDepth = 20_000;

    /// <summary>The same for all JSON that differs in nothing but white space and the ways to escape a character.</summary>
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

    /// <summary>Short enough to be read in a test's message.</summary>
    public static string Excerpt(string? json) => json is null ? "NULL" : json.Length > 300 ? $"{json[..300]}… ({json.Length})" : json;

    private static string TextOf(ref Utf8JsonReader reader)
    {
        try
        {
            return JsonSerializer.Serialize(reader.GetString());
        }
        catch (InvalidOperationException)
        {
            // One half of a surrogate pair, which json may have and a .NET string from it may not.
            return $"\"{Encoding.UTF8.GetString(reader.ValueSpan)}\"";
        }
    }
}

/// <summary>What a test of many values found.</summary>
internal static class Found
{
    /// <summary>So many can be read.</summary>
    private const int MostShown = 15;

    /// <summary>A cell that is another than <c>to_json</c>'s.</summary>
    public static string Another(string of, string? printed, string cell) =>
        $"{JsonForm.Excerpt(of)}\n  to_json prints {JsonForm.Excerpt(printed)}\n  the cell is    {JsonForm.Excerpt(cell)}";

    public static void AssertNone(IReadOnlyCollection<string> faults) => Assert.True(
        faults.Count == 0, $"{faults.Count} faults:\n{string.Join('\n', faults.Take(MostShown))}");
}
