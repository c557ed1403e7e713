using System.Net;
using System.Text;
using System.Text.Json;

namespace Gateway.Api.PostgresTests.Streams;

/// <summary>The media types of streams, and methods to read them.</summary>
internal static class StreamForms
{
    public const string Json = "application/json";
    public const string Ndjson = "application/x-ndjson";
    public const string Csv = "text/csv";

    public static Task<Answer> StreamAsync(this GatewayClient client, string accept, object request) =>
        client.PostAsync("query", JsonSerializer.SerializeToUtf8Bytes(request), ("Accept", accept));

    /// <summary>Streams a query as NDJSON, and reads all of it.</summary>
    public static async Task<NdjsonText> NdjsonAsync(this GatewayClient client, string sql, object? parameters = null)
    {
        var answer = await client.StreamAsync(Ndjson, new { activityId = "stream", sql, parameters, timeoutMs = 50_000 });
        Assert.True(answer.Status == HttpStatusCode.OK, answer.Text);
        Assert.Equal(Ndjson, answer.MediaType);
        return NdjsonText.Parse(answer.Text);
    }

    /// <summary>Reads until the given number of lines has arrived; the stream may continue.</summary>
    public static async Task<string[]> ReadLinesAsync(Stream body, int lines, TimeSpan patience)
    {
        using var limit = new CancellationTokenSource(patience);
        var text = new StringBuilder();
        var decoder = Encoding.UTF8.GetDecoder();
        var bytes = new byte[4096];
        var characters = new char[bytes.Length];
        while (true)
        {
            var whole = text.ToString().Split('\n')[..^1];
            if (whole.Length >= lines)
                return whole;
            try
            {
                var read = await body.ReadAsync(bytes, limit.Token);
                Assert.True(read > 0, $"The stream ended after {whole.Length} lines of {lines}.");
                text.Append(characters, 0, decoder.GetChars(bytes, 0, read, characters, 0));
            }
            catch (OperationCanceledException)
            {
                throw new TimeoutException($"{whole.Length} lines came, and not {lines}, in {patience.TotalSeconds} s.");
            }
        }
    }
}

/// <summary>Represents an NDJSON answer. Each line must be JSON, and the last one must end the stream.</summary>
internal sealed record NdjsonText(JsonElement Columns, IReadOnlyList<JsonElement> Rows, JsonElement Last)
{
    public long? RowCount => Last.GetProperty("end").GetProperty("rowCount") is { ValueKind: JsonValueKind.Number } count ? count.GetInt64() : null;

    public bool Truncated => Last.GetProperty("end").GetProperty("truncated").GetBoolean();

    public static NdjsonText Parse(string text)
    {
        Assert.EndsWith("\n", text, StringComparison.Ordinal);
        var lines = text.Split('\n')[..^1].Select((line, index) => Parse(line, index)).ToArray();
        Assert.True(lines.Length >= 2, text);
        Assert.Equal(["columns"], Names(lines[0]));
        Assert.True(Names(lines[^1]) is ["end"] or ["error"], $"The last line is {lines[^1].GetRawText()}");
        return new NdjsonText(lines[0].GetProperty("columns"), lines[1..^1], lines[^1]);
    }

    private static JsonElement Parse(string line, int index)
    {
        try
        {
            return JsonDocument.Parse(line).RootElement;
        }
        catch (JsonException error)
        {
            var shown = line.Length > 400 ? $"{line[..200]} … {line[^200..]}" : line;
            throw new InvalidDataException($"Line {index} is no JSON: {shown}", error);
        }
    }

    private static string[] Names(JsonElement line) => line.ValueKind == JsonValueKind.Object
        ? [.. line.EnumerateObject().Select(member => member.Name)]
        : [];
}
