using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Gateway.Api.Telemetry;
using Serilog;
using Serilog.Events;
using Serilog.Formatting;
using Serilog.Formatting.Compact;

namespace Gateway.Api.Tests.Telemetry;

/// <summary>Tests that an event is one line of JSON, and the line one write.</summary>
public sealed class LogLineTests
{
    [Fact]
    public void Trace_IsTheCurrentOne()
    {
        using var activity = new Activity("request").Start();

        var line = Line(log => log.Information("traced"));

        Assert.Equal(activity.TraceId.ToHexString(), line.GetProperty("@tr").GetString());
        Assert.Equal(activity.SpanId.ToHexString(), line.GetProperty("@sp").GetString());
    }

    [Theory]
    [InlineData("a\nb")]
    [InlineData("a\",\"@l\":\"Fatal")]
    [InlineData("\\\u0000\u001b[31m\u2028\u007f")]
    [InlineData("€😀")]
    public void TextOfCallers_MakesNoLineAndNoMember(string text)
    {
        var line = Line(log => log.ForContext(text, text).Information("{Value}", text));

        Assert.Equal(["@t", "@mt", "Value", text], line.EnumerateObject().Select(member => member.Name));
        Assert.Equal(text, line.GetProperty("Value").GetString());
        Assert.Equal(text, line.GetProperty(text).GetString());
    }

    [Fact]
    public void EachLine_IsOneWrite()
    {
        var written = new Writes();
        using var log = Logger(new CompactJsonFormatter(), written);

        log.Information("{Text}", new string('€', 100_000));
        log.Information("short");

        Assert.Equal(2, written.Lines.Count);
        Assert.All(written.Lines, line => Assert.Equal(line.Length - 1, line.IndexOf('\n', StringComparison.Ordinal)));
    }

    [Fact]
    public void EventThatCannotBeWritten_LeavesNothingInTheNextLine()
    {
        var written = new Writes();
        using var log = Logger(new FailingOnce(), written);

        log.Information("first");
        log.Information("second");

        Assert.Equal(["second"], written.Lines);
    }

    private static JsonElement Line(Action<ILogger> write)
    {
        var written = new Writes();
        using var log = Logger(new CompactJsonFormatter(), written);
        write(log);
        var line = Assert.Single(written.Lines);
        Assert.Equal(1, line.Count(character => character == '\n'));
        return JsonDocument.Parse(line).RootElement;
    }

    private static Serilog.Core.Logger Logger(ITextFormatter formatter, Stream output) =>
        new LoggerConfiguration().WriteTo.Sink(new LineOutput(formatter, output)).CreateLogger();

    /// <summary>Records the bytes of each write.</summary>
    private sealed class Writes : MemoryStream
    {
        public List<string> Lines { get; } = [];

        public override void Write(ReadOnlySpan<byte> buffer) => Lines.Add(Encoding.UTF8.GetString(buffer));
    }

    /// <summary>Fails in the middle of the first event.</summary>
    private sealed class FailingOnce : ITextFormatter
    {
        private bool _hasFailed;

        public void Format(LogEvent logEvent, TextWriter output)
        {
            output.Write(logEvent.MessageTemplate.Text);
            if (_hasFailed)
                return;
            _hasFailed = true;
            throw new InvalidOperationException();
        }
    }
}
