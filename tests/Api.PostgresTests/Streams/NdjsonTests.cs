using System.Net;
using System.Text;
using System.Text.Json;
using Gateway.Api.PostgresTests.Faults;

namespace Gateway.Api.PostgresTests.Streams;

/// <summary>Tests a query as NDJSON: a line of columns, a line for each row, and a last line about the end.</summary>
public sealed class NdjsonTests(GatewayFixture fixture)
{
    private const int Large = 20_000_000;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    [Fact]
    public async Task Stream_IsColumnsThenRowsThenItsEnd()
    {
        var answer = await fixture.Client.StreamAsync(
            StreamForms.Ndjson, new { activityId = "a", sql = "SELECT g AS id, 'x' || g AS \"a \"\"name\" FROM generate_series(1, 2) g" });

        Assert.Equal(HttpStatusCode.OK, answer.Status);
        Assert.Equal(StreamForms.Ndjson, answer.MediaType);
        Assert.Equal(
            """
            {"columns":[{"name":"id","type":"integer"},{"name":"a \"name","type":"text"}]}
            {"id":1,"a \"name":"x1"}
            {"id":2,"a \"name":"x2"}
            {"end":{"rowCount":2,"truncated":false}}

            """,
            answer.Text);
        Assert.False(answer.Headers.ContainsKey("Idempotent-Replayed"));
        Assert.Contains("execute;dur=", answer.Headers["Server-Timing"]);
    }

    [Fact]
    public async Task RowFormatArrayAndNumbersString_AreKept()
    {
        var answer = await fixture.Client.StreamAsync(
            StreamForms.Ndjson,
            new { activityId = "a", sql = "SELECT 1::bigint AS x, 2::int AS x, '{3}'::numeric[]", rowFormat = "array", numbers = "string" });

        Assert.Equal("""["1",2,["3"]]""", Assert.Single(NdjsonText.Parse(answer.Text).Rows).GetRawText());
    }

    [Theory]
    [InlineData(1, 1, true)]
    [InlineData(4999, 4999, true)]
    [InlineData(5000, 5000, false)]
    [InlineData(5001, 5000, false)]
    public async Task MaxRows_StopsThereAndTheEndSaysWhetherThereWereMore(int maxRows, int rows, bool truncated)
    {
        var answer = await fixture.Client.StreamAsync(
            StreamForms.Ndjson, new { activityId = "a", sql = "SELECT generate_series(1, 5000) AS g", maxRows });

        var stream = NdjsonText.Parse(answer.Text);
        Assert.Equal(Enumerable.Range(1, rows), stream.Rows.Select(row => row.GetProperty("g").GetInt32()));
        Assert.Equal(rows, stream.RowCount);
        Assert.Equal(truncated, stream.Truncated);
    }

    [Theory]
    [InlineData("SELECT 1 AS a WHERE false", 1, 0, 0L)]
    [InlineData("SET work_mem = '1MB'", 0, 0, null)]
    [InlineData("SHOW work_mem", 1, 1, 1L)]
    [InlineData("DO $$ BEGIN END $$", 0, 0, null)]
    public async Task StatementOfFewOrNoRows_HasItsColumnsAndItsEnd(string sql, int columns, int rows, long? rowCount)
    {
        var stream = await fixture.Client.NdjsonAsync(sql);

        Assert.Equal(columns, stream.Columns.GetArrayLength());
        Assert.Equal(rows, stream.Rows.Count);
        Assert.Equal(rowCount, stream.RowCount);
    }

    [Theory]
    [InlineData("E'{\\n  \"a\": [1,\\r\\n 2]\\t}'::json")]
    [InlineData("ARRAY[E'[1,\\n2]'::json, E'{\"x\":\\r\"\\\\n\"}'::json]")]
    [InlineData("ROW(E'[1,\\n2]'::json)::broken_line")]
    [InlineData("('[' || repeat(E'\\n', 100000) || '1]')::json")]
    [InlineData("E'a\\nb\\rc'::text")]
    [InlineData("ARRAY[E'a\\nb']")]
    public async Task LineBreaksInAValue_LeaveTheRowOneLineThatMeansTheSame(string value)
    {
        await fixture.ExecuteAsync("DROP TYPE IF EXISTS broken_line; CREATE TYPE broken_line AS (j json)");

        var stream = await fixture.Client.NdjsonAsync($"SELECT {value} AS v");
        var oracle = await fixture.Client.QueryValueAsync($"SELECT to_json({value})");

        Assert.True(JsonElement.DeepEquals(oracle, Assert.Single(stream.Rows).GetProperty("v")));
    }

    [Fact]
    public async Task CharactersOfAllLengths_AreTheSameInColumnsAndRows()
    {
        const string name = "é€😀\n\u2028";
        var stream = await fixture.Client.NdjsonAsync($"SELECT $1 AS \"{name}\"", new[] { name });

        Assert.Equal(name, stream.Columns[0].GetProperty("name").GetString());
        Assert.Equal(name, Assert.Single(stream.Rows).GetProperty(name).GetString());
    }

    [Theory]
    [InlineData("SELECT * FROM nowhere", 422, "sql_error")]
    [InlineData("SELECT 1/0", 422, "sql_error")]
    [InlineData("SELECT 1/(3-g) FROM generate_series(1, 5) g", 422, "sql_error")]
    [InlineData("DELETE FROM users", 422, "read_only")]
    [InlineData("COMMIT", 422, "sql_rejected")]
    [InlineData("SELECT 1 AS a, 2 AS a", 422, "duplicate_column")]
    [InlineData("SELECT set_config('client_encoding', 'LATIN1', false)", 422, "sql_rejected")]
    [InlineData("SELECT set_config('DateStyle', 'German', false), now()", 422, "sql_rejected")]
    [InlineData("", 400, "invalid_request")]
    public async Task ErrorBeforeTheFirstByte_IsAProblemWithItsStatus(string sql, int status, string code)
    {
        foreach (var accept in new[] { StreamForms.Ndjson, StreamForms.Csv })
        {
            var answer = await fixture.Client.StreamAsync(accept, new { activityId = "a", sql });
            // CSV allows two columns of the same name.
            if (code == "duplicate_column" && accept == StreamForms.Csv)
                Assert.Equal(HttpStatusCode.OK, answer.Status);
            else
                answer.ExpectProblem(status, code);
        }
    }

    [Fact]
    public async Task DeadlineBeforeTheFirstByte_IsAProblemWithItsStatus()
    {
        var answer = await fixture.Client.StreamAsync(
            StreamForms.Ndjson, new { activityId = "a", sql = "SELECT count(*), pg_sleep(20) FROM users", timeoutMs = 300 });

        answer.ExpectProblem(504, "deadline_exceeded");
    }

    [Fact]
    public async Task ErrorAfterRows_IsTheLastLineAndAProblemAsAnyOther()
    {
        var stream = await fixture.Client.NdjsonAsync("SELECT g, 1/(100000-g) AS x FROM generate_series(1, 200000) g");

        Assert.Equal(Enumerable.Range(1, stream.Rows.Count), stream.Rows.Select(row => row.GetProperty("g").GetInt32()));
        Assert.InRange(stream.Rows.Count, 1000, 99_999);
        var error = stream.Last.GetProperty("error");
        var answer = await fixture.Client.PostAsync("query", new { activityId = "stream", sql = "SELECT 1/0 AS x" });
        var oracle = answer.ExpectProblem(422, "sql_error");
        Assert.Equal(oracle.EnumerateObject().Select(member => member.Name), error.EnumerateObject().Select(member => member.Name));
        foreach (var member in oracle.EnumerateObject().Where(member => member.Name != "traceId"))
            Assert.True(JsonElement.DeepEquals(member.Value, error.GetProperty(member.Name)), member.Name);
        Assert.Equal(32, error.GetProperty("traceId").GetString()!.Length);
    }

    [Theory]
    [InlineData("set_config('client_encoding', 'LATIN1', false)")]
    [InlineData("set_config('DateStyle', 'German', false)")]
    public async Task SettingChangedAfterRows_IsAnErrorAtTheEnd(string change)
    {
        var stream = await fixture.Client.NdjsonAsync(
            $"SELECT g, now() AS t, CASE WHEN g = 100000 THEN {change} END AS x FROM generate_series(1, 100000) g");

        Assert.Equal("sql_rejected", stream.Last.GetProperty("error").GetProperty("code").GetString());
    }

    [Fact]
    public async Task DeadlineAmidRows_IsTheLastLineAndTheSessionIsFree()
    {
        await using var backends = await Backends.WatchAsync(fixture.Dsn);
        await using var gateway = await StartAsync(backends);

        var answer = await gateway.Client.StreamAsync(
            StreamForms.Ndjson, new { activityId = "a", sql = "SELECT generate_series(1, 1000000000) AS g", timeoutMs = 1000 });

        var stream = NdjsonText.Parse(answer.Text);
        Assert.Equal("deadline_exceeded", stream.Last.GetProperty("error").GetProperty("code").GetString());
        Assert.Equal(Enumerable.Range(1, stream.Rows.Count), stream.Rows.Select(row => row.GetProperty("g").GetInt32()));
        await AssertFreeAsync(backends, gateway);
    }

    /// <summary>
    /// The server has sent the first rows, and blocks before the next. It sends eight kilobytes at a time, so the sent
    /// data ends within a row.
    /// </summary>
    [Theory]
    [InlineData(StreamForms.Ndjson)]
    [InlineData(StreamForms.Csv)]
    public async Task RowsThatTheServerHasSent_AreSeenWhileTheQueryRuns(string accept)
    {
        await using var turnstile = await Turnstile.CloseAsync(fixture.Dsn);
        using var caller = new StreamCaller(fixture.Address);
        var sql = $"SELECT g, repeat('x', 500) AS x, CASE WHEN g = 50 THEN {turnstile.Pass} END AS gate FROM generate_series(1, 60) g";

        var answering = caller.SendAsync(new { activityId = "a", sql, timeoutMs = 50_000 }, accept);
        await turnstile.HoldsAsync(1);
        using var answer = await answering.WaitAsync(Patience);
        await using var body = await answer.Content.ReadAsStreamAsync();
        // More than forty rows have certainly been sent.
        var lines = await StreamForms.ReadLinesAsync(body, 40, Patience);
        await turnstile.HoldsAsync(1);
        await turnstile.OpenAsync();
        using var rest = new StreamReader(body);
        var end = await rest.ReadToEndAsync();

        Assert.InRange(lines.Length, 40, 50);
        if (accept == StreamForms.Ndjson)
            Assert.EndsWith("{\"end\":{\"rowCount\":60,\"truncated\":false}}\n", end, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("text", 0)]
    [InlineData("text", 1)]
    [InlineData("text", 2)]
    [InlineData("text", 3)]
    [InlineData("jsonb", 0)]
    [InlineData("json", 1)]
    [InlineData("bytea", 0)]
    public async Task ValueOfTwentyMegabytes_IsPassedOnWhole(string type, int shift)
    {
        // Characters of one to four bytes, and some that need escapes. The length is odd, escaped or not, so that parts
        // end at every position.
        const string pattern = "aé€😀\"\\\nb";
        var ascii = new string('s', shift);
        var sql = type switch
        {
            "text" => $"SELECT $1 || repeat($2, {Large / 15}) AS v, 7 AS n",
            "bytea" => $"SELECT ($1 || repeat('x', {Large / 2}))::bytea AS v, 7 AS n",
            _ => $"SELECT to_json($1 || repeat($2, {Large / 15}))::{type} AS v, 7 AS n",
        };

        var stream = await fixture.Client.NdjsonAsync(sql, type == "bytea" ? [ascii] : new[] { ascii, pattern });

        var row = Assert.Single(stream.Rows);
        Assert.Equal(7, row.GetProperty("n").GetInt32());
        var expected = type == "bytea"
            ? "\\x" + Convert.ToHexStringLower(Encoding.UTF8.GetBytes(ascii + new string('x', Large / 2)))
            : ascii + string.Concat(Enumerable.Repeat(pattern, Large / 15));
        // Not Assert.Equal, which would print the values.
        Assert.True(row.GetProperty("v").GetString() == expected, "It is not what was sent.");
        Assert.Equal(1, stream.RowCount);
    }

    [Fact]
    public async Task LargeValuesAndSmallOnesAndNulls_StandInTheirPlaces()
    {
        var stream = await fixture.Client.NdjsonAsync(
            "SELECT g, CASE g % 3 WHEN 0 THEN repeat(chr(8364), 40000) WHEN 1 THEN NULL ELSE '' END AS a, "
            + "repeat('y', g * 1000) AS b, CASE WHEN g % 2 = 0 THEN to_jsonb(repeat('z', 50000)) END AS c FROM generate_series(1, 60) g");

        Assert.Equal(60, stream.RowCount);
        foreach (var (index, row) in stream.Rows.Index())
        {
            var g = index + 1;
            Assert.Equal(g, row.GetProperty("g").GetInt32());
            Assert.True(row.GetProperty("a").GetString() == (g % 3) switch { 0 => new string('€', 40000), 1 => null, _ => "" });
            Assert.True(row.GetProperty("b").GetString() == new string('y', g * 1000));
            Assert.True(row.GetProperty("c").GetString() == (g % 2 == 0 ? new string('z', 50000) : null));
        }
    }

    [Theory]
    [InlineData("array_agg(g) AS v FROM generate_series(1, 1000000) g")]
    [InlineData("ROW(repeat('x', 5000000), 1)::held_pair AS v")]
    [InlineData("ARRAY[repeat('x', 5000000)] AS v")]
    public async Task HeldValuePastTheLimit_IsTooLarge(string selected)
    {
        await fixture.ExecuteAsync("DROP TYPE IF EXISTS held_pair; CREATE TYPE held_pair AS (a text, b int)");

        var answer = await fixture.Client.StreamAsync(StreamForms.Ndjson, new { activityId = "a", sql = $"SELECT {selected}" });

        answer.ExpectProblem(422, "result_too_large");
    }

    [Fact]
    public async Task HeldValuePastTheLimitAfterRows_IsTheLastLine()
    {
        var stream = await fixture.Client.NdjsonAsync(
            "SELECT g, CASE WHEN g = 5000 THEN ARRAY[repeat('x', 5000000)] END AS v FROM generate_series(1, 6000) g");

        Assert.Equal("result_too_large", stream.Last.GetProperty("error").GetProperty("code").GetString());
        Assert.Equal(4999, stream.Rows.Count);
    }

    [Fact]
    public async Task StreamFarPastTheResponseLimit_ComesWholeAndLeavesTheSessionClean()
    {
        await using var backends = await Backends.WatchAsync(fixture.Dsn);
        await using var gateway = await StartAsync(backends, "--Gateway:ResponseLimitBytes=1024");

        var stream = await gateway.Client.NdjsonAsync(
            "SELECT g, repeat('x', 100) AS x, CASE WHEN g = 1 THEN set_config('work_mem', '77kB', false) END AS s FROM generate_series(1, 50000) g");

        Assert.Equal(50_000, stream.RowCount);
        Assert.Equal(50_000, stream.Rows.Count);
        Assert.NotEqual("77kB", (await gateway.Client.QueryValueAsync("SHOW work_mem")).GetString());
        await AssertFreeAsync(backends, gateway);
    }

    [Fact]
    public async Task StreamPastTheRowLimit_EndsThereWithAnErrorAndLeavesTheSessionClean()
    {
        await using var backends = await Backends.WatchAsync(fixture.Dsn);
        await using var gateway = await StartAsync(backends, "--Gateway:RowLimit=10000");

        var whole = await gateway.Client.NdjsonAsync("SELECT generate_series(1, 10000)");
        var cut = await gateway.Client.NdjsonAsync("SELECT generate_series(1, 1000000000)");

        Assert.Equal(10_000, whole.RowCount);
        Assert.Equal("result_too_large", cut.Last.GetProperty("error").GetProperty("code").GetString());
        Assert.Equal(10_000, cut.Rows.Count);
        await AssertFreeAsync(backends, gateway);
    }

    /// <summary>At random times: within a row and between rows.</summary>
    [Fact]
    public async Task BackendTerminatedAmidRows_NeverEndsWithAnEnd()
    {
        await using var backends = await Backends.WatchAsync(fixture.Dsn);
        await using var gateway = await StartAsync(backends);
        var seed = Random.Shared.Next();
        var random = new Random(seed);
        for (var time = 0; time < 10; time++)
        {
            using var caller = new StreamCaller(gateway.Address);
            var answering = caller.SendAsync(new
            {
                activityId = "a",
                sql = "SELECT repeat('x', g % 60000) AS x FROM (SELECT generate_series(1, 1000000000) AS g) s",
                timeoutMs = 50_000,
            });
            var reading = ReadAllAsync(await answering);
            await Task.Delay(random.Next(200));
            Assert.Equal(1, await backends.ReadAsync<long>(
                $"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE starts_with(application_name, '{backends.Application}') AND query LIKE '%repeat%'"));

            var (text, whole) = await reading.WaitAsync(TimeSpan.FromSeconds(20));
            Assert.False(text.Contains("\"end\":", StringComparison.Ordinal), $"seed {seed}");
            if (whole && text.StartsWith("{\"columns\"", StringComparison.Ordinal))
                Assert.Equal("database_unavailable", NdjsonText.Parse(text).Last.GetProperty("error").GetProperty("code").GetString());
        }
        await AssertFreeAsync(backends, gateway);
    }

    /// <summary>A part of the value has been sent, so an error line is no longer possible.</summary>
    [Fact]
    public async Task ServerLostWithinALargeValue_CutsTheStreamOff()
    {
        await using var proxy = FaultProxy.Start(fixture.Dsn);
        await using var gateway = await RunningGateway.StartAsync($"--DSN={proxy.Dsn}", "--Gateway:ReadinessIntervalMs=60000");
        using var caller = new StreamCaller(gateway.Address);
        await gateway.Client.QueryAsync("SELECT 1");
        proxy.Set(new CutAfter(Large / 4, Direction.ToClient));

        using var answer = await caller.SendAsync(new { activityId = "a", sql = $"SELECT 1 AS a, repeat('x', {Large}) AS x", timeoutMs = 20_000 });
        var (text, whole) = await ReadAllAsync(answer);

        Assert.False(whole, $"… {text[^100..]}");
        Assert.InRange(text.Length, 1, Large / 2);
    }

    /// <summary>The gateway has an incomplete row then, which must not precede the error on its line.</summary>
    [Fact]
    public async Task ServerThatFallsSilentWithinARow_IsAnErrorLineOfItsOwnOrACut()
    {
        await using var turnstile = await Turnstile.CloseAsync(fixture.Dsn);
        await using var proxy = FaultProxy.Start(fixture.Dsn);
        await using var gateway = await RunningGateway.StartAsync($"--DSN={proxy.Dsn}", "--Gateway:ReadinessIntervalMs=60000");
        using var caller = new StreamCaller(gateway.Address);
        var sql = $"SELECT g, repeat('x', 9000) AS x, CASE WHEN g = 50 THEN {turnstile.Pass} END AS gate FROM generate_series(1, 60) g";

        // The stream has begun when rows have arrived. The end of the row before the turnstile is in the server's
        // buffer.
        using var answer = await caller.SendAsync(new { activityId = "a", sql, timeoutMs = 5000 });
        await turnstile.HoldsAsync(1);
        proxy.Set(new BlackHole());
        var (text, whole) = await ReadAllAsync(answer);

        Assert.DoesNotContain("\"end\":", text);
        if (whole)
            Assert.Equal("deadline_exceeded", NdjsonText.Parse(text).Last.GetProperty("error").GetProperty("code").GetString());
    }

    private static async Task<(string Text, bool Whole)> ReadAllAsync(HttpResponseMessage answer)
    {
        await using var body = await answer.Content.ReadAsStreamAsync();
        var held = new MemoryStream();
        try
        {
            await body.CopyToAsync(held);
            return (Encoding.UTF8.GetString(held.ToArray()), true);
        }
        catch (Exception error) when (error is HttpRequestException or IOException)
        {
            return (Encoding.UTF8.GetString(held.ToArray()), false);
        }
    }

    private Task<RunningGateway> StartAsync(Backends backends, params string[] settings) => RunningGateway.StartAsync(
        [$"--DSN={backends.Named(fixture.Dsn)}", "--Gateway:Connections:default:PoolSize=1", .. settings]);

    private static async Task AssertFreeAsync(Backends backends, RunningGateway gateway)
    {
        Assert.Equal(1, (await gateway.Client.QueryValueAsync("SELECT 1")).GetInt32());
        Assert.Equal("nothing", (await backends.UntilFreeAsync(System.Diagnostics.Stopwatch.StartNew())).StillBusy);
    }
}
