using System.Globalization;
using System.Text;
using Serilog.Events;
using Serilog.Formatting;
using Serilog.Formatting.Display;

namespace Gateway.Api.Telemetry;

/// <summary>
/// Formats an event for a terminal: a line, then the exception. Characters that a terminal would interpret or not show
/// are escaped, so that no text from a caller or from PostgreSQL can move the cursor or look like another log line.
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
            // Half of a surrogate pair becomes the replacement character.
            Rune.DecodeFromUtf16(text.AsSpan(i), out var rune, out var length);
            if (IsVisible(rune))
                output.Write(rune.ToString());
            else
                output.Write(string.Create(CultureInfo.InvariantCulture, $"\\u{{{rune.Value:X4}}}"));
            i += length;
        }
    }

    /// <summary>
    /// Returns false for control characters, for format characters (which can change the direction of the text), and
    /// for line and paragraph separators.
    /// </summary>
    private static bool IsVisible(Rune rune) => Rune.GetUnicodeCategory(rune) is not (
        UnicodeCategory.Control or UnicodeCategory.Format
        or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator);
}
