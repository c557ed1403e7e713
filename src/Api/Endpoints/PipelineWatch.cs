using System.Net.Sockets;
using Microsoft.AspNetCore.Connections.Features;

namespace Gateway.Api.Endpoints;

/// <summary>
/// Notices a caller's leaving behind what it has sent ahead. While a request runs, Kestrel reads no more of its connection than its
/// buffer holds: if more comes, a caller's leaving stands behind that and is not seen, and its statement runs on. Nobody who waits
/// for an answer sends so much ahead, so such a connection is cut off, and what runs for it ends as if the caller had left.
/// </summary>
internal sealed class PipelineWatch(TimeProvider clock) : BackgroundService
{
    /// <summary>Something that Kestrel would read must be there at so many looks in a row: it may only be slow.</summary>
    private const int Looks = 3;

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(200);

    private readonly Lock _lock = new();
    private readonly LinkedList<Watched> _requests = new();

    /// <summary>Watches a request whose body has been read, until what is returned is disposed of.</summary>
    /// <returns>Null where it need not be watched: of HTTP/2 Kestrel reads on.</returns>
    public static IDisposable? Begin(HttpContext http) =>
        !HttpProtocol.IsHttp2(http.Request.Protocol) && http.Features.Get<IConnectionSocketFeature>() is { Socket: { } socket }
            ? http.RequestServices.GetRequiredService<PipelineWatch>().Add(http, socket)
            : null;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Pause, clock);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
                Look();
        }
        catch (OperationCanceledException)
        {
            // The gateway stops.
        }
    }

    private Watched Add(HttpContext http, Socket socket)
    {
        var request = new Watched(this, http, socket);
        lock (_lock)
            _requests.AddLast(request.Node);
        return request;
    }

    private void Remove(Watched request)
    {
        lock (_lock)
            _requests.Remove(request.Node);
    }

    private void Look()
    {
        Watched[] requests;
        lock (_lock)
            requests = [.. _requests];
        foreach (var request in requests)
            request.Look();
    }

    /// <summary>A request that runs.</summary>
    private sealed class Watched : IDisposable
    {
        private readonly PipelineWatch _watch;
        private readonly HttpContext _http;
        private readonly Socket _socket;
        private readonly Lock _lock = new();
        private int _seen;
        private bool _isOver;

        public Watched(PipelineWatch watch, HttpContext http, Socket socket)
        {
            (_watch, _http, _socket) = (watch, http, socket);
            Node = new LinkedListNode<Watched>(this);
        }

        public LinkedListNode<Watched> Node { get; }

        public void Look()
        {
            lock (_lock)
            {
                // Afterwards it is another request's connection.
                if (_isOver)
                    return;
                _seen = IsReadable() ? _seen + 1 : 0;
                if (_seen == Looks)
                    _http.Abort();
            }
        }

        public void Dispose()
        {
            lock (_lock)
                _isOver = true;
            _watch.Remove(this);
        }

        private bool IsReadable()
        {
            try
            {
                return _socket.Poll(TimeSpan.Zero, SelectMode.SelectRead);
            }
            catch (Exception error) when (error is SocketException or ObjectDisposedException)
            {
                // It is closed, and Kestrel knows.
                return false;
            }
        }
    }
}
