using System.Diagnostics;
using System.Globalization;
using Gateway.Api.Callers;
using Microsoft.AspNetCore.Http.Features;

namespace Gateway.Api.Telemetry;

/// <summary>The stages that a request's time goes to, in their order.</summary>
internal enum Stage
{
    Read,
    Queue,
    Connect,
    Execute,
    Commit,
    Answer,
}

/// <summary>What is known of a request while it goes its way: for its answer's headers and its line in the log.</summary>
internal sealed class RequestRecord(TimeProvider clock)
{
    private static readonly string[] StageNames = ["read", "queue", "connect", "execute", "commit", "answer"];

    private const int LongestServerTiming = 256;

    private readonly long _begun = clock.GetTimestamp();
    private readonly TimeSpan[] _durations = new TimeSpan[StageNames.Length];
    private TimeSpan _entered;
    private Stage _stage;

    /// <summary>The request's own; ASP.NET Core begins one for each.</summary>
    public Activity? Span { get; } = Activity.Current;

    /// <summary>Null where it will not be exported.</summary>
    public Activity? RecordedSpan { get; } = RequestTrace.Recorded(Activity.Current);

    /// <summary>Who sent it, where the endpoint wants to know: then it is found out before the handler runs.</summary>
    public Caller? Caller { get; set; }

    /// <summary>What it holds of the memory budget, where the endpoint wants a caller.</summary>
    public MemoryReservation Memory { get; set; } = null!;

    public string? ActivityId { get; set; }
    public int? Attempt { get; set; }
    public string? Connection { get; set; }
    public long? Rows { get; set; }

    /// <summary>The failure's code, where it failed.</summary>
    public string? Code { get; set; }

    /// <summary>Whether its answer is the one that an earlier attempt's record holds.</summary>
    public bool IsReplay { get; set; }

    /// <summary>Whether an answer to COMMIT was lost on its way.</summary>
    public bool WasInDoubt { get; set; }

    /// <summary>The bytes of its body, where it was read.</summary>
    public long? BodyBytes { get; set; }

    /// <summary>How often its statements were begun: more than once where a run lost against another transaction's.</summary>
    public int Runs { get; set; }

    /// <summary>The bytes of its answer, before they are compressed.</summary>
    public long? AnswerBytes { get; set; }

    /// <summary>The last stage that it came to before its answer.</summary>
    public Stage Reached { get; private set; }

    /// <summary>Whether it has no answer since nobody was there for it.</summary>
    public bool CallerLeft { get; set; }

    /// <summary>What kept it from being answered as it was meant, as metrics and traces have it; null where nothing did.</summary>
    public string? ErrorType => CallerLeft ? "caller_left" : Code;

    /// <summary>Since the request's arrival.</summary>
    public TimeSpan Elapsed => clock.GetElapsedTime(_begun);

    public static RequestRecord Of(HttpContext http) => http.Features.GetRequiredFeature<RequestRecord>();

    /// <summary>As the headers, the log and the traces have it.</summary>
    public static string NameOf(Stage stage) => StageNames[(int)stage];

    /// <summary>How long it was in a stage, in all its attempts; as far as that has ended.</summary>
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
        if (stage != Stage.Answer)
            Reached = stage;
    }

    /// <summary>The headers that every answer carries: Server-Timing, and the trace that the request belongs to.</summary>
    public void WriteHeaders(HttpResponse response)
    {
        // Ends the stage that is on: a failure's too.
        Enter(Stage.Answer);
        response.Headers["Server-Timing"] = ServerTiming();
        // The request's own: a stream begins while a span of the database's is on.
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

    /// <summary>In milliseconds. A double's digits would take longer to find than some of the stages.</summary>
    private static int Write(Span<char> header, string stage, TimeSpan duration, string end)
    {
        var (milliseconds, microseconds) = Math.DivRem((long)duration.TotalMicroseconds, 1000);
        header.TryWrite(CultureInfo.InvariantCulture, $"{stage};dur={milliseconds}.{microseconds:000}{end}", out var length);
        return length;
    }
}
