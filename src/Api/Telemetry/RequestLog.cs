using System.Collections.Frozen;
using Gateway.Api.Errors;
using Gateway.Contracts;
using Serilog.Events;
using Serilog.Parsing;

namespace Gateway.Api.Telemetry;

/// <summary>Writes one log line for each request, from its record. A line never contains SQL or a value.</summary>
/// <remarks>
/// Serilog.AspNetCore's request logging has one template for all requests and adds properties of its own
/// (docs/decisions/0008).
/// </remarks>
internal sealed class RequestLog(RequestDelegate next, TimeProvider clock, Serilog.ILogger log, RequestMetrics metrics)
{
    private static readonly MessageTemplate Answered = Parse(
        "{Method} {Route} {Status} caller={Caller} connection={Connection} activity={ActivityId} rows={Rows} "
        + "in {Elapsed} ms");

    private static readonly MessageTemplate Failed = Parse(
        "{Method} {Route} {Status} {Code} caller={Caller} connection={Connection} activity={ActivityId} "
        + "in {Elapsed} ms");

    private static readonly MessageTemplate CallerLeft = Parse(
        "{Method} {Route}: the caller left; caller={Caller} connection={Connection} activity={ActivityId} "
        + "after {Elapsed} ms");

    private static readonly MessageTemplate Probed = Parse("{Route} {Status}");

    private const int MostProperties = 13;

    /// <summary>
    /// The level of the failures that an operator must look at. Failures that callers cause are at Information,
    /// whatever their status: a lost lock, or a timeout that is too short.
    /// </summary>
    private static readonly FrozenDictionary<string, LogEventLevel> Alarming =
        new Dictionary<ProblemCode, LogEventLevel>
        {
            [ProblemCode.Internal] = LogEventLevel.Error,
            [ProblemCode.DatabaseUnavailable] = LogEventLevel.Warning,
            [ProblemCode.OutcomeUnknown] = LogEventLevel.Warning,
            [ProblemCode.Saturated] = LogEventLevel.Warning,
        }.ToFrozenDictionary(level => FailureForm.NameOf(level.Key), level => level.Value);

    public async Task InvokeAsync(HttpContext http)
    {
        var record = new RequestRecord(clock);
        http.Features.Set(record);
        try
        {
            await next(http);
        }
        catch when (!http.RequestAborted.IsCancellationRequested)
        {
            // Kestrel answers with 500, after this middleware.
            record.Code = FailureForm.NameOf(ProblemCode.Internal);
            if (!http.Response.HasStarted)
                http.Response.StatusCode = StatusCodes.Status500InternalServerError;
            throw;
        }
        finally
        {
            record.Memory?.Dispose();
            // Ends the current stage.
            record.Enter(Stage.Answer);
            var labels = HttpLabels.Of(http);
            metrics.Measure(labels, record);
            Write(labels, record);
        }
    }

    private void Write(HttpLabels http, RequestRecord record)
    {
        var route = http.Route ?? "(none)";
        var isProbe = !record.CallerLeft
            && (route.StartsWith("/healthz", StringComparison.Ordinal) || route == MetricsPage.Path);
        if (record.RecordedSpan is { } span)
        {
            if (isProbe)
                RequestTrace.Drop(span);
            else
                RequestTrace.Complete(span, http, record);
        }
        var level = isProbe ? LogEventLevel.Debug
            : record.Code is null ? LogEventLevel.Information
            : Alarming.GetValueOrDefault(record.Code, LogEventLevel.Information);
        if (!log.IsEnabled(level))
            return;

        var template = record.CallerLeft ? CallerLeft : isProbe ? Probed : record.Code is null ? Answered : Failed;
        // A LogEvent's own constructor starts with an empty dictionary, which would grow three times for each line.
        var line = new Dictionary<string, LogEventPropertyValue>(MostProperties);
        Add(line, "Route", route);
        if (!record.CallerLeft)
            Add(line, "Status", http.Status);
        if (!isProbe)
            AddRequest(line, http, record);
        log.Write(LogEvent.UnstableAssembleFromParts(
            clock.GetLocalNow(), level, exception: null, template, line,
            record.Span?.TraceId ?? default, record.Span?.SpanId ?? default));
    }

    private static void AddRequest(
        Dictionary<string, LogEventPropertyValue> line, HttpLabels http, RequestRecord record)
    {
        Add(line, "Method", http.Method);
        Add(line, "Caller", record.Caller?.Name);
        Add(line, "Connection", record.Connection);
        Add(line, "ActivityId", record.ActivityId);
        Add(line, "Elapsed", Math.Round(record.Elapsed.TotalMilliseconds, 3));
        line["Stages"] = Stages(record);
        if (record.Code is { } code)
            Add(line, "Code", code);
        else if (!record.CallerLeft)
            Add(line, "Rows", record.Rows);
        if (record.AnswerBytes is { } bytes)
            Add(line, "Bytes", bytes);
        if (record.Attempt is { } attempt)
            Add(line, "Attempt", attempt);
        if (record.Runs > 1)
            Add(line, "Runs", record.Runs);
        if (record.IsReplay)
            Add(line, "Replayed", true);
    }

    /// <summary>
    /// Returns the stages that took time, in milliseconds. They are decimals, because formatting a double takes longer
    /// than some of the stages.
    /// </summary>
    private static StructureValue Stages(RequestRecord record)
    {
        var stages = new List<LogEventProperty>((int)Stage.Answer + 1);
        for (var stage = Stage.Read; stage <= Stage.Answer; stage++)
        {
            var microseconds = (long)record.TimeIn(stage).TotalMicroseconds;
            if (microseconds > 0)
            {
                var milliseconds = new ScalarValue(Thousandths(microseconds));
                stages.Add(new LogEventProperty(RequestRecord.NameOf(stage), milliseconds));
            }
        }
        return new StructureValue(stages);
    }

    /// <summary>
    /// Returns a number of thousandths. It sets the decimal's scale, because a division would cost as much as the rest
    /// of the stage's property.
    /// </summary>
    private static decimal Thousandths(long count) => new((int)count, (int)(count >> 32), 0, false, 3);

    private static void Add(Dictionary<string, LogEventPropertyValue> line, string name, object? value) =>
        line[name] = new ScalarValue(value);

    private static MessageTemplate Parse(string template) => new MessageTemplateParser().Parse(template);
}
