using System.Net;
using System.Text;
using System.Text.Json;

namespace Gateway.Api.PostgresTests.Types;

/// <summary>Tests that a value looks the same in a stream and in a complete answer.</summary>
public sealed class TypeStreamTests(TypeDatabase database) : IClassFixture<TypeDatabase>
{
    public static TheoryData<string> Kinds => TypeOutTests.Kinds;

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task InNdjson_ValueLooksAsToJsonPrintsIt(string kind)
    {
        var values = database.Kinds[kind];
        var printed = await database.PrintAsync(values);

        var lines = (await AskAsync(values, "application/x-ndjson")).TrimEnd('\n').Split('\n');

        Assert.Equal(3, lines.Length);
        var row = JsonForm.Parse(lines[1]);
        Found.AssertNone([.. values.Zip(printed).Index()
            .Where(value => JsonForm.Of(value.Item.Second.Json ?? "null") != JsonForm.Of(row[value.Index].GetRawText()))
            .Select(value => Found.Another(value.Item.First.Sql, value.Item.Second.Json, row[value.Index].GetRawText()))]);
        var types = JsonForm.Parse(lines[0]).GetProperty("columns").EnumerateArray().Select(column => column.GetProperty("type").GetString());
        Assert.Equal(printed.Select(value => value.Type), types);
        Assert.Equal("""{"end":{"rowCount":1,"truncated":false}}""", lines[2]);
    }

    /// <summary>In JSON, line breaks can only be between tokens, and never inside a string.</summary>
    [Fact]
    public async Task InNdjson_JsonIsThereByteForByteSaveForItsLineBreaks()
    {
        var values = database.Kinds["json"].Where(value => value.Type is "json" or "jsonb").ToArray();
        var json = (await database.PrintAsync(values)).Select(value => value.Json ?? "null");

        var lines = (await AskAsync(values, "application/x-ndjson")).Split('\n');

        Assert.Equal($"[{string.Join(',', json)}]".Replace('\r', ' ').Replace('\n', ' '), lines[1]);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task InCsv_ValueIsItsJsonAndAStringIsBare(string kind)
    {
        var values = database.Kinds[kind];
        var printed = await database.PrintAsync(values);

        var records = Csv.Read(await AskAsync(values, "text/csv"));

        Assert.Equal(2, records.Count);
        Assert.Equal(values.Select((_, index) => new CsvField($"c{index}", false)), records[0]);
        Assert.Equal(values.Length, records[1].Count);
        Found.AssertNone([.. values.Zip(printed).Zip(records[1])
            .Where(value => !Matches(value.First.Second, value.Second))
            .Select(value => Found.Another(value.First.First.Sql, value.First.Second.Json, value.Second.ToString()))]);
    }

    /// <summary>
    /// Returns whether a field matches a value. A string has no quotes, except an empty one; values of type json stay
    /// JSON.
    /// </summary>
    private static bool Matches(Printed printed, CsvField field) => printed switch
    {
        { Json: null } => field == new CsvField("", false),
        { IsJson: false } when printed.Json[0] == '"' =>
            field.Text == JsonForm.Parse(printed.Json).GetString() && (field.Quoted || field.Text.Length > 0),
        _ => JsonForm.Of(field.Text) == JsonForm.Of(printed.Json),
    };

    private async Task<string> AskAsync(IEnumerable<TypeValue> values, string accept)
    {
        var body = JsonSerializer.SerializeToUtf8Bytes(new { activityId = "test", sql = TypeOutTests.SelectOf(values), rowFormat = "array" });
        var answer = await database.Client.PostAsync("query", body, ("Accept", accept));
        Assert.True(answer.Status == HttpStatusCode.OK, answer.Text);
        Assert.Equal(accept, answer.MediaType);
        return answer.Text;
    }

    private sealed record CsvField(string Text, bool Quoted);

    /// <summary>Reads CSV strictly by RFC 4180: any violation is an error.</summary>
    private static class Csv
    {
        public static List<List<CsvField>> Read(string text)
        {
            var records = new List<List<CsvField>>();
            for (var position = 0; position < text.Length;)
            {
                var record = new List<CsvField>();
                do
                {
                    record.Add(text[position] == '"' ? ReadQuoted(text, ref position) : ReadBare(text, ref position));
                }
                while (text[position++] == ',');
                Assert.Equal("\r\n", text[(position - 1)..++position]);
                records.Add(record);
            }
            return records;
        }

        private static CsvField ReadBare(string text, ref int position)
        {
            var length = text.AsSpan(position).IndexOfAny(",\"\r\n");
            var field = new CsvField(text.Substring(position, length), false);
            position += length;
            return field;
        }

        private static CsvField ReadQuoted(string text, ref int position)
        {
            var field = new StringBuilder();
            for (position++; text[position] != '"' || text[position + 1] == '"'; position++)
            {
                if (text[position] == '"')
                    position++;
                field.Append(text[position]);
            }
            position++;
            return new CsvField(field.ToString(), true);
        }
    }
}
