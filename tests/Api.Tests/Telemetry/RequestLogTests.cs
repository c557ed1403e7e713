using System.Diagnostics;
using Gateway.Api.Admission;
using Gateway.Api.Execution;
using Gateway.Api.Telemetry;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Routing.Patterns;
using Serilog;
using Serilog.Core;
using Serilog.Events;

namespace Gateway.Api.Tests.Telemetry;

/// <summary>The line of a request.</summary>
public sealed class RequestLogTests
{
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
            ["ActivityId", "Caller", "Connection", "Elapsed", "Method", "Route", "Rows", "Status"], line.Properties.Keys.Order(StringComparer.Ordinal));
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

    [Theory]
    [InlineData("/v1/query", true)]
    [InlineData("/healthz/live", false)]
    public async Task CallerLeftOrProbe_IsLoggedForDebuggingOnly(string route, bool callerLeft)
    {
        Assert.Empty(await LinesAsync(route, record => record.CallerLeft = callerLeft));

        var line = Assert.Single(await LinesAsync(route, record => record.CallerLeft = callerLeft, LogEventLevel.Debug));
        Assert.Equal(LogEventLevel.Debug, line.Level);
        Assert.DoesNotContain('{', line.RenderMessage(null));
    }

    [Fact]
    public async Task LineThatIsNotWanted_IsNotWritten() =>
        Assert.Empty(await LinesAsync("/v1/query", _ => { }, LogEventLevel.Warning));

    [Fact]
    public async Task HandlerThatThrows_HasItsLineToo()
    {
        var lines = new Lines();
        await Assert.ThrowsAsync<TimeoutException>(() => LogAsync(lines, "/v1/query", _ => throw new TimeoutException(), LogEventLevel.Information));

        Assert.Single(lines.Written);
    }

    private static async Task<IReadOnlyList<LogEvent>> LinesAsync(
        string route, Action<RequestRecord> handle, LogEventLevel least = LogEventLevel.Information)
    {
        var lines = new Lines();
        await LogAsync(lines, route, handle, least);
        return lines.Written;
    }

    private static async Task LogAsync(Lines lines, string route, Action<RequestRecord> handle, LogEventLevel least)
    {
        using var log = new LoggerConfiguration().MinimumLevel.Is(least).WriteTo.Sink(lines).CreateLogger();
        var http = new DefaultHttpContext();
        // Not the path's: nothing of what a caller put there is to be in the line.
        http.Request.Method = "POST";
        http.Request.Path = "/secret";
        http.SetEndpoint(new RouteEndpoint(_ => Task.CompletedTask, RoutePatternFactory.Parse(route), 0, null, null));
        var middleware = new RequestLog(
            context =>
            {
                handle(RequestRecord.Of(context));
                return Task.CompletedTask;
            },
            TimeProvider.System, log);
        await middleware.InvokeAsync(http);
        Assert.DoesNotContain("secret", string.Join(' ', lines.Written.SelectMany(line => line.Properties)));
    }

    private sealed class Lines : ILogEventSink
    {
        public List<LogEvent> Written { get; } = [];

        public void Emit(LogEvent logEvent) => Written.Add(logEvent);
    }
}
