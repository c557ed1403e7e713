namespace Gateway.Api.Endpoints;

/// <summary>
/// The requests that are being answered, and whether the gateway is on its way out: then readiness says so, and each answer
/// asks its caller to take another connection, which a load balancer leads elsewhere.
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
            // Not before the answer starts: what came before the draining is to close its connection too.
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
        // Kestrel closes the connection by it. HTTP/2 has no such header, and says it by a frame of its own.
        if (_draining && state is HttpContext http && !HttpProtocol.IsHttp2(http.Request.Protocol))
            http.Response.Headers.Connection = "close";
        return Task.CompletedTask;
    }
}
