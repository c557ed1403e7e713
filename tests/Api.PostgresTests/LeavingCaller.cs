using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace Gateway.Api.PostgresTests;

/// <summary>The ways in which a caller disconnects.</summary>
public enum Departure
{
    /// <summary>Closes its connection, as a process that ends.</summary>
    Http1Fin,

    /// <summary>Resets its connection.</summary>
    Http1Reset,

    /// <summary>Closes its sending side only.</summary>
    Http2Fin,

    /// <summary>Resets its connection.</summary>
    Http2Reset,

    /// <summary>Cancels one request, and keeps the connection.</summary>
    Http2StreamReset,
}

/// <summary>A caller with its own connection, which sends a request and disconnects before the answer.</summary>
public sealed class LeavingCaller : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly Departure _departure;
    private readonly CancellationTokenSource _giveUp = new();
    private readonly HttpClient _http2;
    private Socket? _socket;
    private Task<HttpResponseMessage>? _answer;

    private LeavingCaller(Departure departure, Uri address)
    {
        _departure = departure;
        _http2 = new HttpClient(new SocketsHttpHandler
        {
            ConnectCallback = ConnectAsync,
            Expect100ContinueTimeout = Timeout.InfiniteTimeSpan,
            UseProxy = false,
        })
        {
            BaseAddress = address,
            DefaultRequestVersion = HttpVersion.Version20,
            DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
    }

    private bool SpeaksHttp2 => _departure is Departure.Http2Fin or Departure.Http2Reset or Departure.Http2StreamReset;

    /// <summary>Connects, so that only the request remains to be sent.</summary>
    /// <param name="address">
    /// An address that speaks the HTTP version of the departure; HTTP/2 with prior knowledge.
    /// </param>
    /// <param name="departure">How the caller will disconnect.</param>
    public static async Task<LeavingCaller> ConnectAsync(Uri address, Departure departure)
    {
        var caller = new LeavingCaller(departure, address);
        if (caller.SpeaksHttp2)
        {
            using var live = await caller._http2.GetAsync("/healthz/live");
            live.EnsureSuccessStatusCode();
        }
        else
            await caller.ConnectAsync(new DnsEndPoint(address.Host, address.Port), CancellationToken.None);
        return caller;
    }

    public async Task SendAsync(string endpoint, object request)
    {
        if (SpeaksHttp2)
        {
            _answer = _http2.PostAsync($"/v1/{endpoint}", JsonContent.Create(request), _giveUp.Token);
            return;
        }
        var body = JsonSerializer.SerializeToUtf8Bytes(request);
        var head = $"POST /v1/{endpoint} HTTP/1.1\r\nHost: {_http2.BaseAddress!.Authority}\r\n"
            + $"Content-Type: application/json\r\nContent-Length: {body.Length}\r\n\r\n";
        await _socket!.SendAsync((byte[])[.. Encoding.ASCII.GetBytes(head), .. body], SocketFlags.None);
    }

    /// <summary>
    /// Sends a request without the end of its body, and returns when the gateway has begun to read the body.
    /// </summary>
    public async Task SendUnfinishedAsync(string endpoint)
    {
        if (SpeaksHttp2)
        {
            var content = new UnfinishedContent(_giveUp.Token);
            var request = new HttpRequestMessage(HttpMethod.Post, $"/v1/{endpoint}")
            {
                Content = content,
                Version = _http2.DefaultRequestVersion,
                VersionPolicy = _http2.DefaultVersionPolicy,
            };
            request.Headers.ExpectContinue = true;
            _answer = _http2.SendAsync(request, _giveUp.Token);
            await content.Begun.WaitAsync(Patience);
            return;
        }
        await _socket!.SendAsync(Encoding.ASCII.GetBytes(
            $"POST /v1/{endpoint} HTTP/1.1\r\nHost: {_http2.BaseAddress!.Authority}\r\n"
            + "Content-Type: application/json\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n"));
        const string Asked = "HTTP/1.1 100 Continue\r\n\r\n";
        var received = new byte[Asked.Length];
        await new NetworkStream(_socket).ReadExactlyAsync(received).AsTask().WaitAsync(Patience);
        Assert.Equal(Asked, Encoding.ASCII.GetString(received));
        await _socket.SendAsync("{"u8.ToArray());
    }

    /// <summary>Disconnects.</summary>
    /// <returns>The time before, as <see cref="Stopwatch.GetTimestamp"/> returns it.</returns>
    public long Leave()
    {
        var moment = Stopwatch.GetTimestamp();
        switch (_departure)
        {
            case Departure.Http1Fin:
                _socket!.Shutdown(SocketShutdown.Send);
                _socket.Close();
                break;
            case Departure.Http2Fin:
                // Closing the socket while HttpClient reads from it would reset the connection.
                _socket!.Shutdown(SocketShutdown.Send);
                break;
            case Departure.Http1Reset or Departure.Http2Reset:
                _socket!.LingerState = new LingerOption(enable: true, seconds: 0);
                _socket.Close();
                break;
            case Departure.Http2StreamReset:
                _giveUp.Cancel();
                break;
        }
        return moment;
    }

    public async ValueTask DisposeAsync()
    {
        await _giveUp.CancelAsync();
        _http2.Dispose();
        _socket?.Dispose();
        try
        {
            using var answer = await (_answer ?? Task.FromResult(new HttpResponseMessage()));
        }
        catch (Exception error) when (error is HttpRequestException or OperationCanceledException)
        {
            // The caller has disconnected.
        }
        _giveUp.Dispose();
    }

    private ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellation) =>
        ConnectAsync(context.DnsEndPoint, cancellation);

    private async ValueTask<Stream> ConnectAsync(DnsEndPoint address, CancellationToken cancellation)
    {
        _socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await _socket.ConnectAsync(address, cancellation);
        return new NetworkStream(_socket, ownsSocket: true);
    }

    private sealed class UnfinishedContent : HttpContent
    {
        private readonly TaskCompletionSource _begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly CancellationToken _end;

        public UnfinishedContent(CancellationToken end)
        {
            _end = end;
            Headers.ContentType = new("application/json");
        }

        public Task Begun => _begun.Task;

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            await stream.WriteAsync("{"u8.ToArray(), _end);
            await stream.FlushAsync(_end);
            _begun.SetResult();
            await Task.Delay(Timeout.Infinite, _end);
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 1000;
            return true;
        }
    }
}
