using System.Globalization;
using FsCheck;
using FsCheck.Fluent;
using Gateway.Api.Telemetry;
using Npgsql;
using Serilog;
using Serilog.Core;
using Serilog.Events;
using Serilog.Formatting;
using Serilog.Formatting.Compact;

namespace Gateway.Api.Tests.Telemetry;

/// <summary>Tests an event on a terminal, and how an exception is shown.</summary>
public sealed class TerminalLineTests
{
    private static readonly char[] Hostile =
    [
        '\n', '\r', '\t', '\0', '\a', '\b', '\u001b', '\u007f', '\u0085', '\u009b', '\u200b', '\u202e', '\u2028', '\u2029', '\ufeff',
        '\ud800', '\udc00', '"', '\\', '{', '}', '[', 'm', '%', 'é',
    ];

    [Fact]
    public void TextOfCallers_MovesNoCursor() => Assert.EndsWith(
        """ INF activity="a\u{000A}b\u{001B}[2J\u{009B}31m\u{202E}é😀{Caller}" """.TrimEnd() + Environment.NewLine,
        Write(new TerminalLine(), log => log.Information("activity={ActivityId}", "a\nb\u001b[2J\u009b31m\u202eé😀{Caller}")));

    /// <summary>As a value, as a value's name, as a template, and in the exception.</summary>
    [Fact]
    public void AnyText_StaysInItsLineAndIsVisible()
    {
        var text = Gen.Elements(Hostile).ArrayOf().Select(characters => new string(characters)).ToArbitrary();

        Prop.ForAll(text, hostile =>
        {
            var written = Write(new TerminalLine(), log => log.ForContext(hostile, hostile)
                .Error(new TimeoutException(hostile), hostile.Replace("{", "{{").Replace("}", "}}") + "{Value}{Values}", hostile, new[] { hostile }));

            // The line, and the lines of the exception, as many as its text has.
            Assert.EndsWith(Environment.NewLine, written);
            Assert.DoesNotContain(
                written.Replace(Environment.NewLine, ""),
                character => char.GetUnicodeCategory(character) is UnicodeCategory.Control or UnicodeCategory.Format
                    or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator);
            Assert.Equal(1 + new TimeoutException(hostile).ToString().Split(Environment.NewLine).Length, written.Split(Environment.NewLine).Length - 1);
        }).QuickCheckThrowOnFailure();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Exception_IsShownWithoutWhatItSays(bool asJson)
    {
        ITextFormatter formatter = asJson ? new CompactJsonFormatter() : new TerminalLine();
        var error = Thrown(new InvalidOperationException(
            "canary-1", new PostgresException("canary-2", "ERROR", "ERROR", "23505", detail: "Key (id)=(canary-3) exists.")));

        var written = Write(new WithoutMessages(formatter), log => log.ForContext("Kept", 7).Error(error, "It failed on {Place}", "here"));

        Assert.DoesNotContain("canary", written);
        Assert.Contains("System.InvalidOperationException", written);
        Assert.Contains("caused by Npgsql.PostgresException (SQLSTATE 23505)", written);
        Assert.Contains(nameof(Thrown), written);
        Assert.Contains("here", written);
        Assert.Equal(asJson, written.Contains("\"Kept\":7"));
    }

    private static InvalidOperationException Thrown(InvalidOperationException error)
    {
        try
        {
            throw error;
        }
        catch (InvalidOperationException thrown)
        {
            return thrown;
        }
    }

    private static string Write(ITextFormatter formatter, Action<ILogger> write)
    {
        using var written = new StringWriter();
        using var log = new LoggerConfiguration().WriteTo.Sink(new Output(formatter, written)).CreateLogger();
        write(log);
        return written.ToString();
    }

    private sealed class Output(ITextFormatter formatter, TextWriter written) : ILogEventSink
    {
        public void Emit(LogEvent logEvent) => formatter.Format(logEvent, written);
    }
}
