using System.Diagnostics;
using System.Globalization;
using Gateway.Api.Callers;
using Microsoft.AspNetCore.Http.Features;

namespace Gateway.Api.Telemetry;

/// <summary>The stages of a request, in their order. Each has its own time.</summary>
internal enum Stage
{
    Read,
    Queue,

    /// <summary>The request waits for an earlier attempt of its activity.</summary>
    Wait,
    Connect,
    Execute,
    Commit,
    Answer,
}

/// <summary>
/// Represents the measurements and properties of one request. The headers of its answer, its log line, its metrics and
/// its span are made from it.
/// </summary>
internal sealed class RequestRecord(TimeProvider clock)
{
    private static readonly string[] StageNames = ["read", "queue", "wait", "connect", "execute", "commit", "answer"];

    private const int LongestServerTiming = 256;

    private readonly long _begun = clock.GetTimestamp();
    private readonly TimeSpan[] _durations = new TimeSpan[StageNames.Length];
    private TimeSpan _entered;
    private Stage _stage;

    /// <summary>Gets the request's own span, which ASP.NET Core starts; null if there is none.</summary>
    public Activity? Span { get; } = Activity.Current;

    /// <summary>Gets the request's own span if it will be exported; otherwise null.</summary>
    public Activity? RecordedSpan { get; } = RequestTrace.Recorded(Activity.Current);

    /// <summary>
    /// Gets or sets the caller; null if the endpoint requires none. It is set before the endpoint's handler runs.
    /// </summary>
    public Caller? Caller { get; set; }

    /// <summary>
    /// Gets or sets the request's part of the memory budget; null if the endpoint requires no caller.
    /// </summary>
    public MemoryReservation Memory { get; set; } = null!;

    public string? ActivityId { get; set; }
    public int? Attempt { get; set; }
    public string? Connection { get; set; }
    public long? Rows { get; set; }

    /// <summary>Gets or sets the code of the failure; null if the request did not fail.</summary>
    public string? Code { get; set; }

    /// <summary>Gets or sets whether the answer is a replay, from the record of an earlier attempt.</summary>
    public bool IsReplay { get; set; }

    /// <summary>Gets or sets whether an answer to COMMIT was lost.</summary>
    public bool WasInDoubt { get; set; }

    /// <summary>Gets or sets the size of the body in bytes, as far as it was read; null if it was not read.</summary>
    public long? BodyBytes { get; set; }

    /// <summary>
    /// Gets or sets the number of runs. There are several if a run had a conflict with another transaction, for
    /// example.
    /// </summary>
    public int Runs { get; set; }

    /// <summary>Gets or sets the size of the answer in bytes, before compression.</summary>
    public long? AnswerBytes { get; set; }

    /// <summary>Gets the furthest stage that the request reached before its answer.</summary>
    public Stage Reached { get; private set; }

    /// <summary>Gets or sets whether there is no answer because the caller disconnected.</summary>
    public bool CallerLeft { get; set; }

    /// <summary>
    /// Gets the <c>error.type</c> of metrics and traces: the failure's code, or <c>caller_left</c>; null if the request
    /// succeeded.
    /// </summary>
    public string? ErrorType => CallerLeft ? "caller_left" : Code;

    /// <summary>Gets the time since the request's arrival.</summary>
    public TimeSpan Elapsed => clock.GetElapsedTime(_begun);

    public static RequestRecord Of(HttpContext http) => http.Features.GetRequiredFeature<RequestRecord>();

    /// <summary>Returns the name of a stage, for the headers, the log, the metrics and the traces.</summary>
    public static string NameOf(Stage stage) => StageNames[(int)stage];

    /// <summary>Returns the time in a stage, over all runs. The current stage counts only after it has ended.</summary>
    public TimeSpan TimeIn(Stage stage) => _durations[(int)stage];

    /// <summary>Ends one stage and begins the next.</summary>
    public void Enter(Stage stage)
    {
        var now = Elapsed;
        _durations[(int)_stage] += now - _entered;
        _entered = now;
        if (stage != _stage)
            RecordedSpan?.AddEvent(new ActivityEvent(NameOf(stage)));
        _stage = stage;
        if (stage != Stage.Answer && stage > Reached)
            Reached = stage;
    }

    /// <summary>
    /// Sets the headers of every answer: <c>Server-Timing</c>, and <c>traceparent</c> with the request's trace.
    /// </summary>
    public void WriteHeaders(HttpResponse response)
    {
        // Ends the current stage, also if the request failed in it.
        Enter(Stage.Answer);
        response.Headers["Server-Timing"] = ServerTiming();
        // The request's own span, and not the current one: a stream starts while a database span is current.
        if (Span is { IdFormat: ActivityIdFormat.W3C, Id: { } trace })
            response.Headers.TraceParent = trace;
    }

    private string ServerTiming()
    {
        Span<char> header = stackalloc char[LongestServerTiming];
        var length = 0;
        for (var stage = 0; stage < StageNames.Length; stage++)
        {
            if (_durations[stage] > TimeSpan.Zero)
                length += Write(header[length..], StageNames[stage], _durations[stage], ", ");
        }
        length += Write(header[length..], "total", Elapsed, "");
        return header[..length].ToString();
    }

    /// <summary>
    /// Writes a stage's duration in milliseconds. It divides integers, because formatting a double takes longer than
    /// some of the stages.
    /// </summary>
    private static int Write(Span<char> header, string stage, TimeSpan duration, string end)
    {
        var (milliseconds, microseconds) = Math.DivRem((long)duration.TotalMicroseconds, 1000);
        header.TryWrite(
            CultureInfo.InvariantCulture, $"{stage};dur={milliseconds}.{microseconds:000}{end}", out var length);
        return length;
    }
}
