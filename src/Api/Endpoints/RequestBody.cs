using System.Text.Json;
using System.Text.Unicode;
using Gateway.Api.Callers;
using Gateway.Api.Configuration;
using Gateway.Api.Errors;
using Gateway.Api.Json;
using Gateway.Api.Postgres;
using Gateway.Api.Telemetry;
using Gateway.Contracts;
using Microsoft.Net.Http.Headers;

namespace Gateway.Api.Endpoints;

/// <summary>
/// Represents a request's body, a JSON object, read completely into pooled memory up to a limit. The bytes that arrive
/// count for the memory budget; the announced length does not.
/// </summary>
internal sealed class RequestBody : IDisposable
{
    /// <summary>
    /// The maximum nesting depth, more than PostgreSQL's own JSON allows. Reading does not use the stack.
    /// </summary>
    private const int DeepestNesting = 10_000;

    private readonly PooledBuffer _bytes;
    private readonly JsonDocument _document;
    private readonly RequestWeight _weight;
    private readonly MemoryReservation _memory;

    private RequestBody(PooledBuffer bytes, RequestWeight weight, MemoryReservation memory)
    {
        (_bytes, _weight, _memory) = (bytes, weight, memory);
        _document = Parse(bytes.Written);
        weight.Tables.DropFirst();
    }

    /// <summary>Gets the body's object. It is valid until this object is disposed of.</summary>
    public JsonElement Fields => _document.RootElement;

    /// <summary>Reads the body, and records its size.</summary>
    /// <param name="request">The request.</param>
    /// <param name="options">
    /// The maximum size of the body, and the maximum timeout: a body that takes longer is too late for any deadline.
    /// </param>
    /// <param name="anyType">Whether the body is read as JSON independent of its media type.</param>
    /// <exception cref="Failure">
    /// <c>unsupported_media_type</c>, <c>body_too_large</c>, <c>invalid_request</c>, <c>saturated</c>,
    /// <c>deadline_exceeded</c>
    /// </exception>
    public static async ValueTask<RequestBody> ReadAsync(
        HttpRequest request, GatewayOptions options, bool anyType = false)
    {
        if (!anyType)
            RequireJson(request);
        if (request.Headers.ContentEncoding.Count > 0)
            throw new Failure(ProblemCode.UnsupportedMediaType, "A compressed body is not read; send it as it is.");
        if (request.ContentLength > options.BodyLimitBytes)
            throw TooLarge(options.BodyLimitBytes);
        var record = RequestRecord.Of(request.HttpContext);
        var bytes = new PooledBuffer(int.MaxValue, memory: record.Memory);
        try
        {
            await ReceiveAsync(request, bytes, options, record);
            record.BodyBytes = bytes.Length;
            return Read(bytes, record.Memory);
        }
        catch (Exception error)
        {
            bytes.Dispose();
            if (error is IOException and not BadHttpRequestException)
                throw new CallerLeftException(error);
            throw;
        }
    }

    public static Failure TooLarge(int limit) => new(
        ProblemCode.BodyTooLarge, $"The body is larger than {limit} bytes (Gateway__BodyLimitBytes).");

    public static Failure TooSlow(Exception cause) => new(
        ProblemCode.DeadlineExceeded, "The request's body did not come in time.", cause);

    public void Dispose()
    {
        _document.Dispose();
        _weight.Tables.DropLast();
        _bytes.Dispose();
        _memory.GiveBack(_weight.Document);
    }

    private static RequestBody Read(PooledBuffer bytes, MemoryReservation memory)
    {
        // The parser does not check a string's bytes before they are read, and then the position of a fault is no
        // longer known.
        if (!Utf8.IsValid(bytes.Written.Span))
            throw Malformed("The body is not valid UTF-8.");
        if (!JsonNesting.IsCheap(bytes.Written.Span, DeepestNesting))
            throw Malformed("The body is nested too deeply for its size.");

        try
        {
            var weight = RequestWeight.Of(bytes.Written.Span, DeepestNesting);
            memory.Take(weight.Document + weight.Request);
            memory.TooLarge = ProblemCode.ResultTooLarge;
            return new RequestBody(bytes, weight, memory);
        }
        catch (JsonException error)
        {
            throw Malformed(
                $"The body is not JSON: a fault in line {error.LineNumber + 1}, byte {error.BytePositionInLine + 1} "
                + $"(or nesting deeper than {DeepestNesting}).");
        }
    }

    private static async Task ReceiveAsync(
        HttpRequest request, PooledBuffer bytes, GatewayOptions options, RequestRecord record)
    {
        var body = request.BodyReader;
        using var end = new EndOfReading(options, record, request.HttpContext.RequestAborted);
        while (true)
        {
            // Usually the whole body has arrived.
            if (!body.TryRead(out var part))
            {
                try
                {
                    part = await body.ReadAsync(end.Token);
                }
                catch (OperationCanceledException error)
                    when (!request.HttpContext.RequestAborted.IsCancellationRequested && end.HasCome)
                {
                    throw TooSlow(error);
                }
            }
            try
            {
                if (bytes.Length + part.Buffer.Length > options.BodyLimitBytes)
                    throw TooLarge(options.BodyLimitBytes);
                foreach (var segment in part.Buffer)
                    bytes.Write(segment.Span);
            }
            finally
            {
                body.AdvanceTo(part.Buffer.End);
            }
            if (part.IsCompleted)
                return;
        }
    }

    private static JsonDocument Parse(ReadOnlyMemory<byte> body)
    {
        var document = JsonDocument.Parse(body, new JsonDocumentOptions { MaxDepth = DeepestNesting });
        if (document.RootElement.ValueKind == JsonValueKind.Object)
            return document;
        document.Dispose();
        throw Malformed("The body is not a JSON object.");
    }

    private static Failure Malformed(string detail) => Failure.Invalid([new RequestFault("", detail)]);

    /// <summary>
    /// Requires the media type of JSON. A browser sends other types to another site without a preflight request, and a
    /// gateway on a developer's machine must not run SQL from a web page.
    /// </summary>
    private static void RequireJson(HttpRequest request)
    {
        if (request.ContentType is not "application/json" && !IsJson(request.ContentType))
        {
            throw new Failure(
                ProblemCode.UnsupportedMediaType, "Send the header Content-Type: application/json, in UTF-8.");
        }
    }

    private static bool IsJson(string? contentType) => MediaTypeHeaderValue.TryParse(contentType, out var type)
        && type.MediaType.Equals("application/json", StringComparison.OrdinalIgnoreCase)
        && (!type.Charset.HasValue || type.Charset.Equals("utf-8", StringComparison.OrdinalIgnoreCase));

    /// <summary>Ends the wait for a body. The timer is created only if the body has to be waited for.</summary>
    private sealed class EndOfReading(GatewayOptions options, RequestRecord record, CancellationToken callerLeft)
        : IDisposable
    {
        private CancellationTokenSource? _end;

        public bool HasCome => _end is { IsCancellationRequested: true };

        public CancellationToken Token => (_end ??= Begin()).Token;

        public void Dispose() => _end?.Dispose();

        private CancellationTokenSource Begin()
        {
            var end = CancellationTokenSource.CreateLinkedTokenSource(callerLeft);
            var left = TimeSpan.FromMilliseconds(options.MaxTimeoutMs) - record.Elapsed;
            end.CancelAfter(left > TimeSpan.Zero ? left : TimeSpan.Zero);
            return end;
        }
    }
}
