using System.Collections.Concurrent;
using System.Net;

namespace Gateway.Api.PostgresTests.ExactlyOnce;

/// <summary>
/// Tests the same request sent many times at once, to two gateways: it has one effect, and all get its answer.
/// </summary>
public sealed class DuplicateTests(GatewayFixture fixture, ITestOutputHelper output)
{
    public const int Duplicates = 20;

    private const string Slow = $"{Effects.Insert}, pg_sleep(0.02)";

    [Fact]
    public Task Statements_HaveOneEffectAndOneAnswer() =>
        RunAsync(id => Activity.Execute(id, Slow, new[] { id }));

    [Theory]
    [InlineData("read committed")]
    [InlineData("repeatable read")]
    [InlineData("serializable")]
    public Task Transactions_HaveOneEffectAndOneAnswer(string isolation) =>
        RunAsync(id => Activity.Transaction(id, isolation, Slow, new[] { id }));

    private async Task RunAsync(Func<string, Activity> create)
    {
        await using var effects = await Effects.CreateAsync(fixture);
        await using var one = await RunningGateway.StartAsync($"--DSN={effects.Dsn}");
        await using var another = await RunningGateway.StartAsync($"--DSN={effects.Dsn}");
        GatewayClient[] gateways = [one.Client, another.Client];
        var outcomes = new ConcurrentDictionary<string, int>();

        for (var number = 0; number < Scale.DuplicatedActivities; number++)
        {
            var activity = create($"duplicate/{number}");
            var answers = await Task.WhenAll(Enumerable.Range(0, Duplicates).Select(async copy =>
            {
                var gateway = gateways[copy % gateways.Length];
                var answer = await gateway.PostAsync(activity.Endpoint, activity.Request);
                outcomes.AddOrUpdate(Outcome(answer), 1, (_, count) => count + 1);
                return answer.Status == HttpStatusCode.OK ? answer : await new Retrying([gateway]).RunAsync(activity);
            }));

            Assert.Equal(1, await effects.CountAsync(activity));
            Assert.Single(answers.Select(answer => answer.Text).Distinct());
        }

        output.WriteLine(string.Join(", ", outcomes));
        Assert.Empty(outcomes.Keys.Except(["first", "replayed"]));
        Assert.Equal(Scale.DuplicatedActivities, outcomes["first"]);
    }

    private static string Outcome(Answer answer)
    {
        if (answer.Status == HttpStatusCode.OK)
            return answer.Headers["Idempotent-Replayed"] == "true" ? "replayed" : "first";
        return answer.Json.GetProperty("code").GetString()!;
    }
}
