using Gateway.Api.Callers;
using Gateway.Api.Json;
using Gateway.Api.Results;

namespace Gateway.Api.Execution;

/// <summary>
/// What a request is answered with: the bytes of the body, made now or by an earlier attempt; or the rows, sent as they come.
/// </summary>
/// <param name="limits">How large it may be.</param>
/// <param name="memory">Counts the memory that it takes.</param>
/// <param name="clock">The clock that a stream's rows wait for company by.</param>
/// <param name="stream">Takes the rows to the caller; null where they are held.</param>
internal sealed class ActivityAnswer(AnswerLimits limits, MemoryReservation memory, TimeProvider clock, RowStream? stream = null) : IDisposable
{
    private readonly List<StatementResult> _results = [];

    // What the results before the last one have taken of the limits.
    private int _bytes;
    private long _rows;

    private PooledBuffer? _body;
    private byte[]? _recorded;

    /// <summary>Counts the memory that the request takes.</summary>
    public MemoryReservation Memory => memory;

    /// <summary>The results so far, in the order of the statements.</summary>
    public IReadOnlyList<StatementResult> Results => _results;

    /// <summary>Whether it is the recorded answer of an earlier attempt.</summary>
    public bool IsReplay => _recorded is not null;

    public ReadOnlyMemory<byte> Body => _recorded ?? _body!.Written;

    /// <summary>Of the last statement.</summary>
    public long? RowCount => _results.Count > 0 ? _results[^1].RowCount : null;

    /// <summary>Whether the rows, or the first of them, are on their way to the caller.</summary>
    public bool HasBegun => stream is { HasBegun: true };

    /// <summary>The recorded answer of an earlier attempt, in this one's place.</summary>
    public ActivityAnswer Recorded(byte[] body)
    {
        memory.Take(body.Length);
        _recorded = body;
        return this;
    }

    /// <summary>The next statement's result, to be read; it has the room that the ones before have left.</summary>
    public StatementResult Add(ActivityCall call, StatementCall statement)
    {
        if (_results is [.., var last])
        {
            _bytes += last.Written.Length;
            _rows += last.Returned;
        }
        var writer = stream?.Writer ?? call.Layout.WriterOf(statement, call.Numbers, new PooledBuffer(limits.Bytes, _bytes, memory));
        var result = new StatementResult(statement, writer, new RowReader(writer, stream, limits, _rows, memory, clock), isHeld: stream is null);
        _results.Add(result);
        return result;
    }

    /// <summary>Writes the body, where rows are held: they can be counted only once they are read.</summary>
    public void Complete(ActivityCall call)
    {
        if (stream is not null)
            return;
        call.Layout.WriteBody(_body = new PooledBuffer(int.MaxValue, memory: memory), call, _results);
        // The body has all of them.
        foreach (var result in _results)
            result.Dispose();
    }

    /// <summary>Writes a stream's end.</summary>
    public void EndStream() => _results[0].End();

    public void Dispose()
    {
        foreach (var result in _results)
            result.Dispose();
        _body?.Dispose();
    }
}
