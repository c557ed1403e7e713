using System.Collections.Frozen;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using Gateway.Api.Callers;
using Gateway.Api.Configuration;
using Gateway.Api.Errors;
using Gateway.Contracts;

namespace Gateway.Api.Telemetry;

/// <summary>
/// Measures each request once, at its end and from its record. So a metric costs a running request nothing.
/// </summary>
internal sealed class RequestMetrics
{
    public const string Connection = "gateway.connection";
    public const string PoolName = "db.client.connection.pool.name";

    private const string ErrorType = "error.type";
    private const string Method = "http.request.method";

    // The statuses, boxed once and not for each request.
    private static readonly object[] Statuses = [.. Enumerable.Range(0, 600).Select(status => (object)status)];

    /// <summary>The outcome of the activity, by the problem's code.</summary>
    private static readonly FrozenDictionary<string, string> OutcomeOf = new Dictionary<string, string>
    {
        [FailureForm.NameOf(ProblemCode.OutcomeUnknown)] = "outcome_unknown",
        [FailureForm.NameOf(ProblemCode.ActivityMismatch)] = "mismatched",
        [FailureForm.NameOf(ProblemCode.ActivityInFlight)] = "in_flight",
        [FailureForm.NameOf(ProblemCode.Cancelled)] = "cancelled",
    }.ToFrozenDictionary();

    private static readonly string Fault = FailureForm.NameOf(ProblemCode.Internal);
    private static readonly string DeadlineExceeded = FailureForm.NameOf(ProblemCode.DeadlineExceeded);

    private readonly Histogram<double> _duration;
    private readonly Histogram<double> _bodySize;
    private readonly Histogram<double> _answerSize;
    private readonly Counter<long> _requests;
    private readonly Counter<long> _faults;
    private readonly Counter<long> _rows;
    private readonly Counter<long> _outcomes;
    private readonly Histogram<double> _stages;
    private readonly Histogram<double> _operations;
    private readonly Histogram<double> _waits;
    private readonly Counter<long> _timeouts;

    public RequestMetrics(GatewayMeter gateway, GatewayOptions options)
    {
        var meter = gateway.Meter;
        _duration = gateway.Duration(
            "http.server.request.duration", "How long requests took, from their arrival to the end of their answer.");
        _bodySize = gateway.Size("http.server.request.body.size", "The bodies of requests, as far as they were read.");
        _answerSize = gateway.Size(
            "http.server.response.body.size",
            "The bodies of answers, except problems, before they are compressed.");
        _requests = meter.CreateCounter<long>(
            "gateway.requests", "{request}", "Requests of each caller on each connection.");
        _faults = meter.CreateCounter<long>(
            "gateway.faults", "{fault}", "Requests that failed with an internal error.");
        _rows = meter.CreateCounter<long>("gateway.rows", "{row}", "Rows that statements returned or affected.");
        _outcomes = meter.CreateCounter<long>(
            "gateway.activity.outcomes", "{activity}",
            "Activities that did not simply run: replays, refusals, cancels, and COMMITs in doubt.");
        _stages = gateway.Duration("gateway.request.stage.duration", "How long requests were in each stage.");
        _operations = gateway.Duration(
            "db.client.operation.duration", "How long the statements of a request took, with their transaction's end.");
        _waits = gateway.Duration(
            "db.client.connection.wait_time", "How long requests waited until they had a session.");
        _timeouts = meter.CreateCounter<long>(
            "db.client.connection.timeouts", "{timeout}", "Requests whose budget was spent before they had a session.");

        // A counter that appears with its first event shows no increase, so an alert on it would not fire.
        _faults.Add(0);
        foreach (var connection in options.Connections.Keys)
        {
            _timeouts.Add(0, [new(PoolName, connection)]);
            foreach (var outcome in (string[])["replayed", "in_doubt_settled", .. OutcomeOf.Values])
                AddOutcome(0, connection, outcome);
        }
    }

    /// <summary>Measures a request whose last stage has ended.</summary>
    public void Measure(HttpLabels http, RequestRecord record)
    {
        var error = record.ErrorType;
        MeasureHttp(http, record, error);
        if (error == Fault)
            _faults.Add(1);
        if (record.Caller is { } caller)
            MeasureCaller(caller, record, error);
        if (record.Connection is { } connection)
            MeasureConnection(record, connection, error);
    }

    private void MeasureCaller(Caller caller, RequestRecord record, string? error)
    {
        var tags = new TagList { { "gateway.caller", caller.Name } };
        if (record.Connection is { } connection)
            tags.Add(Connection, connection);
        AddError(ref tags, error);
        _requests.Add(1, tags);
    }

    private void MeasureHttp(HttpLabels http, RequestRecord record, string? error)
    {
        var tags = new TagList
        {
            { Method, http.Method },
            { "url.scheme", http.Scheme },
        };
        if (http.Route is { } route)
            tags.Add("http.route", route);
        if (!record.CallerLeft)
            tags.Add("http.response.status_code", Statuses[Math.Clamp(http.Status, 0, Statuses.Length - 1)]);
        AddError(ref tags, error);
        _duration.Record(record.Elapsed.TotalSeconds, tags);
        if (record.BodyBytes is { } body)
            _bodySize.Record(body, tags);
        if (record.AnswerBytes is { } answer)
            _answerSize.Record(answer, tags);
    }

    private void MeasureConnection(RequestRecord record, string connection, string? error)
    {
        for (var stage = Stage.Read; stage <= Stage.Answer; stage++)
        {
            if (record.TimeIn(stage) > TimeSpan.Zero)
            {
                _stages.Record(
                    record.TimeIn(stage).TotalSeconds,
                    [new("gateway.request.stage", RequestRecord.NameOf(stage)), new(Connection, connection)]);
            }
        }

        if (record.Reached >= Stage.Execute)
        {
            var tags = new TagList { { "db.system.name", "postgresql" }, { PoolName, connection } };
            AddError(ref tags, error);
            _operations.Record((record.TimeIn(Stage.Execute) + record.TimeIn(Stage.Commit)).TotalSeconds, tags);
        }
        if (record.TimeIn(Stage.Queue) > TimeSpan.Zero)
        {
            // A replay may need no session.
            if (record.Reached >= Stage.Execute && record.TimeIn(Stage.Connect) > TimeSpan.Zero)
            {
                _waits.Record(
                    (record.TimeIn(Stage.Queue) + record.TimeIn(Stage.Connect)).TotalSeconds,
                    [new(PoolName, connection)]);
            }
            else if (record.Reached < Stage.Execute && record.Code == DeadlineExceeded)
                _timeouts.Add(1, [new(PoolName, connection)]);
        }

        if (record.Rows is { } rows)
            _rows.Add(rows, [new(Connection, connection)]);
        if (record.Code is { } code && OutcomeOf.TryGetValue(code, out var outcome))
            AddOutcome(1, connection, outcome);
        else if (record.WasInDoubt && !record.CallerLeft)
            AddOutcome(1, connection, "in_doubt_settled");
        else if (record.IsReplay)
            AddOutcome(1, connection, "replayed");
    }

    private void AddOutcome(int count, string connection, string outcome) =>
        _outcomes.Add(count, [new("gateway.activity.outcome", outcome), new(Connection, connection)]);

    /// <summary>
    /// Adds the error. It is the last tag: if the tags always have the same order, OpenTelemetry finds their series
    /// faster.
    /// </summary>
    private static void AddError(ref TagList tags, string? error)
    {
        if (error is not null)
            tags.Add(ErrorType, error);
    }
}
