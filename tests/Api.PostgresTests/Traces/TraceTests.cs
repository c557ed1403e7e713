using System.Net;
using Gateway.Api.Dsns;

namespace Gateway.Api.PostgresTests.Traces;

/// <summary>Tests the spans that a collector receives.</summary>
public sealed class TraceTests(GatewayFixture fixture, TracedFixture traced) : IClassFixture<TracedFixture>
{
    private readonly TracedGateway _gateway = traced.Gateway;
    private readonly Collector _collector = traced.Gateway.Collector;
    private readonly string _trace = TracedGateway.NewTrace();

    private string Database => Dsn.Parse(fixture.Dsn).Database!;

    [Fact]
    public async Task Request_IsASpanBelowItsCallersAndItsRunAnotherBelowThat()
    {
        var answer = await _gateway.QueryAsync(_trace, "SELECT 1");

        answer.Expect(HttpStatusCode.OK);
        var request = await _collector.WaitForRequestAsync(_trace);
        Assert.Equal(("00f067aa0ba902b7", "vendor=1", "POST /v1/query"), (request.ParentId, request.TraceState, request.Name));
        Assert.Equal((0, ""), (request.Status, request.StatusMessage));
        Assert.Equal(new Dictionary<string, string>
        {
            ["http.request.method"] = "POST",
            ["http.route"] = "/v1/query",
            ["http.response.status_code"] = "200",
            ["url.scheme"] = "http",
            ["gateway.caller"] = "loopback",
            ["gateway.connection"] = "default",
            ["gateway.activity_id"] = $"traces/{_trace}",
            ["gateway.attempt"] = "3",
            ["gateway.runs"] = "1",
            ["gateway.replayed"] = "false",
        }, request.Attributes);
        Assert.Equal(["queue", "connect", "execute", "commit", "answer"], request.Events);
        Assert.Equal("gateway", request.Resource["service.name"]);
        Assert.Equal("shop", _collector.Tenant);
        // The caller gets the ID back, and can report it.
        Assert.Equal($"00-{_trace}-{request.SpanId}-01", answer.Headers["traceparent"]);

        var run = await RunAsync();
        Assert.Equal((request.SpanId, "vendor=1", $"SELECT {Database}"), (run.ParentId, run.TraceState, run.Name));
        Assert.Equal((0, ""), (run.Status, run.StatusMessage));
        var server = Dsn.Parse(fixture.Dsn);
        Assert.Equal(new Dictionary<string, string>
        {
            ["db.system.name"] = "postgresql",
            ["db.namespace"] = Database,
            ["db.operation.name"] = "SELECT",
            ["server.address"] = server.Host!,
            ["server.port"] = server.Port.ToString(),
            ["gateway.connection"] = "default",
            ["gateway.run"] = "1",
        }, run.Attributes);
    }

    [Fact]
    public async Task CallerThatSamplesNot_GetsNoSpanAndItsTraceBack()
    {
        var answer = await _gateway.QueryAsync(_trace, "SELECT 1", flags: "00");

        Assert.StartsWith($"00-{_trace}-", answer.Headers["traceparent"]);
        Assert.EndsWith("-00", answer.Headers["traceparent"]);
        await AssertNoneAsync(_trace);
    }

    [Theory]
    [InlineData("live")]
    [InlineData("ready")]
    [InlineData("startup")]
    public async Task Probe_HasNoSpan(string probe)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/healthz/{probe}");
        request.Headers.Add("traceparent", $"00-{_trace}-00f067aa0ba902b7-01");
        using var answer = await _gateway.Client.Http.SendAsync(request);

        Assert.True(answer.IsSuccessStatusCode);
        await AssertNoneAsync(_trace);
    }

    /// <summary>PostgreSQL quotes the parameter in its message, and the SQL has a literal.</summary>
    [Fact]
    public async Task RefusedStatement_ShowsItsSqlStateAndNothingOfWhatWasSent()
    {
        var answer = await _gateway.QueryAsync(_trace, "SELECT 'canary-literal', $1::int", new[] { "canary-parameter" });

        answer.ExpectProblem(422, "sql_error");
        var request = await _collector.WaitForRequestAsync(_trace);
        Assert.Equal(("sql_error", "422"), (request.Attributes["error.type"], request.Attributes["http.response.status_code"]));
        // It is the caller's error, not the server's.
        Assert.Equal(0, request.Status);
        var run = await RunAsync();
        Assert.Equal(("22P02", "22P02"), (run.Attributes["db.response.status_code"], run.Attributes["error.type"]));
        Assert.Equal((OtlpSpan.Error, ""), (run.Status, run.StatusMessage));
        Assert.Contains("gateway.activity_id", _collector.Text);
        Assert.DoesNotContain("canary", _collector.Text);
    }

    [Fact]
    public async Task Replay_SaysThatItIsOne()
    {
        await _gateway.QueryAsync(_trace, "SELECT 1", endpoint: "execute");
        var again = TracedGateway.NewTrace();
        var replay = await _gateway.PostAsync(again, "execute", new { activityId = $"traces/{_trace}", attempt = 3, sql = "SELECT 1" });

        Assert.Equal("true", replay.Headers["Idempotent-Replayed"]);
        Assert.Equal("false", (await _collector.WaitForRequestAsync(_trace)).Attributes["gateway.replayed"]);
        Assert.Equal("true", (await _collector.WaitForRequestAsync(again)).Attributes["gateway.replayed"]);
    }

    [Fact]
    public async Task TransactionThatLoses_HasASpanForEachRun()
    {
        var lost = $"lost_{_trace}";
        await fixture.ExecuteAsync($"CREATE SEQUENCE {lost}");
        var sql = $"DO $$ BEGIN IF nextval('{lost}') < 3 THEN RAISE EXCEPTION 'lost' USING ERRCODE = '40001'; END IF; END $$";

        var answer = await _gateway.PostAsync(
            _trace, "transaction", new { activityId = $"traces/{_trace}", statements = new[] { new { sql }, new { sql = "SELECT 1" } } });

        answer.Expect(HttpStatusCode.OK);
        var request = await _collector.WaitForRequestAsync(_trace);
        Assert.Equal("3", request.Attributes["gateway.runs"]);
        await RunAsync("3");
        var runs = _collector.Spans.Where(span => span.TraceId == _trace && span.Kind == OtlpSpan.Client).ToArray();
        Assert.Equal(["1 40001", "2 40001", "3 "], runs.Select(
            run => $"{run.Attributes["gateway.run"]} {run.Attributes.GetValueOrDefault("db.response.status_code")}").Order());
        Assert.All(runs, run => Assert.Equal(
            ($"BATCH {Database}", "BATCH", "2"), (run.Name, run.Attributes["db.operation.name"], run.Attributes["db.operation.batch.size"])));
    }

    [Theory]
    [InlineData("SELEKT 'canary'", null)]
    [InlineData("/* canary */ ; insert into nowhere values (1)", "INSERT")]
    public async Task Operation_IsOneOfPostgresOwn(string sql, string? operation)
    {
        await _gateway.QueryAsync(_trace, sql, endpoint: "execute");

        var run = await RunAsync();
        Assert.Equal(operation, run.Attributes.GetValueOrDefault("db.operation.name"));
        Assert.Equal(operation is null ? Database : $"{operation} {Database}", run.Name);
    }

    /// <summary>Its headers are sent while the span of the run is current.</summary>
    [Fact]
    public async Task Stream_AnswersWithTheRequestsSpan()
    {
        var answer = await _gateway.PostAsync(
            _trace, "query", new { activityId = "traces", sql = "SELECT generate_series(1, 100000)" }, "01", ("Accept", "application/x-ndjson"));

        var request = await _collector.WaitForRequestAsync(_trace);
        Assert.Equal($"00-{_trace}-{request.SpanId}-01", answer.Headers["traceparent"]);
    }

    [Fact]
    public async Task LookUp_HasASpanAndNoPath()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/v1/activities/traces-look-up?connection=default");
        request.Headers.Add("traceparent", $"00-{_trace}-00f067aa0ba902b7-01");
        using var answer = await _gateway.Client.Http.SendAsync(request);

        var span = await _collector.WaitForRequestAsync(_trace);
        Assert.Equal(("GET /v1/activities/{activityId}", "activity_not_found"), (span.Name, span.Attributes["error.type"]));
        Assert.Equal("traces-look-up", span.Attributes["gateway.activity_id"]);
        Assert.Equal(Database, (await RunAsync()).Name);
    }

    [Fact]
    public async Task UnknownPathAndMethod_AreNotShown()
    {
        using var request = new HttpRequestMessage(new HttpMethod("CANARY"), "/canary/path?canary");
        request.Headers.Add("traceparent", $"00-{_trace}-00f067aa0ba902b7-01");
        using var answer = await _gateway.Client.Http.SendAsync(request);

        var span = await _collector.WaitForRequestAsync(_trace);
        Assert.Equal("_OTHER", span.Name);
        Assert.DoesNotContain("canary", string.Join(' ', span.Attributes), StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task Password_IsInNoSpan()
    {
        var password = Dsn.Parse(fixture.Dsn).Password;
        Assert.False(string.IsNullOrEmpty(password), "The server's DSN (TEST_DSN, where it is set) must have a password.");
        await _gateway.QueryAsync(_trace, "SELECT 1");

        await _collector.WaitForRequestAsync(_trace);
        Assert.DoesNotContain(password, _collector.Text);
    }

    private Task<OtlpSpan> RunAsync(string? run = null) => _collector.WaitAsync(span => span.TraceId == _trace
        && span.Kind == OtlpSpan.Client && (run is null || span.Attributes.GetValueOrDefault("gateway.run") == run));

    /// <summary>Asserts that there is no span by the time a later request's span has arrived.</summary>
    private async Task AssertNoneAsync(string trace)
    {
        var later = TracedGateway.NewTrace();
        await _gateway.QueryAsync(later, "SELECT 1");
        await _collector.WaitForRequestAsync(later);
        Assert.DoesNotContain(_collector.Spans, span => span.TraceId == trace);
    }
}
