using System.IO.Compression;
using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Gateway.Api.PostgresTests.Streams;

namespace Gateway.Api.PostgresTests;

/// <summary>
/// Tests that large answers are compressed if the caller asks for it, and are unchanged after decompression.
/// </summary>
public sealed class CompressionTests(GatewayFixture fixture)
{
    private const string Large = "SELECT g, 'row ' || g AS x FROM generate_series(1, 5000) g";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    [Theory]
    [InlineData("br", StreamForms.Json)]
    [InlineData("gzip", StreamForms.Json)]
    [InlineData("br", StreamForms.Ndjson)]
    [InlineData("gzip", StreamForms.Ndjson)]
    [InlineData("br", StreamForms.Csv)]
    [InlineData("gzip", StreamForms.Csv)]
    public async Task LargeAnswer_IsCompressedAndTheSame(string encoding, string accept)
    {
        var request = new { activityId = "a", sql = Large };
        var plain = await SendAsync("query", request, accept, null);
        var compressed = await SendAsync("query", request, accept, encoding);

        Assert.Empty(plain.Encoding);
        Assert.Equal(encoding, compressed.Encoding);
        Assert.Equal(accept, compressed.MediaType);
        Assert.Contains("Accept-Encoding", compressed.Vary);
        Assert.True(compressed.Body.Length * 2 < plain.Body.Length, $"{compressed.Body.Length} of {plain.Body.Length}");
        Assert.Equal(plain.Body, compressed.Unpack());
    }

    [Theory]
    [InlineData(null, "")]
    [InlineData("identity", "")]
    [InlineData("br;q=0, gzip;q=0", "")]
    [InlineData("zstd", "")]
    [InlineData("gzip, br", "br")]
    [InlineData("gzip;q=0.9, br;q=0.2", "gzip")]
    [InlineData("gzip;q=0, br", "br")]
    public async Task Encoding_IsOneThatTheCallerAsksFor(string? acceptEncoding, string encoding)
    {
        foreach (var accept in new[] { StreamForms.Json, StreamForms.Ndjson })
            Assert.Equal(encoding, (await SendAsync("query", new { activityId = "a", sql = Large }, accept, acceptEncoding)).Encoding);
    }

    [Theory]
    [InlineData(1023, "")]
    [InlineData(1024, "br")]
    public async Task HeldAnswer_IsCompressedFromAKilobyteOn(int length, string encoding)
    {
        object Request(int value) => new { activityId = "a", sql = $"SELECT repeat('x', {value}) AS x" };
        var around = (await SendAsync("query", Request(0), StreamForms.Json, null)).Body.Length;

        var plain = await SendAsync("query", Request(length - around), StreamForms.Json, null);
        var answer = await SendAsync("query", Request(length - around), StreamForms.Json, "br");

        Assert.Equal(length, plain.Body.Length);
        Assert.Equal(encoding, answer.Encoding);
        Assert.Equal(plain.Body, answer.Unpack());
    }

    [Theory]
    [InlineData("br")]
    [InlineData("gzip")]
    public async Task Replay_IsTheFirstAnswerByteForByte(string encoding)
    {
        var request = new { activityId = $"compressed-{encoding}", sql = Large };

        var first = await SendAsync("execute", request, StreamForms.Json, encoding);
        var replay = await SendAsync("execute", request, StreamForms.Json, encoding);
        var plain = await SendAsync("execute", request, StreamForms.Json, null);

        Assert.Equal(encoding, first.Encoding);
        Assert.Equal(encoding, replay.Encoding);
        Assert.Equal(first.Unpack(), replay.Unpack());
        Assert.Equal(first.Unpack(), plain.Body);
    }

    /// <summary>A problem of this kind has up to two kilobytes.</summary>
    [Fact]
    public async Task Problem_IsReadableToWhoeverLooks()
    {
        var unknown = string.Join(", ", Enumerable.Range(0, 50).Select(field => $"\"unknown{field}\": 1"));

        var problem = await SendAsync("query", JsonDocument.Parse($$"""{"activityId": "a", "sql": "SELECT 1", {{unknown}}}""").RootElement, StreamForms.Json, "br, gzip");

        Assert.InRange(problem.Body.Length, 1024, 2048);
        Assert.Empty(problem.Encoding);
        Assert.Equal("invalid_request", JsonDocument.Parse(problem.Body).RootElement.GetProperty("code").GetString());
    }

    [Theory]
    [InlineData("br")]
    [InlineData("gzip")]
    public async Task ErrorAfterRowsOfACompressedStream_IsItsLastLine(string encoding)
    {
        var answer = await SendAsync(
            "query", new { activityId = "a", sql = "SELECT g, 1/(100000-g) AS x FROM generate_series(1, 200000) g" }, StreamForms.Ndjson, encoding);

        Assert.Equal(encoding, answer.Encoding);
        var stream = NdjsonText.Parse(Encoding.UTF8.GetString(answer.Unpack()));
        Assert.Equal("22012", stream.Last.GetProperty("error").GetProperty("sqlState").GetString());
    }

    [Theory]
    [InlineData("br")]
    [InlineData("gzip")]
    public async Task RowsOfACompressedStream_AreSeenWhileTheQueryRuns(string encoding)
    {
        await using var turnstile = await Turnstile.CloseAsync(fixture.Dsn);
        using var caller = new StreamCaller(fixture.Address);
        var sql = $"SELECT g, repeat('x', 500) AS x, CASE WHEN g = 50 THEN {turnstile.Pass} END AS gate FROM generate_series(1, 60) g";

        var answering = caller.SendAsync(new { activityId = "a", sql, timeoutMs = 50_000 }, StreamForms.Ndjson, encoding);
        await turnstile.HoldsAsync(1);
        using var answer = await answering.WaitAsync(Patience);
        await using var body = Unpacking(await answer.Content.ReadAsStreamAsync(), encoding);
        var lines = await StreamForms.ReadLinesAsync(body, 40, Patience);
        await turnstile.HoldsAsync(1);
        await turnstile.OpenAsync();

        Assert.Equal([encoding], answer.Content.Headers.ContentEncoding);
        Assert.InRange(lines.Length, 40, 50);
    }

    private async Task<Packed> SendAsync(string endpoint, object request, string accept, string? acceptEncoding)
    {
        using var message = new HttpRequestMessage(HttpMethod.Post, $"/v1/{endpoint}") { Content = JsonContent.Create(request) };
        message.Headers.Add("Accept", accept);
        if (acceptEncoding is not null)
            message.Headers.Add("Accept-Encoding", acceptEncoding);
        using var answer = await fixture.Client.Http.SendAsync(message);
        return new Packed(
            answer.StatusCode, answer.Content.Headers.ContentType!.MediaType!, string.Join(", ", answer.Content.Headers.ContentEncoding),
            string.Join(", ", answer.Headers.Vary), await answer.Content.ReadAsByteArrayAsync());
    }

    private static Stream Unpacking(Stream packed, string encoding) => encoding switch
    {
        "br" => new BrotliStream(packed, CompressionMode.Decompress),
        "gzip" => new GZipStream(packed, CompressionMode.Decompress),
        _ => packed,
    };

    private sealed record Packed(HttpStatusCode Status, string MediaType, string Encoding, string Vary, byte[] Body)
    {
        public byte[] Unpack()
        {
            using var unpacked = new MemoryStream();
            using (var stream = Unpacking(new MemoryStream(Body), Encoding))
                stream.CopyTo(unpacked);
            return unpacked.ToArray();
        }
    }
}
