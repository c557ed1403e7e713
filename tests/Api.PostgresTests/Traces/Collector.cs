using System.Collections.Concurrent;
using System.Net;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;

namespace Gateway.Api.PostgresTests.Traces;

/// <summary>Receives traces: OTLP over HTTP and over gRPC, each on its own port.</summary>
public sealed class Collector : IAsyncDisposable
{
    /// <summary>The prefix of a gRPC message: whether it is compressed, and its length.</summary>
    private const int GrpcPrefix = 5;

    private readonly WebApplication _application;
    private readonly TaskCompletionSource _released = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ConcurrentQueue<byte[]> _bodies = new();
    private readonly ConcurrentQueue<OtlpSpan> _spans = new();

    private Collector(bool hangs)
    {
        if (!hangs)
            _released.SetResult();
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Listen(IPAddress.Loopback, 0, http => http.Protocols = HttpProtocols.Http1);
            kestrel.Listen(IPAddress.Loopback, 0, grpc => grpc.Protocols = HttpProtocols.Http2);
        });
        _application = builder.Build();
        _application.MapPost("/v1/traces", TakeAsync);
        _application.MapPost("/opentelemetry.proto.collector.trace.v1.TraceService/Export", TakeGrpcAsync);
    }

    public string HttpAddress => _application.Urls.First();

    public string GrpcAddress => _application.Urls.Last();

    /// <summary>Gets all spans that have arrived.</summary>
    public IReadOnlyCollection<OtlpSpan> Spans => _spans;

    /// <summary>Gets everything that has arrived, as text, to show what was not sent.</summary>
    public string Text => string.Concat(_bodies.Select(Encoding.UTF8.GetString));

    /// <summary>Gets the header <c>X-Tenant</c> of the last export.</summary>
    public string? Tenant { get; private set; }

    /// <summary>Gets the number of exports that have begun, answered or not.</summary>
    public int Begun { get; private set; }

    /// <param name="hangs">Whether it accepts exports, and answers none until <see cref="Release"/>.</param>
    public static async Task<Collector> StartAsync(bool hangs = false)
    {
        var collector = new Collector(hangs);
        await collector._application.StartAsync();
        return collector;
    }

    public void Release() => _released.TrySetResult();

    /// <summary>Waits for a span.</summary>
    public async Task<OtlpSpan> WaitAsync(Func<OtlpSpan, bool> isIt)
    {
        var (span, _) = await Poll.TryReadAsync(
            () => Task.FromResult(_spans.FirstOrDefault(isIt)), span => span is not null);
        Assert.True(
            span is not null,
            $"It has not come; these have: {string.Join(", ", _spans.Select(span => span.Name))}.");
        return span;
    }

    /// <summary>
    /// Waits for the span of a request in a caller's trace. All earlier spans have arrived by then too.
    /// </summary>
    public Task<OtlpSpan> WaitForRequestAsync(string trace) =>
        WaitAsync(span => span.TraceId == trace && span.Kind == OtlpSpan.Server);

    public async ValueTask DisposeAsync()
    {
        Release();
        await _application.StopAsync();
        await _application.DisposeAsync();
    }

    private async Task TakeAsync(HttpContext http)
    {
        Keep(http, await ReadAsync(http));
        await _released.Task;
        http.Response.ContentType = "application/x-protobuf";
    }

    private async Task TakeGrpcAsync(HttpContext http)
    {
        Keep(http, (await ReadAsync(http))[GrpcPrefix..]);
        await _released.Task;
        http.Response.ContentType = "application/grpc";
        http.Response.DeclareTrailer("grpc-status");
        await http.Response.Body.WriteAsync(new byte[GrpcPrefix]);
        http.Response.AppendTrailer("grpc-status", "0");
    }

    private async Task<byte[]> ReadAsync(HttpContext http)
    {
        Begun++;
        using var body = new MemoryStream();
        await http.Request.Body.CopyToAsync(body);
        return body.ToArray();
    }

    private void Keep(HttpContext http, byte[] body)
    {
        Tenant = http.Request.Headers["X-Tenant"];
        _bodies.Enqueue(body);
        foreach (var span in OtlpSpan.Read(body))
            _spans.Enqueue(span);
    }
}
