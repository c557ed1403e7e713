using System.Net;
using Microsoft.VisualBasic.FileIO;

namespace Gateway.Api.PostgresTests.Streams;

/// <summary>Tests a query as CSV (RFC 4180), with a parser of that grammar, and with .NET's.</summary>
public sealed class CsvTests(GatewayFixture fixture)
{
    [Fact]
    public async Task Stream_IsAHeaderAndARecordForEachRow()
    {
        var answer = await fixture.Client.StreamAsync(
            StreamForms.Csv, new { activityId = "a", sql = "SELECT g AS id, 'x' || g AS name FROM generate_series(1, 2) g" });

        Assert.Equal(HttpStatusCode.OK, answer.Status);
        Assert.Equal(StreamForms.Csv, answer.MediaType);
        Assert.Equal("id,name\r\n1,x1\r\n2,x2\r\n", answer.Text);
    }

    [Theory]
    [InlineData("NULL::text", "")]
    [InlineData("''", "\"\"")]
    [InlineData("'NULL'", "NULL")]
    [InlineData("'a,b'", "\"a,b\"")]
    [InlineData("'a\"b'", "\"a\"\"b\"")]
    [InlineData("E'a\\nb'", "\"a\nb\"")]
    [InlineData("E'\\r'", "\"\r\"")]
    [InlineData("' a '", " a ")]
    [InlineData("'é€😀'", "é€😀")]
    [InlineData("E'back\\\\slash\\t'", "back\\slash\t")]
    [InlineData("true", "true")]
    [InlineData("42", "42")]
    [InlineData("0.10", "0.10")]
    [InlineData("'NaN'::numeric", "NaN")]
    [InlineData("'-Infinity'::float8", "-Infinity")]
    [InlineData("'2026-01-02 03:04:05.6'::timestamp", "2026-01-02T03:04:05.6")]
    [InlineData("'infinity'::timestamptz", "infinity")]
    [InlineData("'2026-01-02'::date", "2026-01-02")]
    [InlineData("'{1,NULL}'::int[]", "\"[1,null]\"")]
    [InlineData("'{}'::int[]", "[]")]
    [InlineData("ARRAY['a\"']", "\"[\"\"a\\\"\"\"\"]\"")]
    [InlineData("'{\"a\": [1, null]}'::jsonb", "\"{\"\"a\"\": [1, null]}\"")]
    [InlineData("'\"text\"'::jsonb", "\"\"\"text\"\"\"")]
    [InlineData("'null'::jsonb", "null")]
    [InlineData("E'[1,\\n2]'::json", "\"[1,\n2]\"")]
    [InlineData("'\\xdeadbeef'::bytea", "\\xdeadbeef")]
    public async Task Value_IsItsJsonWithAStringBare(string expression, string field)
    {
        var answer = await fixture.Client.StreamAsync(
            StreamForms.Csv, new { activityId = "a", sql = $"SELECT {expression} AS v, 7 AS n" });

        Assert.Equal($"v,n\r\n{field},7\r\n", answer.Text);
    }

    [Fact]
    public async Task NumbersString_AreNoOtherInCsv()
    {
        var answer = await fixture.Client.StreamAsync(
            StreamForms.Csv, new { activityId = "a", sql = "SELECT 1::bigint AS b, '{2}'::bigint[] AS bs", numbers = "string" });

        Assert.Equal("b,bs\r\n1,\"[\"\"2\"\"]\"\r\n", answer.Text);
    }

    [Fact]
    public async Task ColumnsOfOneNameAndNamesToQuote_AreInTheHeader()
    {
        var answer = await fixture.Client.StreamAsync(
            StreamForms.Csv, new { activityId = "a", sql = "SELECT 1 AS x, 2 AS x, 3 AS \"a,\"\"b\n\", 4 AS \" é\"" });

        Assert.Equal("x,x,\"a,\"\"b\n\", é\r\n1,2,3,4\r\n", answer.Text);
    }

    [Theory]
    [InlineData("SELECT 1 AS a WHERE false", "a\r\n")]
    [InlineData("SET work_mem = '1MB'", "")]
    [InlineData("SELECT NULL AS a, NULL AS b", "a,b\r\n,\r\n")]
    public async Task FewOrNoRows_AreWhatIsThere(string sql, string text)
    {
        var answer = await fixture.Client.StreamAsync(StreamForms.Csv, new { activityId = "a", sql });

        Assert.Equal(HttpStatusCode.OK, answer.Status);
        Assert.Equal(text, answer.Text);
    }

    [Fact]
    public async Task MaxRows_EndsTheRecords()
    {
        var answer = await fixture.Client.StreamAsync(
            StreamForms.Csv, new { activityId = "a", sql = "SELECT generate_series(1, 1000000000) AS g", maxRows = 3 });

        Assert.Equal("g\r\n1\r\n2\r\n3\r\n", answer.Text);
    }

    [Fact]
    public async Task AnyText_IsReadBackByAnyParser()
    {
        var seed = Random.Shared.Next();
        var random = new Random(seed);
        string?[] pieces = ["a", "é", "€", "😀", "\"", ",", "p\r\nq", "p\nq", " ", "\\", "'", "\t", "\"\"", "x\"y"];
        var rows = Enumerable.Range(0, 300).Select(_ => Enumerable.Range(0, 3).Select(column => random.Next(8) switch
        {
            0 => column == 0 ? "first" : null,
            1 => column == 0 ? "first" : "",
            // Sometimes longer than one part.
            2 when random.Next(20) == 0 => string.Concat(Enumerable.Repeat("é\"€\n😀,", 6_000)),
            _ => string.Concat(Enumerable.Range(0, random.Next(1, 6)).Select(_ => pieces[random.Next(pieces.Length)])),
        }).ToArray()).ToArray();

        var answer = await fixture.Client.StreamAsync(StreamForms.Csv, new
        {
            activityId = "a",
            sql = "SELECT r->>0 AS a, r->>1 AS b, r->>2 AS c FROM jsonb_array_elements($1::jsonb) WITH ORDINALITY x(r, n) ORDER BY n",
            parameters = new[] { rows },
        });

        Assert.True(answer.Status == HttpStatusCode.OK, answer.Text);
        var records = CsvText.Parse(answer.Text);
        Assert.Equal("a b c", string.Join(' ', records[0]));
        Assert.True(rows.Length == records.Count - 1, $"seed {seed}: {records.Count - 1} records");
        Assert.True(rows.Zip(records.Skip(1)).All(pair => pair.First.SequenceEqual(pair.Second)), $"seed {seed}");

        // .NET's parser reads NULL as an empty string, and all kinds of line breaks as the same.
        using var parser = new TextFieldParser(new StringReader(answer.Text)) { Delimiters = [","], TrimWhiteSpace = false };
        var read = 0;
        for (parser.ReadFields(); !parser.EndOfData; read++)
        {
            var fields = parser.ReadFields()!;
            Assert.True(
                fields.Select(Lines).SequenceEqual(rows[read].Select(field => Lines(field ?? ""))), $"seed {seed}, record {read}");
        }
        Assert.Equal(rows.Length, read);

        static string Lines(string text) => text.Replace("\r\n", "\n", StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("text", "$1")]
    [InlineData("jsonb", "to_jsonb($1)")]
    public async Task ValueOfTwentyMegabytes_IsPassedOnWhole(string type, string expression)
    {
        const string pattern = "aé€😀\"\\\n,";
        var count = 20_000_000 / 16;

        var answer = await fixture.Client.StreamAsync(
            StreamForms.Csv,
            new
            {
                activityId = "a",
                sql = $"SELECT {expression.Replace("$1", $"repeat($1, {count})", StringComparison.Ordinal)}::{type} AS v, 7 AS n",
                parameters = new[] { pattern },
                timeoutMs = 50_000,
            });

        var record = CsvText.Parse(answer.Text)[1];
        var value = type == "text" ? record[0] : System.Text.Json.JsonDocument.Parse(record[0]!).RootElement.GetString();
        Assert.True(value == string.Concat(Enumerable.Repeat(pattern, count)), "It is not what was sent.");
        Assert.Equal("7", record[1]);
    }

    [Theory]
    [InlineData("1.1", null)]
    [InlineData("1.1", "gzip")]
    [InlineData("2.0", null)]
    [InlineData("1.0", null)]
    public async Task ErrorAfterRows_CutsTheStreamOff(string version, string? acceptEncoding)
    {
        var http2 = version == "2.0" ? "Http2" : "Http1";
        await using var gateway = await fixture.StartGatewayAsync(
            "--Kestrel:Endpoints:E:Url=http://127.0.0.1:0", $"--Kestrel:Endpoints:E:Protocols={http2}");
        using var caller = new StreamCaller(gateway.Address, Version.Parse(version));
        using var answer = await caller.SendAsync(
            new { activityId = "a", sql = "SELECT g, 1/(100000-g) AS x FROM generate_series(1, 200000) g" }, StreamForms.Csv, acceptEncoding);

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal(acceptEncoding is null ? [] : [acceptEncoding], answer.Content.Headers.ContentEncoding);
        await Assert.ThrowsAnyAsync<IOException>(() => ReadToEndAsync(answer));
    }

    private static async Task ReadToEndAsync(HttpResponseMessage answer)
    {
        await using var body = await answer.Content.ReadAsStreamAsync();
        await body.CopyToAsync(Stream.Null);
    }
}
