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
/// A request's body as a JSON object, read whole into pooled memory up to a limit. What has come of it is counted as it comes, and
/// what it promises is not.
/// </summary>
internal sealed class RequestBody : IDisposable
{
    /// <summary>As deep as PostgreSQL's own JSON goes, and more; reading takes no stack.</summary>
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

    /// <summary>Valid until this is disposed.</summary>
    public JsonElement Fields => _document.RootElement;

    /// <summary>Reads it, and records its size.</summary>
    /// <param name="request">The request.</param>
    /// <param name="options">The most bytes, and the longest that it may take to come: a budget is over by then.</param>
    /// <param name="anyType">Whether it is read as JSON whatever its media type is.</param>
    /// <exception cref="Failure">
    /// <c>unsupported_media_type</c>, <c>body_too_large</c>, <c>invalid_request</c>, <c>saturated</c>, <c>deadline_exceeded</c>
    /// </exception>
    public static async ValueTask<RequestBody> ReadAsync(HttpRequest request, GatewayOptions options, bool anyType = false)
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
        // The parser leaves a string's bytes unlooked at until it is asked for; then it would be too late to say where.
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

    private static async Task ReceiveAsync(HttpRequest request, PooledBuffer bytes, GatewayOptions options, RequestRecord record)
    {
        var body = request.BodyReader;
        using var end = new EndOfReading(options, record, request.HttpContext.RequestAborted);
        while (true)
        {
            // Most often all of it is there.
            if (!body.TryRead(out var part))
            {
                try
                {
                    part = await body.ReadAsync(end.Token);
                }
                catch (OperationCanceledException error) when (!request.HttpContext.RequestAborted.IsCancellationRequested && end.HasCome)
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
    /// A browser sends any other type across sites without asking first, and a gateway on somebody's machine must not
    /// take SQL from a web page.
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

    /// <summary>The moment until which a body is waited for; a timer is made only where it has to be.</summary>
    private sealed class EndOfReading(GatewayOptions options, RequestRecord record, CancellationToken callerLeft) : IDisposable
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
