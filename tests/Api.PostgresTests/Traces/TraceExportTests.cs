using System.Diagnostics;
using System.Net;
using System.Text.RegularExpressions;
using Gateway.Api.Execution;

namespace Gateway.Api.PostgresTests.Traces;

/// <summary>Tests the export of traces, with OpenTelemetry's own settings, and that no request waits for it.</summary>
public sealed partial class TraceExportTests(GatewayFixture fixture)
{
    /// <summary>
    /// The maximum time for a gateway to end: the time for its last spans, and as much again on a busy machine.
    /// </summary>
    private static readonly TimeSpan EndTime = TimeSpan.FromSeconds(10);

    private readonly string _trace = TracedGateway.NewTrace();

    [Fact]
    public async Task Settings_NameTheServiceAndTheShare()
    {
        await using var gateway = await TracedGateway.StartAsync(fixture.Dsn, new Dictionary<string, string>
        {
            ["OTEL_SERVICE_NAME"] = "orders",
            ["OTEL_RESOURCE_ATTRIBUTES"] = "deployment.environment.name=staging",
            ["OTEL_TRACES_SAMPLER"] = "parentbased_traceidratio",
            ["OTEL_TRACES_SAMPLER_ARG"] = "0",
        });

        var root = await gateway.Client.PostAsync("query", new { activityId = "traces/root", sql = "SELECT 1" });
        await gateway.QueryAsync(_trace, "SELECT 1");

        var span = await gateway.Collector.WaitForRequestAsync(_trace);
        Assert.Equal(("orders", "staging"), (span.Resource["service.name"], span.Resource["deployment.environment.name"]));
        Assert.EndsWith("-00", root.Headers["traceparent"]);
        Assert.All(gateway.Collector.Spans, each => Assert.Equal(_trace, each.TraceId));
    }

    [Fact]
    public async Task Grpc_CarriesThemToo()
    {
        await using var gateway = await TracedGateway.StartAsync(fixture.Dsn, new Dictionary<string, string>
        {
            ["OTEL_EXPORTER_OTLP_PROTOCOL"] = "grpc",
            ["OTEL_EXPORTER_OTLP_ENDPOINT"] = "GRPC",
        });

        await gateway.QueryAsync(_trace, "SELECT 1");

        Assert.Equal("POST /v1/query", (await gateway.Collector.WaitForRequestAsync(_trace)).Name);
        Assert.True(!gateway.Process.Output.Contains("not exported", StringComparison.Ordinal), gateway.Process.Output);
    }

    [Fact]
    public async Task SqlByChoice_IsThereAndCutAndWithoutParameters()
    {
        await using var gateway = await TracedGateway.StartAsync(
            fixture.Dsn, new Dictionary<string, string> { ["Gateway__Tracing__SqlText"] = "true" });
        var longer = TracedGateway.NewTrace();

        await gateway.QueryAsync(_trace, "SELECT :name, 'literal'", new { name = "canary-parameter" });
        await gateway.PostAsync(longer, "transaction", new
        {
            activityId = $"traces/{longer}",
            statements = new[] { new { sql = "SELECT 1" }, new { sql = "SELECT '" + new string('x', DatabaseTrace.LongestSql - 19) + "😀😀'" } },
        });

        Assert.Equal("SELECT $1, 'literal'", (await RunAsync(_trace)).Attributes["db.query.text"]);
        var cut = (await RunAsync(longer)).Attributes["db.query.text"];
        Assert.StartsWith("SELECT 1;\nSELECT 'xxx", cut);
        Assert.EndsWith("x", cut);
        Assert.Equal(DatabaseTrace.LongestSql - 1, cut.Length);
        Assert.DoesNotContain("canary", gateway.Collector.Text);

        Task<OtlpSpan> RunAsync(string trace) => gateway.Collector.WaitAsync(span => span.TraceId == trace && span.Kind == OtlpSpan.Client);
    }

    [Fact]
    public async Task Shutdown_SendsWhatIsLeft()
    {
        await using var gateway = await TracedGateway.StartAsync(
            fixture.Dsn, new Dictionary<string, string> { ["OTEL_BSP_SCHEDULE_DELAY"] = "600000" });

        await gateway.QueryAsync(_trace, "SELECT 1");
        Assert.Empty(gateway.Collector.Spans);

        Assert.Equal(0, await gateway.Process.TerminateAsync());
        Assert.Contains(gateway.Collector.Spans, span => span.TraceId == _trace && span.Kind == OtlpSpan.Server);
    }

    /// <summary>
    /// Requests continue, spans that don't fit are dropped, and the shutdown waits for a short time only.
    /// </summary>
    [Fact]
    public async Task CollectorThatHangs_HoldsNothingUp()
    {
        const int queue = 32;
        const int batch = 8;
        await using var gateway = await TracedGateway.StartAsync(
            fixture.Dsn,
            new Dictionary<string, string>
            {
                ["OTEL_BSP_MAX_QUEUE_SIZE"] = $"{queue}",
                ["OTEL_BSP_MAX_EXPORT_BATCH_SIZE"] = $"{batch}",
                ["OTEL_EXPORTER_OTLP_TIMEOUT"] = "120000",
            },
            hangs: true);

        await gateway.QueryAsync(_trace, "SELECT 1");
        await gateway.Collector.WaitAsync(span => span.TraceId == _trace);
        // The exporter waits in that export until the collector answers.
        for (var request = 0; request < 3 * queue; request++)
            (await gateway.Client.PostAsync("query", new { activityId = "traces", sql = "SELECT 1" })).Expect(HttpStatusCode.OK);
        Assert.Equal(1, gateway.Collector.Begun);

        var clock = Stopwatch.StartNew();
        Assert.Equal(0, await gateway.Process.TerminateAsync());
        Assert.InRange(clock.Elapsed, TimeSpan.Zero, EndTime);
        Assert.InRange(gateway.Collector.Spans.Count, 1, queue + batch);
    }

    [Fact]
    public async Task CollectorThatIsDown_IsToldOnceAndHoldsNothingUp()
    {
        await using var gateway = await TracedGateway.StartAsync(
            fixture.Dsn, new Dictionary<string, string>
            {
                ["OTEL_EXPORTER_OTLP_ENDPOINT"] = $"http://127.0.0.1:{Ports.PickFree()}",
                ["OTEL_BSP_SCHEDULE_DELAY"] = "10",
            });

        var clock = Stopwatch.StartNew();
        // Many batches; each of them fails.
        while (clock.Elapsed < TimeSpan.FromSeconds(1.5))
            (await gateway.QueryAsync(_trace, "SELECT 1")).Expect(HttpStatusCode.OK);
        Assert.Equal(0, await gateway.Process.TerminateAsync());

        var told = NotExported().Matches(gateway.Process.Output).Select(match => match.Groups[1].Value).ToArray();
        Assert.NotEmpty(told);
        Assert.Equal(told.Distinct(), told);
        Assert.Contains("Connection refused", gateway.Process.Output);
    }

    /// <summary>Shown by the files that the process has open.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task WithoutACollector_NoExporterIsLoaded(bool hasCollector)
    {
        await using var gateway = await TracedGateway.StartAsync(
            fixture.Dsn, hasCollector ? [] : new Dictionary<string, string> { ["OTEL_EXPORTER_OTLP_ENDPOINT"] = "" });

        var answer = await gateway.QueryAsync(_trace, "SELECT 1");

        Assert.Contains(_trace, answer.Headers["traceparent"]);
        var loaded = await File.ReadAllTextAsync($"/proc/{gateway.Process.Id}/maps");
        Assert.Contains("Npgsql.dll", loaded);
        Assert.Equal(hasCollector, loaded.Contains("OpenTelemetry.Exporter.OpenTelemetryProtocol", StringComparison.Ordinal));
    }

    [Fact]
    public async Task FaultySettings_AreNamedAndNotShown()
    {
        var (code, errors, output) = await GatewayProcess.RunAsync(new Dictionary<string, string>
        {
            ["DSN"] = fixture.Dsn,
            ["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://me:canary@127.0.0.1:4318",
            ["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/json",
            ["Gateway__Tracing__Sql"] = "true",
        });

        Assert.Equal(1, code);
        Assert.Contains("OTEL_EXPORTER_OTLP_ENDPOINT contains a user or a password", errors);
        Assert.Contains("OTEL_EXPORTER_OTLP_PROTOCOL is \"http/json\": it must be one of grpc, http/protobuf.", errors);
        Assert.Contains("Gateway__Tracing__Sql is not a setting", errors);
        Assert.DoesNotContain("canary", errors + output);
    }

    [GeneratedRegex("Traces are not exported.*\"Kind\":\"([^\"]+)\"")]
    private static partial Regex NotExported();
}
