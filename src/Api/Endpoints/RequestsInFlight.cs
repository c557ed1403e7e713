namespace Gateway.Api.Endpoints;

/// <summary>
/// Counts the requests in flight, and knows whether the gateway is draining. While it drains, readiness fails, and each
/// answer closes its connection, so that the caller reconnects and the load balancer chooses another replica.
/// </summary>
internal sealed class RequestsInFlight
{
    private int _count;
    private volatile bool _draining;

    public int Count => Volatile.Read(ref _count);

    public bool IsDraining => _draining;

    public void Drain() => _draining = true;

    public async Task InvokeAsync(HttpContext http, RequestDelegate next)
    {
        Interlocked.Increment(ref _count);
        try
        {
            // Decided when the answer starts, so that requests from before the draining close their connections too.
            http.Response.OnStarting(SayWhetherToStayAsync, http);
            await next(http);
        }
        finally
        {
            Interlocked.Decrement(ref _count);
        }
    }

    private Task SayWhetherToStayAsync(object state)
    {
        // Kestrel closes a connection with this header. HTTP/2 has no such header, and uses a frame instead.
        if (_draining && state is HttpContext http && !HttpProtocol.IsHttp2(http.Request.Protocol))
            http.Response.Headers.Connection = "close";
        return Task.CompletedTask;
    }
}
