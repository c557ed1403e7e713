using System.Diagnostics;
using Gateway.Api.Callers;
using Gateway.Api.Configuration;
using Gateway.Api.Telemetry;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Routing.Patterns;
using Microsoft.Extensions.Time.Testing;
using Serilog;
using Serilog.Core;
using Serilog.Events;

namespace Gateway.Api.Tests.Telemetry;

/// <summary>Tests the log line of a request.</summary>
public sealed class RequestLogTests
{
    private readonly FakeTimeProvider _clock = new();

    [Fact]
    public async Task Answered_SaysWhatItsRecordHolds()
    {
        using var trace = new Activity("request").Start();

        var line = Assert.Single(await LinesAsync("/v1/query", record =>
        {
            record.Caller = new Caller("orders", new Dictionary<string, Access>());
            record.Connection = "default";
            record.ActivityId = "wf/1";
            record.Rows = 2;
        }));

        Assert.Equal(LogEventLevel.Information, line.Level);
        Assert.Equal(
            ["ActivityId", "Caller", "Connection", "Elapsed", "Method", "Route", "Rows", "Stages", "Status"], line.Properties.Keys.Order(StringComparer.Ordinal));
        Assert.Matches(
            """^"POST" "/v1/query" 200 caller="orders" connection="default" activity="wf/1" rows=2 in \d+(\.\d{1,3})? ms$""", line.RenderMessage(null));
        Assert.Equal(trace.TraceId, line.TraceId);
        Assert.Equal(trace.SpanId, line.SpanId);
    }

    [Fact]
    public async Task Failed_SaysItsCodeAndAttempt()
    {
        var line = Assert.Single(await LinesAsync("/v1/query", record => (record.Code, record.Attempt) = ("sql_error", 3)));

        Assert.Equal(LogEventLevel.Information, line.Level);
        Assert.Equal("\"sql_error\"", line.Properties["Code"].ToString());
        Assert.Equal("3", line.Properties["Attempt"].ToString());
        Assert.DoesNotContain('{', line.RenderMessage(null));
    }

    [Fact]
    public async Task Replay_SaysThatItIsOneAndWhatWasSent()
    {
        var line = Assert.Single(await LinesAsync(
            "/v1/execute", record => (record.IsReplay, record.AnswerBytes, record.Runs) = (true, 5, 2)));

        Assert.Equal("True", line.Properties["Replayed"].ToString());
        Assert.Equal("5", line.Properties["Bytes"].ToString());
        Assert.Equal("2", line.Properties["Runs"].ToString());
    }

    [Fact]
    public async Task Stages_AreThoseThatTookTime()
    {
        var line = Assert.Single(await LinesAsync("/v1/query", record =>
        {
            record.Enter(Stage.Execute);
            _clock.Advance(TimeSpan.FromMicroseconds(5_001));
            record.Enter(Stage.Answer);
            _clock.Advance(TimeSpan.FromMicroseconds(2_000));
        }));

        var stages = Assert.IsType<StructureValue>(line.Properties["Stages"]).Properties.ToDictionary(
            stage => stage.Name, stage => (decimal)((ScalarValue)stage.Value).Value!);
        // The stage that is current when the request ends, too.
        Assert.Equal(new Dictionary<string, decimal> { ["execute"] = 5.001m, ["answer"] = 2m }, stages);
        Assert.Equal("7.001", line.Properties["Elapsed"].ToString());
    }

    /// <summary>The log level of each failure. Warnings and errors alert an operator.</summary>
    [Theory]
    [InlineData("internal", LogEventLevel.Error)]
    [InlineData("database_unavailable", LogEventLevel.Warning)]
    [InlineData("outcome_unknown", LogEventLevel.Warning)]
    [InlineData("saturated", LogEventLevel.Warning)]
    [InlineData("conflict", LogEventLevel.Information)]
    [InlineData("deadline_exceeded", LogEventLevel.Information)]
    [InlineData("unauthenticated", LogEventLevel.Information)]
    public async Task Failure_HasTheLevelOfItsCode(string code, LogEventLevel level) =>
        Assert.Equal(level, Assert.Single(await LinesAsync("/v1/query", record => record.Code = code)).Level);

    [Fact]
    public async Task CallerLeft_IsNoAlarmAndHasItsLine()
    {
        var line = Assert.Single(await LinesAsync("/v1/query", record => record.CallerLeft = true));

        Assert.Equal(LogEventLevel.Information, line.Level);
        Assert.DoesNotContain("Status", line.Properties.Keys);
        Assert.DoesNotContain('{', line.RenderMessage(null));
    }

    [Theory]
    [InlineData("/healthz/live")]
    [InlineData("/metrics")]
    public async Task Probe_IsLoggedForDebuggingOnly(string route)
    {
        Assert.Empty(await LinesAsync(route, _ => { }));

        var line = Assert.Single(await LinesAsync(route, _ => { }, LogEventLevel.Debug));
        Assert.Equal(LogEventLevel.Debug, line.Level);
        Assert.DoesNotContain('{', line.RenderMessage(null));
    }

    [Theory]
    [InlineData("DELETE", "DELETE")]
    [InlineData("post", "_OTHER")]
    [InlineData("{Caller}", "_OTHER")]
    public async Task Method_IsOneOfHttpsOwn(string sent, string logged)
    {
        var lines = new Lines();
        await LogAsync(lines, "/v1/query", _ => { }, LogEventLevel.Information, sent);

        Assert.Equal($"\"{logged}\"", Assert.Single(lines.Written).Properties["Method"].ToString());
    }

    [Fact]
    public async Task LineThatIsNotWanted_IsNotWritten() =>
        Assert.Empty(await LinesAsync("/v1/query", _ => { }, LogEventLevel.Warning));

    [Fact]
    public async Task HandlerThatThrows_HasItsLineToo()
    {
        var lines = new Lines();
        await Assert.ThrowsAsync<TimeoutException>(() => LogAsync(lines, "/v1/query", _ => throw new TimeoutException(), LogEventLevel.Information));

        var line = Assert.Single(lines.Written);
        Assert.Equal(LogEventLevel.Error, line.Level);
        Assert.Equal("500", line.Properties["Status"].ToString());
        Assert.Equal("\"internal\"", line.Properties["Code"].ToString());
    }

    private async Task<IReadOnlyList<LogEvent>> LinesAsync(
        string route, Action<RequestRecord> handle, LogEventLevel least = LogEventLevel.Information)
    {
        var lines = new Lines();
        await LogAsync(lines, route, handle, least);
        return lines.Written;
    }

    private async Task LogAsync(Lines lines, string route, Action<RequestRecord> handle, LogEventLevel least, string method = "POST")
    {
        using var meter = new GatewayMeter();
        using var log = new LoggerConfiguration().MinimumLevel.Is(least).WriteTo.Sink(lines).CreateLogger();
        var http = new DefaultHttpContext();
        // Not in the path: the line must contain nothing that a caller put there.
        http.Request.Method = method;
        http.Request.Path = "/secret";
        http.SetEndpoint(new RouteEndpoint(_ => Task.CompletedTask, RoutePatternFactory.Parse(route), 0, null, null));
        var middleware = new RequestLog(
            context =>
            {
                handle(RequestRecord.Of(context));
                return Task.CompletedTask;
            },
            _clock, log, new RequestMetrics(meter, new GatewayOptions()));
        await middleware.InvokeAsync(http);
        Assert.DoesNotContain("secret", string.Join(' ', lines.Written.SelectMany(line => line.Properties)));
    }

    private sealed class Lines : ILogEventSink
    {
        public List<LogEvent> Written { get; } = [];

        public void Emit(LogEvent logEvent) => Written.Add(logEvent);
    }
}
