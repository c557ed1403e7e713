using Serilog.Core;
using Serilog.Events;
using Serilog.Formatting;

namespace Gateway.Api.Telemetry;

/// <summary>
/// Writes each event as a line, by one write: several processes may write to the same pipe. All lines share one buffer.
/// Serilog.Sinks.Console writes a line in pieces, and makes a string of it (docs/decisions/0008).
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
                // What is left of one that can't be written must not stand before the next.
                _text.Flush();
            }
            _output.Write(_line.GetBuffer().AsSpan(0, (int)_line.Length));
        }
    }

    public void Dispose() => _text.Dispose();
}
