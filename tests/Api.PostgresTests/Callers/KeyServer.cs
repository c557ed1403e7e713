using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;

namespace Gateway.Api.PostgresTests.Callers;

/// <summary>Serves an issuer's key URL, with replies that a test sets, and counts the requests.</summary>
internal sealed class KeyServer : IAsyncDisposable
{
    private readonly WebApplication _application;
    private int _requests;

    private KeyServer(WebApplication application) => _application = application;

    public string Url => $"{_application.Urls.Single()}/keys";

    public int Requests => Volatile.Read(ref _requests);

    /// <summary>Gets or sets the reply to each request.</summary>
    public RequestDelegate Answer { get; set; } = http => http.Response.WriteAsync("{\"keys\": []}");

    public static async Task<KeyServer> StartAsync(params IssuedKey[] keys)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        var server = new KeyServer(builder.Build());
        server.Serve(keys);
        server._application.Run(http =>
        {
            Interlocked.Increment(ref server._requests);
            return server.Answer(http);
        });
        await server._application.StartAsync();
        return server;
    }

    public void Serve(params IssuedKey[] keys)
    {
        var document = IssuedKey.SetOf(keys);
        Answer = http => http.Response.WriteAsync(document);
    }

    public void Fail() => Answer = http =>
    {
        http.Response.StatusCode = 500;
        return Task.CompletedTask;
    };

    public ValueTask DisposeAsync() => _application.DisposeAsync();
}
