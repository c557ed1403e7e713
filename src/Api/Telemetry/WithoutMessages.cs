using System.Text;
using Npgsql;
using Serilog.Events;
using Serilog.Formatting;

namespace Gateway.Api.Telemetry;

/// <summary>
/// Formats events with the types and stacks of their exceptions, but without the messages: PostgreSQL's messages quote
/// rows, and .NET's quote text that could not be read.
/// </summary>
internal sealed class WithoutMessages(ITextFormatter formatter) : ITextFormatter
{
    public void Format(LogEvent logEvent, TextWriter output) => formatter.Format(
        logEvent.Exception is not { } error ? logEvent : new LogEvent(
            logEvent.Timestamp, logEvent.Level, new Trace(error), logEvent.MessageTemplate,
            logEvent.Properties.Select(property => new LogEventProperty(property.Key, property.Value)),
            logEvent.TraceId ?? default, logEvent.SpanId ?? default),
        output);

    private sealed class Trace(Exception error) : Exception
    {
        public override string ToString()
        {
            var text = new StringBuilder();
            for (var cause = error; cause is not null; cause = cause.InnerException)
            {
                if (text.Length > 0)
                    text.Append(Environment.NewLine).Append("caused by ");
                text.Append(cause.GetType());
                if (cause is PostgresException refusal)
                    text.Append(" (SQLSTATE ").Append(refusal.SqlState).Append(')');
                if (cause.StackTrace is { } frames)
                    text.Append(Environment.NewLine).Append(frames);
            }
            return text.ToString();
        }
    }
}
