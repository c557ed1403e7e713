using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.Sockets;

namespace Gateway.Api.PostgresTests.Streams;

/// <summary>
/// A caller that reads a stream at its own pace. Its socket buffer is small, so that unread data soon blocks the
/// sender.
/// </summary>
internal sealed class StreamCaller : IDisposable
{
    // A buffer smaller than a few loopback segments would make the transfer very slow.
    private const int SocketRoom = 256 * 1024;

    private readonly HttpClient _http;
    private readonly Version _version;
    private Socket? _socket;

    /// <param name="address">The gateway's address.</param>
    /// <param name="version">The HTTP version, 2 with prior knowledge; 1.1 by default.</param>
    /// <param name="key">The caller's key; null for none.</param>
    public StreamCaller(Uri address, Version? version = null, string? key = null)
    {
        _version = version ?? HttpVersion.Version11;
        _http = new HttpClient(new SocketsHttpHandler
        {
            ConnectCallback = ConnectAsync,
            UseProxy = false,
            InitialHttp2StreamWindowSize = 65_535,
        })
        {
            BaseAddress = address,
            Timeout = TimeSpan.FromSeconds(60),
        };
        if (key is not null)
            _http.DefaultRequestHeaders.Authorization = new("Bearer", key);
    }

    /// <summary>Sends a query, and returns when its answer has begun.</summary>
    public async Task<HttpResponseMessage> SendAsync(object request, string accept = StreamForms.Ndjson, string? acceptEncoding = null)
    {
        using var message = new HttpRequestMessage(HttpMethod.Post, "/v1/query")
        {
            Content = JsonContent.Create(request),
            Version = _version,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        message.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue(accept));
        if (acceptEncoding is not null)
            message.Headers.AcceptEncoding.ParseAdd(acceptEncoding);
        // Buffered, so that the body is sent with its length, which HTTP/1.0 needs.
        await message.Content.LoadIntoBufferAsync();
        return await _http.SendAsync(message, HttpCompletionOption.ResponseHeadersRead);
    }

    /// <summary>Disconnects like a process that crashes.</summary>
    public void Vanish()
    {
        _socket!.LingerState = new LingerOption(enable: true, seconds: 0);
        _socket.Close();
    }

    public void Dispose()
    {
        _http.Dispose();
        _socket?.Dispose();
    }

    private async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellation)
    {
        _socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true, ReceiveBufferSize = SocketRoom };
        await _socket.ConnectAsync(context.DnsEndPoint, cancellation);
        return new NetworkStream(_socket, ownsSocket: true);
    }
}
