using System.Collections.Frozen;

namespace Gateway.Api.Postgres;

/// <summary>
/// The English words that PostgreSQL's own messages are made of, in the resource <c>message-words.txt</c>: what stands in a message
/// outside of quotes and is none of them may be a value.
/// </summary>
internal static class MessageWords
{
    private static readonly FrozenSet<string> Words = Read().ToFrozenSet(StringComparer.OrdinalIgnoreCase);
    private static readonly FrozenSet<string>.AlternateLookup<ReadOnlySpan<char>> Lookup = Words.GetAlternateLookup<ReadOnlySpan<char>>();

    /// <summary>Whether it is such a word, or several that hyphens join.</summary>
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
        using var reader = new StreamReader(typeof(MessageWords).Assembly.GetManifestResourceStream("message-words.txt")!);
        return reader.ReadToEnd().Split([' ', '\n'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
    }
}
