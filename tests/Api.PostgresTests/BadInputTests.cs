using System.Net;
using System.Text.Json;

namespace Gateway.Api.PostgresTests;

/// <summary>
/// Tests that any bad request gets a problem of the contract, and that the next request works. Each test's gateway has
/// only one session, so a broken session would be noticed.
/// </summary>
public sealed class BadInputTests(GatewayFixture fixture) : IAsyncLifetime
{
    private RunningGateway _gateway = null!;

    public async ValueTask InitializeAsync() =>
        _gateway = await fixture.StartGatewayAsync("--Gateway:Connections:default:PoolSize=1");

    public async ValueTask DisposeAsync()
    {
        Assert.Equal(1, (await _gateway.Client.QueryValueAsync("SELECT 1")).GetInt32());
        await _gateway.DisposeAsync();
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("\"SELECT 1\"")]
    [InlineData("{\"activityId\": \"a\", \"sql\": \"SELECT 1\"} x")]
    [InlineData("{\"activityId\": \"a\", \"sql\": \"SELECT 1\",}")]
    [InlineData("{'activityId': 'a'}")]
    public async Task NotAJsonObject_Returns400(string body) =>
        (await _gateway.Client.PostAsync("query", body)).ExpectProblem(400, "invalid_request");

    [Fact]
    public async Task InvalidUtf8_Returns400()
    {
        byte[] body = [.. "{\"activityId\": \"a\", \"sql\": \"SELECT '"u8, 0xC3, 0x28, .. "'\"}"u8];

        (await _gateway.Client.PostAsync("query", body)).ExpectProblem(400, "invalid_request");
    }

    [Theory]
    [InlineData("""{"sql": "SELECT 1"}""", "/activityId")]
    [InlineData("""{"activityId": "", "sql": "SELECT 1"}""", "/activityId")]
    [InlineData("""{"activityId": "a b", "sql": "SELECT 1"}""", "/activityId")]
    [InlineData("""{"activityId": "é", "sql": "SELECT 1"}""", "/activityId")]
    [InlineData("""{"activityId": 1, "sql": "SELECT 1"}""", "/activityId")]
    [InlineData("""{"activityId": "a"}""", "/sql")]
    [InlineData("""{"activityId": "a", "sql": null}""", "/sql")]
    [InlineData("""{"activityId": "a", "sql": ""}""", "/sql")]
    [InlineData("""{"activityId": "a", "sql": " ; -- nothing"}""", "/sql")]
    [InlineData("""{"activityId": "a", "sql": "SELECT '\u0000'"}""", "/sql")]
    [InlineData("""{"activityId": "a", "sql": "SELECT '\ud800'"}""", "/sql")]
    [InlineData("""{"activityId": "a", "sql": "SELECT 1", "attempt": 0}""", "/attempt")]
    [InlineData("""{"activityId": "a", "sql": "SELECT 1", "attempt": 1.5}""", "/attempt")]
    [InlineData("""{"activityId": "a", "sql": "SELECT 1", "timeoutMs": 0}""", "/timeoutMs")]
    [InlineData("""{"activityId": "a", "sql": "SELECT 1", "timeoutMs": 300001}""", "/timeoutMs")]
    [InlineData("""{"activityId": "a", "sql": "SELECT 1", "timeoutMs": "5s"}""", "/timeoutMs")]
    [InlineData("""{"activityId": "a", "sql": "SELECT 1", "connection": null}""", "/connection")]
    [InlineData("""{"activityId": "a", "sql": "SELECT 1", "rowFormat": "rows"}""", "/rowFormat")]
    [InlineData("""{"activityId": "a", "sql": "SELECT 1", "rowFormat": "\ud800"}""", "/rowFormat")]
    [InlineData("""{"activityId": "a", "sql": "SELECT 1", "timeout": 5}""", "/timeout")]
    [InlineData("""{"activityId": "a", "sql": "SELECT 1", "a/b~c": 5}""", "/a~1b~0c")]
    [InlineData("""{"activityId": "a", "sql": "SELECT 1", "\ud800": 5}""", "")]
    [InlineData("""{"activityId": "a", "sql": "SELECT 1", "expect": {"rowCount": 1}}""", "/expect")]
    [InlineData("""{"activityId": "a", "sql": "SELECT 1", "sql": "SELECT 2"}""", "/sql")]
    [InlineData("""{"activityId": "a", "sql": "SELECT 1", "parameters": 5}""", "/parameters")]
    [InlineData("""{"activityId": "a", "sql": "SELECT 1", "parameters": [5]}""", "/parameters")]
    [InlineData("""{"activityId": "a", "sql": "SELECT $1"}""", "/parameters")]
    [InlineData("""{"activityId": "a", "sql": "SELECT $1", "parameters": []}""", "/parameters")]
    [InlineData("""{"activityId": "a", "sql": "SELECT $1", "parameters": [1, 2]}""", "/parameters")]
    [InlineData("""{"activityId": "a", "sql": "SELECT $2::int", "parameters": [1, 2]}""", "/parameters/0")]
    [InlineData("""{"activityId": "a", "sql": "SELECT $99999999999", "parameters": [1]}""", "/parameters")]
    [InlineData("""{"activityId": "a", "sql": "SELECT $1", "parameters": ["\u0000"]}""", "/parameters/0")]
    [InlineData("""{"activityId": "a", "sql": "SELECT $1", "parameters": ["\udc00"]}""", "/parameters/0")]
    [InlineData("""{"activityId": "a", "sql": "SELECT $1::text[]", "parameters": [["x", ["\u0000"]]]}""", "/parameters/0/1/0")]
    [InlineData("""{"activityId": "a", "sql": "SELECT $1::int[]", "parameters": [[[[[[[[1]]]]]]]]}""", "/parameters/0/0/0/0/0/0/0")]
    [InlineData("""{"activityId": "a", "sql": "SELECT :a", "parameters": {}}""", "/parameters")]
    [InlineData("""{"activityId": "a", "sql": "SELECT :a", "parameters": {"a": 1, "b": 2}}""", "/parameters/b")]
    [InlineData("""{"activityId": "a", "sql": "SELECT :a", "parameters": {"a": 1, "a": 2}}""", "/parameters/a")]
    [InlineData("""{"activityId": "a", "sql": "SELECT :a", "parameters": {"\ud800": 1}}""", "/parameters")]
    [InlineData("""{"activityId": "a", "sql": "SELECT :a, $1", "parameters": {"a": 1}}""", "/parameters")]
    public async Task Fault_IsPointedAt(string body, string pointer)
    {
        var problem = (await _gateway.Client.PostAsync("query", body)).ExpectProblem(400, "invalid_request");

        Assert.Contains(pointer, Pointers(problem));
        Assert.Equal("no", problem.GetProperty("committed").GetString());
    }

    [Theory]
    [InlineData("""{"activityId": "a", "sql": "SELECT 1", "expect": 1}""", "/expect")]
    [InlineData("""{"activityId": "a", "sql": "SELECT 1", "expect": {}}""", "/expect/rowCount")]
    [InlineData("""{"activityId": "a", "sql": "SELECT 1", "expect": {"rowCount": -1}}""", "/expect/rowCount")]
    [InlineData("""{"activityId": "a", "sql": "SELECT 1", "expect": {"rowCount": 1, "rows": 1}}""", "/expect/rows")]
    [InlineData("""{"activityId": "a", "sql": "SELECT 1", "expect": {"rowCount": 1, "\ud800": 1}}""", "/expect")]
    [InlineData("""{"activityId": "a", "sql": "SELECT 1", "delivery": "twice"}""", "/delivery")]
    public async Task FaultOfAnExecute_IsPointedAt(string body, string pointer)
    {
        var problem = (await _gateway.Client.PostAsync("execute", body)).ExpectProblem(400, "invalid_request");

        Assert.Contains(pointer, Pointers(problem));
    }

    [Fact]
    public async Task SeveralFaults_AreReportedAtOnce()
    {
        var answer = await _gateway.Client.PostAsync(
            "query", """{"activityId": "", "attempt": -1, "sql": "SELECT $1", "timeoutMs": {}, "color": "red", "parameters": ["a", "b"]}""");

        Assert.Equal(
            ["/activityId", "/attempt", "/timeoutMs", "/color", "/parameters"],
            Pointers(answer.ExpectProblem(400, "invalid_request")));
    }

    [Fact]
    public async Task MoreFaultsThanAProblemHolds_AreCounted()
    {
        var names = string.Join(", ", Enumerable.Range(0, 500).Select(n => $"\"unknown{n}\": 1"));

        var problem = (await _gateway.Client.PostAsync("query", $$"""{"activityId": "a", "sql": "SELECT 1", {{names}}}"""))
            .ExpectProblem(400, "invalid_request");

        Assert.Equal(500, problem.GetProperty("errors").GetArrayLength() + problem.GetProperty("moreErrors").GetInt32());
    }

    [Fact]
    public async Task BodyOf10MB_Returns413()
    {
        var body = JsonSerializer.SerializeToUtf8Bytes(new { activityId = "a", sql = $"SELECT '{new string('x', 10_000_000)}'" });

        (await _gateway.Client.PostAsync("query", body)).ExpectProblem(413, "body_too_large");
    }

    [Fact]
    public async Task BodyOf10MBInChunks_Returns413()
    {
        using var content = new StreamContent(new EndlessStream());
        content.Headers.ContentType = new("application/json");

        // The gateway answers, and closes the connection while the body is still arriving. The client sees the answer
        // or the close.
        try
        {
            (await _gateway.Client.SendAsync("query", content)).ExpectProblem(413, "body_too_large");
        }
        catch (HttpRequestException)
        {
        }
    }

    [Fact]
    public async Task MoreParametersThanTheProtocolHas_Return400()
    {
        var parameters = Enumerable.Range(0, 65_536).ToArray();
        var sql = $"SELECT {string.Join(" + ", parameters.Select(n => $"${n + 1}"))}";

        var answer = await _gateway.Client.PostAsync("query", new { activityId = "a", sql, parameters });

        Assert.Contains("65535", answer.ExpectProblem(400, "invalid_request").GetProperty("detail").GetString());
    }

    [Fact]
    public async Task AsManyParametersAsTheProtocolHas_AreTaken()
    {
        var parameters = Enumerable.Repeat("1", 65_535).ToArray();
        var sql = $"SELECT cardinality(ARRAY[{string.Join(", ", parameters.Select((_, n) => $"${n + 1}"))}]) AS n";

        var answer = await _gateway.Client.PostAsync("query", new { activityId = "a", sql, parameters });

        Assert.Equal(65_535, answer.Expect(HttpStatusCode.OK).GetProperty("rows")[0].GetProperty("n").GetInt32());
    }

    [Fact]
    public async Task DeepNestingInAParameter_ReachesPostgresWhole()
    {
        var deep = new string('[', 3000) + new string(']', 3000);

        var answer = await _gateway.Client.PostAsync(
            "query", $$"""{"activityId": "a", "sql": "SELECT length($1::json::text) AS n", "parameters": [{"x": {{deep}}}]}""");

        Assert.Equal(6000 + 7, answer.Expect(HttpStatusCode.OK).GetProperty("rows")[0].GetProperty("n").GetInt32());
    }

    [Fact]
    public async Task NestingDeeperThanAnyUse_Returns400()
    {
        var deep = new string('[', 100_000) + new string(']', 100_000);

        (await _gateway.Client.PostAsync("query", $$"""{"activityId": "a", "sql": "SELECT 1", "parameters": {{deep}}}"""))
            .ExpectProblem(400, "invalid_request");
    }

    [Theory]
    [InlineData(null)]
    [InlineData("text/plain")]
    [InlineData("application/x-www-form-urlencoded")]
    [InlineData("application/json; charset=utf-16")]
    public async Task OtherMediaTypes_Return415(string? type)
    {
        using var content = new ByteArrayContent("""{"activityId": "a", "sql": "SELECT 1"}"""u8.ToArray());
        content.Headers.TryAddWithoutValidation("Content-Type", type);

        (await _gateway.Client.SendAsync("query", content)).ExpectProblem(415, "unsupported_media_type");
    }

    [Theory]
    [InlineData("a b")]
    [InlineData("\"open")]
    [InlineData("\"a\"b\"")]
    [InlineData("\"a\\b\"")]
    [InlineData("\"\"")]
    public async Task FaultyIdempotencyKey_Returns400(string key)
    {
        var answer = await _gateway.Client.PostAsync("query", """{"sql": "SELECT 1"}"""u8.ToArray(), ("Idempotency-Key", key));

        Assert.Equal(["/activityId"], Pointers(answer.ExpectProblem(400, "invalid_request")));
    }

    [Theory]
    [InlineData("""{"\ud800": 1, "query": "SELECT 1"}""", 200)]
    [InlineData("""{"\ud800": 1}""", 400)]
    [InlineData("""{"query": "SELECT 1", "statements": "x"}""", 200)]
    [InlineData("""{"query": "SELECT 1", "statements": [5]}""", 200)]
    [InlineData("""{"query": "SELECT 1", "numbers": 5, "isolation": null, "rowFormat": "\ud800"}""", 200)]
    public async Task MembersThatAreNoneOfSqls_AreLeftAlone(string body, int status)
    {
        var answer = await _gateway.Client.SendToAsync(
            "/sql", new StringContent(body), ("Neon-Connection-String", "postgresql://u@h/default"), ("Idempotency-Key", $"{Guid.NewGuid()}"));

        Assert.True(status == (int)answer.Status, answer.Text);
    }

    [Fact]
    public async Task MemberThatIsNoUnicode_HidesNoOtherFromAReference()
    {
        var answer = await _gateway.Client.TransactionAsync(
            $"{Guid.NewGuid()}", """SELECT '{"\ud800": 1, "a": 2}'::json AS j""",
            new { sql = "SELECT $1::int AS a", parameters = new[] { new Dictionary<string, string> { ["$ref"] = "/0/rows/0/j/a" } } });

        Assert.Equal(2, answer.Expect(HttpStatusCode.OK).GetProperty("results")[1].GetProperty("rows")[0].GetProperty("a").GetInt32());
    }

    [Fact]
    public async Task UnknownPathAndMethod_AreProblemsToo()
    {
        (await _gateway.Client.PostAsync("nothing", "{}")).ExpectProblem(404, "endpoint_not_found");
        (await _gateway.Client.GetAsync("/v1/query")).ExpectProblem(405, "method_not_allowed");
    }

    private static IEnumerable<string> Pointers(JsonElement problem) =>
        problem.GetProperty("errors").EnumerateArray().Select(fault => fault.GetProperty("pointer").GetString()!);

    /// <summary>A body of unknown length, with 10 MB.</summary>
    private sealed class EndlessStream : Stream
    {
        private int _sent;

        public override bool CanRead => true;
        public override bool CanSeek => false;
        public override bool CanWrite => false;
        public override long Length => throw new NotSupportedException();
        public override long Position { get => _sent; set => throw new NotSupportedException(); }

        public override int Read(byte[] buffer, int offset, int count)
        {
            var length = Math.Min(count, 10_000_000 - _sent);
            buffer.AsSpan(offset, length).Fill((byte)' ');
            _sent += length;
            return length;
        }

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
