using System.Globalization;
using System.Net;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;

namespace Gateway.Tests;

/// <summary>
/// A server in a gateway's place, which fails as it is told: a gateway does not fail on demand. It answers the first request as
/// the first reply says, and so on; one more than that is a fault.
/// </summary>
internal sealed class FailingServer : IAsyncDisposable
{
    private readonly WebApplication _application;

    private FailingServer(WebApplication application) => _application = application;

    public Uri Address => new(_application.Urls.Single());

    /// <summary>The bodies that came, in their order; an undefined value where there was none.</summary>
    public List<JsonElement> Requests { get; } = [];

    public List<string> Paths { get; } = [];

    public static async Task<FailingServer> StartAsync(params RequestDelegate[] replies)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        var server = new FailingServer(builder.Build());
        server._application.Run(http => server.AnswerAsync(http, replies));
        await server._application.StartAsync();
        return server;
    }

    /// <summary>A reply with what the least of answers has.</summary>
    public static Task Succeeds(HttpContext http) => http.Response.WriteAsync("""{"command": "SELECT"}""");

    /// <summary>A reply with a problem.</summary>
    public static RequestDelegate Fails(int status, string code, string shouldRetry, string retryAfter) => http =>
    {
        http.Response.StatusCode = status;
        http.Response.ContentType = "application/problem+json";
        http.Response.Headers["X-Should-Retry"] = shouldRetry;
        http.Response.Headers.RetryAfter = retryAfter;
        return http.Response.WriteAsync(string.Create(
            CultureInfo.InvariantCulture,
            $$"""{"status": {{status}}, "code": "{{code}}", "detail": "As told.", "sqlState": "23505", "committed": "no"}"""));
    };

    /// <summary>No reply: the connection is cut.</summary>
    public static Task CutsOff(HttpContext http)
    {
        http.Abort();
        return Task.CompletedTask;
    }

    /// <summary>A reply that is cut before it is whole.</summary>
    public static async Task CutsOffInTheBody(HttpContext http)
    {
        http.Response.ContentLength = 100;
        await http.Response.WriteAsync("{\"command\":");
        await http.Response.Body.FlushAsync();
        http.Abort();
    }

    public ValueTask DisposeAsync() => _application.DisposeAsync();

    private async Task AnswerAsync(HttpContext http, RequestDelegate[] replies)
    {
        Paths.Add(http.Request.Path);
        using var body = http.Request.ContentLength > 0 ? await JsonDocument.ParseAsync(http.Request.Body) : null;
        Requests.Add(body?.RootElement.Clone() ?? default);
        await replies[Requests.Count - 1](http);
    }
}
