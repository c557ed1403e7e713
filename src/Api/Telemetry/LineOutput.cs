using Serilog.Core;
using Serilog.Events;
using Serilog.Formatting;

namespace Gateway.Api.Telemetry;

/// <summary>
/// Writes each event as a line, with one write, because several processes may write to the same pipe. All lines share
/// one buffer. Serilog.Sinks.Console writes a line in pieces, and allocates a string for it (docs/decisions/0008).
/// </summary>
internal sealed class LineOutput : ILogEventSink, IDisposable
{
    private readonly Lock _lock = new();
    private readonly ITextFormatter _formatter;
    private readonly Stream _output;
    private readonly MemoryStream _line = new();
    private readonly StreamWriter _text;

    public LineOutput(ITextFormatter formatter, Stream output)
    {
        (_formatter, _output) = (formatter, output);
        _text = new StreamWriter(_line);
    }

    public void Emit(LogEvent logEvent)
    {
        lock (_lock)
        {
            _line.SetLength(0);
            try
            {
                _formatter.Format(logEvent, _text);
            }
            finally
            {
                // If the formatter throws, the rest of its line must not come before the next line.
                _text.Flush();
            }
            _output.Write(_line.GetBuffer().AsSpan(0, (int)_line.Length));
        }
    }

    public void Dispose() => _text.Dispose();
}
