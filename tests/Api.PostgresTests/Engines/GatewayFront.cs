using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;

namespace Gateway.Api.PostgresTests.Engines;

/// <summary>Represents a request that passed the proxy.</summary>
/// <param name="Arrived">When it arrived, as <see cref="Stopwatch.GetTimestamp"/> returns it.</param>
/// <param name="Request">Its body, as it was forwarded.</param>
/// <param name="Answer">The gateway's answer; null if the gateway did not get the request.</param>
internal sealed record Exchange(long Arrived, JsonElement Request, Answer? Answer);

/// <summary>
/// A proxy between a workflow's worker and a gateway. It records the requests, can withhold an answer whose effect is
/// committed, and can answer in the gateway's place, because a gateway does not fail on demand.
/// </summary>
internal sealed class GatewayFront : IAsyncDisposable
{
    private readonly WebApplication _application;
    private readonly GatewayClient _gateway;
    private readonly string? _delivery;
    private readonly ConcurrentQueue<RequestDelegate> _replies = new();
    private readonly ConcurrentQueue<Exchange> _exchanges = new();
    private TaskCompletionSource? _withheld;

    private GatewayFront(WebApplication application, Uri gateway, string? delivery)
    {
        _application = application;
        _gateway = new GatewayClient(gateway);
        _delivery = delivery;
    }

    public Uri Address => new(_application.Urls.Single());

    /// <summary>Gets all requests, in their order.</summary>
    public IReadOnlyList<Exchange> Exchanges => [.. _exchanges];

    /// <param name="gateway">The gateway behind it.</param>
    /// <param name="delivery">The delivery that replaces the worker's; null for the worker's own.</param>
    public static async Task<GatewayFront> StartAsync(Uri gateway, string? delivery = null)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        var front = new GatewayFront(builder.Build(), gateway, delivery);
        front._application.Run(front.ServeAsync);
        await front._application.StartAsync();
        return front;
    }

    /// <summary>Answers the next request instead of the gateway, which does not get it.</summary>
    public void AnswerNext(RequestDelegate reply) => _replies.Enqueue(reply);

    /// <summary>Forwards the next request, and withholds its answer until the worker has ended.</summary>
    /// <returns>A task that ends when the gateway has answered.</returns>
    public Task WithholdNextAnswerAsync()
    {
        _withheld = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        return _withheld.Task;
    }

    public async ValueTask DisposeAsync()
    {
        await _application.DisposeAsync();
        _gateway.Dispose();
    }

    private async Task ServeAsync(HttpContext http)
    {
        var arrived = Stopwatch.GetTimestamp();
        var request = (await JsonNode.ParseAsync(http.Request.Body))!;
        if (_replies.TryDequeue(out var reply))
        {
            Keep(answer: null);
            await reply(http);
            return;
        }

        if (_delivery is not null)
            request["delivery"] = _delivery;
        var answer = await _gateway.PostAsync(Path.GetFileName(http.Request.Path), request.ToJsonString());
        Keep(answer);
        if (Interlocked.Exchange(ref _withheld, null) is { } withheld)
        {
            withheld.SetResult();
            await WaitUntilGoneAsync(http.RequestAborted);
            return;
        }
        await WriteAsync(http.Response, answer);

        void Keep(Answer? answer) => _exchanges.Enqueue(new Exchange(arrived, request.Deserialize<JsonElement>(), answer));
    }

    private static async Task WaitUntilGoneAsync(CancellationToken gone)
    {
        var waiting = new TaskCompletionSource();
        await using (gone.Register(waiting.SetResult))
            await waiting.Task;
    }

    private static Task WriteAsync(HttpResponse response, Answer answer)
    {
        response.StatusCode = (int)answer.Status;
        foreach (var (name, value) in answer.Headers)
        {
            // The transfer encoding belongs to each connection.
            if (name is not "Transfer-Encoding")
                response.Headers[name] = value;
        }
        response.ContentType = answer.MediaType;
        return response.WriteAsync(answer.Text);
    }
}
