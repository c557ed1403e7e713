using System.Collections.Frozen;
using Gateway.Api.Errors;
using Gateway.Contracts;
using Serilog.Events;
using Serilog.Parsing;

namespace Gateway.Api.Telemetry;

/// <summary>One line in the log for each request, with what its record holds; never SQL, never a value.</summary>
/// <remarks>
/// Serilog.AspNetCore's request logging has one template for all requests and adds properties of its own
/// (docs/decisions/0008).
/// </remarks>
internal sealed class RequestLog(RequestDelegate next, TimeProvider clock, Serilog.ILogger log, RequestMetrics metrics)
{
    private static readonly MessageTemplate Answered = Parse(
        "{Method} {Route} {Status} caller={Caller} connection={Connection} activity={ActivityId} rows={Rows} in {Elapsed} ms");

    private static readonly MessageTemplate Failed = Parse(
        "{Method} {Route} {Status} {Code} caller={Caller} connection={Connection} activity={ActivityId} in {Elapsed} ms");

    private static readonly MessageTemplate CallerLeft = Parse(
        "{Method} {Route}: the caller left; caller={Caller} connection={Connection} activity={ActivityId} after {Elapsed} ms");

    private static readonly MessageTemplate Probed = Parse("{Route} {Status}");

    /// <summary>
    /// What an operator is to look at. A caller's own failures stay at Information, whatever their status: a lock that it lost, a
    /// budget that it chose too small.
    /// </summary>
    private static readonly FrozenDictionary<string, LogEventLevel> Alarming = new Dictionary<ProblemCode, LogEventLevel>
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
            // The server answers it, after this line.
            record.Code = FailureForm.NameOf(ProblemCode.Internal);
            if (!http.Response.HasStarted)
                http.Response.StatusCode = StatusCodes.Status500InternalServerError;
            throw;
        }
        finally
        {
            record.Memory?.Dispose();
            // Ends the stage that is on.
            record.Enter(Stage.Answer);
            var labels = HttpLabels.Of(http);
            metrics.Measure(labels, record);
            Write(labels, record);
        }
    }

    private void Write(HttpLabels http, RequestRecord record)
    {
        var route = http.Route ?? "(none)";
        var isProbe = !record.CallerLeft && (route.StartsWith("/healthz", StringComparison.Ordinal) || route == MetricsPage.Path);
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
        var line = new LogEvent(
            clock.GetLocalNow(), level, exception: null, template, [], record.Span?.TraceId ?? default, record.Span?.SpanId ?? default);
        Add(line, "Route", route);
        if (!record.CallerLeft)
            Add(line, "Status", http.Status);
        if (!isProbe)
            AddRequest(line, http, record);
        log.Write(line);
    }

    private static void AddRequest(LogEvent line, HttpLabels http, RequestRecord record)
    {
        Add(line, "Method", http.Method);
        Add(line, "Caller", record.Caller?.Name);
        Add(line, "Connection", record.Connection);
        Add(line, "ActivityId", record.ActivityId);
        Add(line, "Elapsed", Math.Round(record.Elapsed.TotalMilliseconds, 3));
        line.AddOrUpdateProperty(new LogEventProperty("Stages", Stages(record)));
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

    /// <summary>In milliseconds, those that took time. A double's digits would take longer to find than some of the stages.</summary>
    private static StructureValue Stages(RequestRecord record)
    {
        var stages = new List<LogEventProperty>((int)Stage.Answer + 1);
        for (var stage = Stage.Read; stage <= Stage.Answer; stage++)
        {
            var microseconds = (long)record.TimeIn(stage).TotalMicroseconds;
            if (microseconds > 0)
                stages.Add(new LogEventProperty(RequestRecord.NameOf(stage), new ScalarValue(Thousandths(microseconds))));
        }
        return new StructureValue(stages);
    }

    /// <summary>A division would cost as much as all else of the stage.</summary>
    private static decimal Thousandths(long count) => new((int)count, (int)(count >> 32), 0, false, 3);

    private static void Add(LogEvent line, string name, object? value) =>
        line.AddOrUpdateProperty(new LogEventProperty(name, new ScalarValue(value)));

    private static MessageTemplate Parse(string template) => new MessageTemplateParser().Parse(template);
}
