using System.Text.Json;
using Gateway.Api.Rows;

namespace Gateway.Api.Execution;

/// <summary>What a request is answered with: the bytes of the body, made now or by an earlier attempt.</summary>
/// <param name="limit">The most bytes that all rows may take together.</param>
internal sealed class ActivityAnswer(int limit) : IDisposable
{
    private readonly List<StatementResult> _results = [];
    private PooledBuffer? _body;
    private byte[]? _recorded;

    /// <summary>The results so far, in the order of the statements.</summary>
    public IReadOnlyList<StatementResult> Results => _results;

    /// <summary>Whether it is the recorded answer of an earlier attempt.</summary>
    public bool IsReplay => _recorded is not null;

    public ReadOnlyMemory<byte> Body => _recorded ?? _body!.Written;

    /// <summary>Of the last statement.</summary>
    public long? RowCount => _results.Count > 0 ? _results[^1].RowCount : null;

    public static ActivityAnswer Recorded(byte[] body) => new(0) { _recorded = body };

    /// <summary>The next statement's result, to be read; it has the room that the ones before have left.</summary>
    public StatementResult Add()
    {
        var result = new StatementResult(limit - _results.Sum(earlier => earlier.Rows.Length));
        _results.Add(result);
        return result;
    }

    /// <summary>Writes the body: rows can be counted only once they are read.</summary>
    public void Complete(ActivityCall call)
    {
        _body = new PooledBuffer(int.MaxValue);
        using var json = new Utf8JsonWriter(_body, JsonRows.WriterOptions);
        json.WriteStartObject();
        json.WriteString("activityId"u8, call.Activity.ActivityId);
        if (call.IsTransaction)
        {
            json.WriteStartArray("results"u8);
            foreach (var result in _results)
            {
                json.WriteStartObject();
                result.WriteTo(json);
                json.WriteEndObject();
            }
            json.WriteEndArray();
        }
        else
        {
            _results[0].WriteTo(json);
        }
        json.WriteEndObject();
    }

    public void Dispose()
    {
        foreach (var result in _results)
            result.Dispose();
        _body?.Dispose();
    }
}
