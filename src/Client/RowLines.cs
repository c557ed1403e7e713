using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using System.Text.Json;

namespace Gateway.Client;

/// <summary>
/// Reads an answer of <c>application/x-ndjson</c>: a line of columns, a line for each row, and a last line that tells
/// how the stream ended.
/// </summary>
internal sealed class RowLines : IAsyncDisposable
{
    public const string MediaType = "application/x-ndjson";

    /// <summary>The size of the gateway's own writes.</summary>
    private const int BufferBytes = 32 * 1024;

    private readonly Exchange _exchange;
    private readonly HttpResponseMessage _response;
    private readonly PipeReader _lines;
    private SequencePosition? _after;
    private long _rows;

    private RowLines(Exchange exchange, HttpResponseMessage response, Stream body)
    {
        _exchange = exchange;
        _response = response;
        _lines = PipeReader.Create(body, new StreamPipeReaderOptions(bufferSize: BufferBytes));
    }

    /// <summary>Gets the row that was read last. It is valid until the next read.</summary>
    public ReadOnlySequence<byte> Row { get; private set; }

    /// <summary>Gets whether there is a row.</summary>
    public bool HasRow { get; private set; }

    /// <summary>Sends the request, and reads up to the first row.</summary>
    public static async Task<RowLines> OpenAsync(Exchange exchange, CancellationToken leaving)
    {
        var response = await exchange.BeginAsync(MediaType, leaving).ConfigureAwait(false);
        RowLines? rows = null;
        try
        {
            // The stream is available at once: it is only a view of the connection.
            var body = await response.Content.ReadAsStreamAsync(leaving).ConfigureAwait(false);
            rows = new RowLines(exchange, response, body);
            if (await rows.ReadLineAsync(leaving).ConfigureAwait(false) is not { } columns)
                throw exchange.Unreachable("the stream has no line");
            if (!StartsWith(columns, "{\"columns\":"u8))
                throw exchange.Invalid("its first line is not one of columns");
            await rows.ReadAsync(leaving).ConfigureAwait(false);
            return rows;
        }
        catch
        {
            if (rows is not null)
                await rows.DisposeAsync().ConfigureAwait(false);
            response.Dispose();
            throw;
        }
    }

    /// <summary>Reads the next row, or the end.</summary>
    /// <exception cref="GatewayException">The stream ended with a problem, or without its last line.</exception>
    public async Task ReadAsync(CancellationToken leaving)
    {
        var line = await ReadLineAsync(leaving).ConfigureAwait(false) ?? throw Cut();
        // A row may have a column of that name. Only the last line of the stream is its end.
        if (StartsWith(line, "{\"end\":"u8) || StartsWith(line, "{\"error\":"u8))
        {
            var held = new ReadOnlySequence<byte>(line.ToArray());
            if (!await HasMoreAsync(leaving).ConfigureAwait(false))
            {
                End(held);
                return;
            }
            line = held;
        }
        (Row, HasRow) = (line, true);
        _rows++;
    }

    public async ValueTask DisposeAsync()
    {
        await _lines.CompleteAsync().ConfigureAwait(false);
        _response.Dispose();
    }

    private void End(ReadOnlySequence<byte> line)
    {
        JsonElement last;
        try
        {
            var reader = new Utf8JsonReader(line);
            last = JsonElement.ParseValue(ref reader);
        }
        catch (JsonException error)
        {
            throw _exchange.Invalid("its last line is no JSON", error);
        }
        if (Member(last, "error", JsonValueKind.Object) is { } problem
            && Member(problem, "code", JsonValueKind.String) is not null)
        {
            var status =
                Member(problem, "status", JsonValueKind.Number)?.TryGetInt32(out var told) == true ? told : 500;
            throw _exchange.Failed(
                problem, (HttpStatusCode)status, "the stream ended so", shouldRetry: null, retryAfter: null);
        }
        // Otherwise the line is a row that looks like an end, in a stream that was cut off after it.
        if (Member(last, "end", JsonValueKind.Object) is not { } end
            || Member(end, "rowCount", JsonValueKind.Number) is not { } count
            || !count.TryGetInt64(out var rows) || rows != _rows)
        {
            throw Cut();
        }
        (Row, HasRow) = (default, false);
    }

    private static JsonElement? Member(JsonElement json, string name, JsonValueKind kind) =>
        json.TryGetProperty(name, out var member) && member.ValueKind == kind ? member : null;

    private GatewayException Cut() =>
        _exchange.Unreachable($"the stream ended behind {_rows} rows, without its last line");

    /// <summary>Reads a line.</summary>
    /// <returns>The line without its line break; null if there are no more lines.</returns>
    private async ValueTask<ReadOnlySequence<byte>?> ReadLineAsync(CancellationToken leaving)
    {
        var scanned = 0L;
        while (true)
        {
            var read = await FillAsync(leaving).ConfigureAwait(false);
            if (read.Buffer.Slice(scanned).PositionOf((byte)'\n') is { } end)
            {
                _after = read.Buffer.GetPosition(1, end);
                return read.Buffer.Slice(0, end);
            }
            if (read.IsCompleted)
                return read.Buffer.IsEmpty ? null : throw Cut();
            scanned = read.Buffer.Length;
            _lines.AdvanceTo(read.Buffer.Start, read.Buffer.End);
        }
    }

    /// <summary>Returns whether anything follows the line that was read.</summary>
    private async ValueTask<bool> HasMoreAsync(CancellationToken leaving)
    {
        while (true)
        {
            var read = await FillAsync(leaving).ConfigureAwait(false);
            if (!read.Buffer.IsEmpty || read.IsCompleted)
            {
                _after = read.Buffer.Start;
                return !read.Buffer.IsEmpty;
            }
            _lines.AdvanceTo(read.Buffer.Start, read.Buffer.End);
        }
    }

    private async ValueTask<ReadResult> FillAsync(CancellationToken leaving)
    {
        if (_after is { } position)
            _lines.AdvanceTo(position);
        _after = null;
        return _lines.TryRead(out var read)
            ? read
            : await _exchange.ListenAsync(ending => _lines.ReadAsync(ending).AsTask(), leaving).ConfigureAwait(false);
    }

    private static bool StartsWith(ReadOnlySequence<byte> line, ReadOnlySpan<byte> start)
    {
        if (line.Length < start.Length)
            return false;
        Span<byte> first = stackalloc byte[start.Length];
        line.Slice(0, start.Length).CopyTo(first);
        return first.SequenceEqual(start);
    }
}
