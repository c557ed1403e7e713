using System.Buffers;
using System.Text.Json;
using System.Text.Unicode;
using Gateway.Api.Errors;
using Gateway.Api.Execution;
using Gateway.Api.Telemetry;
using Gateway.Contracts;
using Microsoft.Net.Http.Headers;

namespace Gateway.Api.Endpoints;

/// <summary>A request's body as a JSON object, read whole into pooled memory up to a limit.</summary>
internal sealed class RequestBody : IDisposable
{
    /// <summary>As deep as PostgreSQL's own JSON goes, and more; reading takes no stack.</summary>
    private const int DeepestNesting = 10_000;

    private readonly byte[] _bytes;
    private readonly JsonDocument _document;

    private RequestBody(byte[] bytes, JsonDocument document)
    {
        _bytes = bytes;
        _document = document;
    }

    /// <summary>Valid until this is disposed.</summary>
    public JsonElement Fields => _document.RootElement;

    /// <summary>Reads it, and records its size.</summary>
    /// <param name="request">The request.</param>
    /// <param name="limit">The most bytes.</param>
    /// <param name="anyType">Whether it is read as JSON whatever its media type is.</param>
    /// <exception cref="Failure"><c>unsupported_media_type</c>, <c>body_too_large</c>, <c>invalid_request</c></exception>
    public static async ValueTask<RequestBody> ReadAsync(HttpRequest request, int limit, bool anyType = false)
    {
        if (!anyType)
            RequireJson(request);
        if (request.Headers.ContentEncoding.Count > 0)
            throw new Failure(ProblemCode.UnsupportedMediaType, "A compressed body is not read; send it as it is.");
        var bytes = ArrayPool<byte>.Shared.Rent((int)Math.Clamp(request.ContentLength ?? 0, 1024, limit));
        try
        {
            var length = 0;
            while (true)
            {
                if (length == bytes.Length)
                    bytes = Enlarge(bytes);
                var read = await request.Body.ReadAsync(bytes.AsMemory(length), request.HttpContext.RequestAborted);
                if (read == 0)
                {
                    var body = new RequestBody(bytes, Parse(bytes.AsMemory(0, length)));
                    RequestRecord.Of(request.HttpContext).BodyBytes = length;
                    return body;
                }
                length += read;
                if (length > limit)
                    throw TooLarge(limit);
            }
        }
        catch (Exception error)
        {
            ArrayPool<byte>.Shared.Return(bytes);
            if (error is IOException and not BadHttpRequestException)
                throw new CallerLeftException(error);
            throw;
        }
    }

    public static Failure TooLarge(int limit) => new(
        ProblemCode.BodyTooLarge, $"The body is larger than {limit} bytes (Gateway__BodyLimitBytes).");

    public void Dispose()
    {
        _document.Dispose();
        ArrayPool<byte>.Shared.Return(_bytes);
    }

    private static byte[] Enlarge(byte[] bytes)
    {
        var larger = ArrayPool<byte>.Shared.Rent(bytes.Length * 2);
        bytes.CopyTo(larger, 0);
        ArrayPool<byte>.Shared.Return(bytes);
        return larger;
    }

    private static JsonDocument Parse(ReadOnlyMemory<byte> body)
    {
        // The parser leaves a string's bytes unlooked at until it is asked for; then it would be too late to say where.
        if (!Utf8.IsValid(body.Span))
            throw Malformed("The body is not valid UTF-8.");

        if (!JsonNesting.IsCheap(body.Span, DeepestNesting))
            throw Malformed("The body is nested too deeply for its size.");

        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(body, new JsonDocumentOptions { MaxDepth = DeepestNesting });
        }
        catch (JsonException error)
        {
            throw Malformed(
                $"The body is not JSON: a fault in line {error.LineNumber + 1}, byte {error.BytePositionInLine + 1} "
                + $"(or nesting deeper than {DeepestNesting}).");
        }
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
}
