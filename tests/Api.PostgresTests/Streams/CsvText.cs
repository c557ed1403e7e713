using System.Text;

namespace Gateway.Api.PostgresTests.Streams;

/// <summary>Reads CSV strictly by the grammar of RFC 4180. An empty field without quotes is null here.</summary>
internal static class CsvText
{
    public static List<string?[]> Parse(string text)
    {
        var records = new List<string?[]>();
        var fields = new List<string?>();
        for (var position = 0; position < text.Length;)
        {
            fields.Add(text[position] == '"' ? Quoted(text, ref position) : Bare(text, ref position));
            Assert.True(position < text.Length, "The last record lacks its CRLF.");
            if (text[position] == ',')
            {
                position++;
                // The text after the last comma of a record is a field too.
                if (!IsBreak(text, position))
                    continue;
                fields.Add(null);
            }
            Assert.True(IsBreak(text, position), $"Behind a field stands {(int)text[position]} at {position}, and neither a comma nor CRLF.");
            position += 2;
            records.Add([.. fields]);
            fields.Clear();
        }
        return records;
    }

    private static bool IsBreak(string text, int position) =>
        string.CompareOrdinal(text, position, "\r\n", 0, 2) == 0;

    private static string? Bare(string text, ref int position)
    {
        var end = text.AsSpan(position).IndexOfAny(",\r\n\"") is var length and >= 0 ? position + length : text.Length;
        var field = text[position..end];
        position = end;
        return field.Length == 0 ? null : field;
    }

    private static string Quoted(string text, ref int position)
    {
        var field = new StringBuilder();
        for (position++; ; position++)
        {
            var quote = text.IndexOf('"', position);
            Assert.True(quote >= 0, "A quoted field has no end.");
            field.Append(text, position, quote - position);
            position = quote + 1;
            if (position == text.Length || text[position] != '"')
                return field.ToString();
            field.Append('"');
        }
    }
}
