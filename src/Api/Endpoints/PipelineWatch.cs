using System.Net.Sockets;
using Microsoft.AspNetCore.Connections.Features;

namespace Gateway.Api.Endpoints;

/// <summary>
/// Detects a caller that disconnects after it has sent more data ahead. While a request runs, Kestrel reads no more of
/// its connection than fits in its buffer. If more data is waiting, Kestrel can't see a disconnect after it, and the
/// statement would run on. A client that waits for an answer does not send that much ahead, so the watch aborts the
/// connection, and the request ends as if the caller had disconnected.
/// </summary>
internal sealed class PipelineWatch(TimeProvider clock) : BackgroundService
{
    /// <summary>The number of consecutive checks that must find unread data: Kestrel may only be slow.</summary>
    private const int Looks = 3;

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(200);

    private readonly Lock _lock = new();
    private readonly LinkedList<Watched> _requests = new();

    /// <summary>Watches a request, whose body has been read, until the returned object is disposed of.</summary>
    /// <returns>Null if the request need not be watched: with HTTP/2 Kestrel reads on.</returns>
    public static IDisposable? Begin(HttpContext http) =>
        !HttpProtocol.IsHttp2(http.Request.Protocol)
        && http.Features.Get<IConnectionSocketFeature>() is { Socket: { } socket }
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
            // The gateway is stopping.
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

    /// <summary>Represents a running request.</summary>
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
                // After its end the connection belongs to another request.
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
                // The connection is closed, and Kestrel knows.
                return false;
            }
        }
    }
}
