using Gateway.Api.Callers;
using Gateway.Api.Json;
using Gateway.Api.Postgres;
using Gateway.Api.Results;

namespace Gateway.Api.Execution;

/// <summary>
/// The answer of a request: a body that is held, from this run or from the record; or a stream, whose rows are sent
/// as they come.
/// </summary>
/// <param name="limits">The maximum size.</param>
/// <param name="memory">Counts the memory of the answer.</param>
/// <param name="clock">The clock for the flush of a stream.</param>
/// <param name="stream">Sends the rows to the caller; null if the body is held.</param>
internal sealed class ActivityAnswer(
    AnswerLimits limits, MemoryReservation memory, TimeProvider clock, RowStream? stream = null) : IDisposable
{
    private readonly List<StatementResult> _results = [];

    // The size of all results before the last one.
    private int _bytes;
    private long _rows;

    private PooledBuffer? _body;
    private byte[]? _recorded;

    /// <summary>Gets the memory reservation of the request.</summary>
    public MemoryReservation Memory => memory;

    /// <summary>Gets the results so far, in the order of the statements.</summary>
    public IReadOnlyList<StatementResult> Results => _results;

    /// <summary>
    /// Gets or sets the server's position, at or after the commit of the effect; null if there is no effect, or the
    /// server has not said.
    /// </summary>
    public ServerPosition? Position { get; set; }

    /// <summary>Gets whether the answer is a replay, from the record of an earlier attempt.</summary>
    public bool IsReplay => _recorded is not null;

    public ReadOnlyMemory<byte> Body => _recorded ?? _body!.Written;

    /// <summary>Gets the row count of the last statement.</summary>
    public long? RowCount => _results.Count > 0 ? _results[^1].RowCount : null;

    /// <summary>Makes this a replay.</summary>
    /// <param name="body">The recorded body.</param>
    public void SetReplay(byte[] body)
    {
        memory.Take(body.Length);
        _recorded = body;
    }

    /// <summary>
    /// Adds the next statement's result, to be read. Its limits are what the earlier results have left.
    /// </summary>
    public StatementResult Add(ActivityCall call, StatementCall statement)
    {
        if (_results is [.., var last])
        {
            _bytes += last.Written.Length;
            _rows += last.Returned;
        }
        var writer = stream?.Writer
            ?? call.Layout.WriterOf(statement, call.Numbers, new PooledBuffer(limits.Bytes, _bytes, memory));
        var reader = new RowReader(writer, stream, limits, _rows, memory, clock);
        var result = new StatementResult(statement, writer, reader, isHeld: stream is null);
        _results.Add(result);
        return result;
    }

    /// <summary>
    /// Writes the body from the results, if it is held. The row count, known last, comes before the rows.
    /// </summary>
    public void Complete(ActivityCall call)
    {
        if (stream is not null)
            return;
        call.Layout.WriteBody(_body = new PooledBuffer(int.MaxValue, memory: memory), call, _results);
        // The body has a copy of each.
        foreach (var result in _results)
            result.Dispose();
    }

    /// <summary>Writes the last line of a stream.</summary>
    public void EndStream() => _results[0].End();

    public void Dispose()
    {
        foreach (var result in _results)
            result.Dispose();
        _body?.Dispose();
    }
}
