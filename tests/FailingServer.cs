using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

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

    /// <summary>The requests' <c>attempt</c>, in their order.</summary>
    public IEnumerable<int> Attempts => Requests.Select(request => request.GetProperty("attempt").GetInt32());

    /// <summary>When each request came, by a clock that never goes back.</summary>
    public List<TimeSpan> Arrivals { get; } = [];

    /// <summary>The Authorization headers that came, each empty where there was none.</summary>
    public List<string> Credentials { get; } = [];

    public static async Task<FailingServer> StartAsync(params RequestDelegate[] replies)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        var server = new FailingServer(builder.Build());
        server._application.Run(http => server.AnswerAsync(http, replies));
        await server._application.StartAsync();
        return server;
    }

    /// <summary>A reply with all that an answer has, whatever was asked.</summary>
    public static Task Succeeds(HttpContext http) => http.Response.WriteAsync(
        """
        {"activityId": "run/step", "command": "SELECT", "rowCount": 0, "truncated": false,
         "columns": [], "rows": [], "results": []}
        """);

    /// <summary>A reply of that text.</summary>
    public static RequestDelegate Answers(string text) => http => http.Response.WriteAsync(text);

    /// <summary>No reply, for as long as the caller waits.</summary>
    public static async Task Hangs(HttpContext http)
    {
        var left = new TaskCompletionSource();
        using var registration = http.RequestAborted.Register(left.SetResult);
        await left.Task;
    }

    /// <summary>A reply with a problem.</summary>
    public static RequestDelegate Fails(int status, string code, string shouldRetry, string retryAfter) => http =>
    {
        http.Response.StatusCode = status;
        http.Response.ContentType = "application/problem+json";
        http.Response.Headers["X-Should-Retry"] = shouldRetry;
        http.Response.Headers.RetryAfter = retryAfter;
        return http.Response.WriteAsync(string.Create(
            CultureInfo.InvariantCulture,
            $$"""
            {"type": "/problems/{{code}}", "title": "Told", "status": {{status}}, "code": "{{code}}", "detail": "As told.",
             "sqlState": "23505", "retryable": {{shouldRetry}}, "committed": "no"}
            """));
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
        Arrivals.Add(Stopwatch.GetElapsedTime(0));
        Paths.Add(http.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget);
        Credentials.Add(http.Request.Headers.Authorization.ToString());
        using var body = http.Request.ContentLength > 0 ? await JsonDocument.ParseAsync(http.Request.Body) : null;
        Requests.Add(body?.RootElement.Clone() ?? default);
        await replies[Requests.Count - 1](http);
    }
}
