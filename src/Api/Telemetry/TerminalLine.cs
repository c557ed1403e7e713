using System.Globalization;
using System.Text;
using Serilog.Events;
using Serilog.Formatting;
using Serilog.Formatting.Display;

namespace Gateway.Api.Telemetry;

/// <summary>
/// An event for people: a line, and behind it what threw. Whatever a terminal would obey or not show is written out, so that no
/// text of a caller's or of PostgreSQL's moves the cursor, or makes what looks like another line.
/// </summary>
internal sealed class TerminalLine : ITextFormatter
{
    private static readonly MessageTemplateTextFormatter Line =
        new("{Timestamp:HH:mm:ss.fff} {Level:u3} {Message}", CultureInfo.InvariantCulture);

    public void Format(LogEvent logEvent, TextWriter output)
    {
        using var line = new StringWriter();
        Line.Format(logEvent, line);
        WriteVisibly(line.ToString(), output);
        output.WriteLine();
        foreach (var frame in logEvent.Exception?.ToString().Split(Environment.NewLine) ?? [])
        {
            WriteVisibly(frame, output);
            output.WriteLine();
        }
    }

    private static void WriteVisibly(string text, TextWriter output)
    {
        for (var i = 0; i < text.Length;)
        {
            // What is half a surrogate pair comes out as the replacement character.
            Rune.DecodeFromUtf16(text.AsSpan(i), out var rune, out var length);
            if (IsVisible(rune))
                output.Write(rune.ToString());
            else
                output.Write(string.Create(CultureInfo.InvariantCulture, $"\\u{{{rune.Value:X4}}}"));
            i += length;
        }
    }

    /// <summary>Not what controls, turns the direction of the text, or breaks lines.</summary>
    private static bool IsVisible(Rune rune) => Rune.GetUnicodeCategory(rune) is not (
        UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator);
}
