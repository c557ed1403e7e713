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
/// Replaces a gateway with a server that fails on demand, which a gateway does not. It answers the first request with
/// the first reply, and so on; more requests than replies are a test failure.
/// </summary>
internal sealed class FailingServer : IAsyncDisposable
{
    private readonly WebApplication _application;

    private FailingServer(WebApplication application) => _application = application;

    public Uri Address => new(_application.Urls.Single());

    /// <summary>Gets the bodies of the requests, in their order; undefined if a request had none.</summary>
    public List<JsonElement> Requests { get; } = [];

    public List<string> Paths { get; } = [];

    /// <summary>Gets the <c>attempt</c> of each request, in their order.</summary>
    public IEnumerable<int> Attempts => Requests.Select(request => request.GetProperty("attempt").GetInt32());

    /// <summary>Gets the arrival time of each request, by a monotonic clock.</summary>
    public List<TimeSpan> Arrivals { get; } = [];

    /// <summary>Gets the Authorization headers, in order; empty if a request had none.</summary>
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

    /// <summary>A reply with all members of an answer, for any request.</summary>
    public static Task Succeeds(HttpContext http) => http.Response.WriteAsync(
        """
        {"activityId": "run/step", "command": "SELECT", "rowCount": 0, "truncated": false,
         "columns": [], "rows": [], "results": []}
        """);

    /// <summary>Returns a reply with a given text.</summary>
    public static RequestDelegate Answers(string text) => http => http.Response.WriteAsync(text);

    /// <summary>No reply, for as long as the caller waits.</summary>
    public static async Task Hangs(HttpContext http)
    {
        var left = new TaskCompletionSource();
        using var registration = http.RequestAborted.Register(left.SetResult);
        await left.Task;
    }

    /// <summary>Returns a reply with a problem.</summary>
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

    /// <summary>A reply that is cut off before its end.</summary>
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
