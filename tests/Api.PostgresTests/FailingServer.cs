using System.Diagnostics;
using System.Net;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;

namespace Gateway.Api.PostgresTests;

/// <summary>Answers the first request as the first reply says, and so on; one more than that is a fault.</summary>
internal sealed class FailingServer : IAsyncDisposable
{
    private readonly WebApplication _application;

    private FailingServer(WebApplication application) => _application = application;

    public Uri Address => new(_application.Urls.Single());
    public List<JsonElement> Requests { get; } = [];
    public IEnumerable<int> Attempts => Requests.Select(request => request.GetProperty("attempt").GetInt32());
    public List<string> Paths { get; } = [];
    public List<string> Authorizations { get; } = [];
    public List<TimeSpan> Arrivals { get; } = [];

    public static async Task<FailingServer> StartAsync(params RequestDelegate[] replies)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        var server = new FailingServer(builder.Build());
        server._application.Run(http => server.AnswerAsync(http, replies));
        await server._application.StartAsync();
        return server;
    }

    public ValueTask DisposeAsync() => _application.DisposeAsync();

    public static Task Succeeds(HttpContext http) => http.Response.WriteAsync("""{"command": "SELECT"}""");

    private async Task AnswerAsync(HttpContext http, RequestDelegate[] replies)
    {
        Arrivals.Add(Stopwatch.GetElapsedTime(0));
        using var body = await JsonDocument.ParseAsync(http.Request.Body);
        Paths.Add(http.Request.Path);
        Authorizations.Add(http.Request.Headers.Authorization.ToString());
        Requests.Add(body.RootElement.Clone());
        await replies[Requests.Count - 1](http);
    }
}
