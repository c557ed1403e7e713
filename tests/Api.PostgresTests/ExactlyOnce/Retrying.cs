using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;

namespace Gateway.Api.PostgresTests.ExactlyOnce;

/// <summary>
/// Acts as a workflow engine: sends an activity to the gateways until it has an answer. It stays with a gateway that
/// answers, and uses the next one if it does not.
/// </summary>
/// <param name="gateways">The gateways, in the order in which they are tried.</param>
internal sealed class Retrying(IReadOnlyList<GatewayClient> gateways)
{
    public const string Unanswered = "unanswered";

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(45);

    private readonly ConcurrentDictionary<string, int> _failures = new();
    private int _current;

    /// <summary>Gets the number of failed tries, by the problem's code or as <see cref="Unanswered"/>.</summary>
    public IReadOnlyDictionary<string, int> Failures => _failures;

    /// <returns>The first answer with 200. Any other answer that must not be retried fails the test.</returns>
    public async Task<Answer> RunAsync(Activity activity)
    {
        var last = "nothing yet";
        for (var clock = Stopwatch.StartNew(); clock.Elapsed < Patience; await Task.Delay(Pause))
        {
            var answer = await TryAsync(gateways[_current % gateways.Count], activity);
            if (answer?.Status == HttpStatusCode.OK)
                return answer;
            if (answer is null)
                _current++;
            last = answer?.Text ?? Unanswered;
            _failures.AddOrUpdate(answer is null ? Unanswered : answer.Json.GetProperty("code").GetString()!, 1, (_, count) => count + 1);
            Assert.True(
                answer is null || (int)answer.Status is 409 or 429 or >= 500,
                $"{activity.Id} was answered for good: {last}");
        }
        throw new TimeoutException($"{activity.Id} has no answer after {Patience.TotalSeconds} s; the last was: {last}");
    }

    /// <summary>Sends one try.</summary>
    /// <returns>Null if no complete answer arrived.</returns>
    public static async Task<Answer?> TryAsync(GatewayClient gateway, Activity activity)
    {
        try
        {
            return await gateway.PostAsync(activity.Endpoint, activity.Request);
        }
        catch (Exception error) when (error is HttpRequestException or IOException or OperationCanceledException)
        {
            return null;
        }
    }

    /// <summary>Asserts that the answer to the same activity is the same, byte for byte.</summary>
    public async Task AssertReplayedAsync(Activity activity, Answer first)
    {
        var replay = await RunAsync(activity);
        Assert.Equal(first.Text, replay.Text);
        Assert.Equal("true", replay.Headers["Idempotent-Replayed"]);
    }
}
