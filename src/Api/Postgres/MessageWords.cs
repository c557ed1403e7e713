using System.Collections.Frozen;

namespace Gateway.Api.Postgres;

/// <summary>
/// Holds the English words of PostgreSQL's own messages, from the resource <c>message-words.txt</c>. Any other text in
/// a message, outside of quotes, may be a value.
/// </summary>
internal static class MessageWords
{
    private static readonly FrozenSet<string> Words = Read().ToFrozenSet(StringComparer.OrdinalIgnoreCase);

    private static readonly FrozenSet<string>.AlternateLookup<ReadOnlySpan<char>> Lookup =
        Words.GetAlternateLookup<ReadOnlySpan<char>>();

    /// <summary>Returns whether the text is such a word, or several such words joined by hyphens.</summary>
    public static bool Contains(ReadOnlySpan<char> text)
    {
        if (text.IsEmpty)
            return false;
        foreach (var part in text.Split('-'))
        {
            if (!Lookup.Contains(text[part]))
                return false;
        }
        return true;
    }

    private static string[] Read()
    {
        using var stream = typeof(MessageWords).Assembly.GetManifestResourceStream("message-words.txt")!;
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd()
            .Split([' ', '\n'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
    }
}
