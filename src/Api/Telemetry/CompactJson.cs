using Serilog.Events;
using Serilog.Formatting;
using Serilog.Formatting.Json;

namespace Gateway.Api.Telemetry;

/// <summary>
/// An event as a line of compact JSON (https://clef-json.org), as Serilog.Formatting.Compact writes it: the message's template and
/// its values, each once. Whatever a name or a value holds is a JSON string's, so that no caller can make a line.
/// </summary>
internal sealed class CompactJson : ITextFormatter
{
    private readonly JsonValueFormatter _values = new(typeTagName: "$type");

    public void Format(LogEvent logEvent, TextWriter output)
    {
        Span<char> time = stackalloc char[32];
        logEvent.Timestamp.UtcDateTime.TryFormat(time, out var length, "O");
        output.Write("{\"@t\":\"");
        output.Write(time[..length]);
        output.Write('"');
        WriteText(output, "@mt", logEvent.MessageTemplate.Text);
        if (logEvent.Level != LogEventLevel.Information)
            WriteText(output, "@l", logEvent.Level.ToString());
        if (logEvent.Exception is { } exception)
            WriteText(output, "@x", exception.ToString());
        if (logEvent.TraceId is { } trace)
            WriteText(output, "@tr", trace.ToHexString());
        if (logEvent.SpanId is { } span)
            WriteText(output, "@sp", span.ToHexString());
        foreach (var (name, value) in logEvent.Properties)
        {
            // A name with one @ is the format's own.
            WriteName(output, name.StartsWith('@') ? $"@{name}" : name);
            _values.Format(value, output);
        }
        output.Write("}\n");
    }

    private static void WriteText(TextWriter output, string name, string text)
    {
        WriteName(output, name);
        JsonValueFormatter.WriteQuotedJsonString(text, output);
    }

    private static void WriteName(TextWriter output, string name)
    {
        output.Write(',');
        JsonValueFormatter.WriteQuotedJsonString(name, output);
        output.Write(':');
    }
}
