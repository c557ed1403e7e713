using System.Diagnostics;
using System.Globalization;
using Microsoft.AspNetCore.Http;

namespace Gateway.Api.PostgresTests.Engines;

/// <summary>Tests the example of each engine, with the engine itself, real workers and a real gateway.</summary>
public abstract class EngineTests(DemoFixture gateway)
{
    private const int NobodysUserId = 424_242;

    private protected DemoFixture Gateway { get; } = gateway;

    [Fact]
    public async Task WorkerKilledAfterTheEffect_OneEffectAndAReplay()
    {
        await using var front = await GatewayFront.StartAsync(Gateway.Address);

        var outcome = await KillAfterTheEffectAsync(front, total: "11.01");

        Assert.Null(outcome.Error);
        Assert.Equal([outcome.OrderId!], await OrdersAsync(total: "11.01"));
        Assert.Equal(2, front.Exchanges.Count);
        var (first, second) = (front.Exchanges[0], front.Exchanges[1]);
        Assert.Equal(first.Request.GetProperty("activityId").GetString(), second.Request.GetProperty("activityId").GetString());
        Assert.Equal("false", first.Answer!.Headers["Idempotent-Replayed"]);
        Assert.Equal("true", second.Answer!.Headers["Idempotent-Replayed"]);
        Assert.Equal(first.Answer.Text, second.Answer.Text);
    }

    /// <summary>Shows that the single effect is due to the gateway: the engine runs the step twice.</summary>
    [Fact]
    public async Task WorkerKilledAfterTheEffectAtLeastOnce_TwoEffects()
    {
        await using var front = await GatewayFront.StartAsync(Gateway.Address, delivery: "at-least-once");

        var outcome = await KillAfterTheEffectAsync(front, total: "22.02");

        var orders = await OrdersAsync(total: "22.02");
        Assert.Equal(2, orders.Length);
        Assert.Equal(orders[1], outcome.OrderId);
    }

    [Fact]
    public async Task SqlError_EndsAfterOneAttempt()
    {
        await using var front = await GatewayFront.StartAsync(Gateway.Address);
        await using var workflow = await StartAsync(front.Address, NobodysUserId, total: "33.03");

        var outcome = await workflow.WaitAsync();

        Assert.Contains("orders_user_id_fkey", outcome.Error);
        var exchange = Assert.Single(front.Exchanges);
        exchange.Answer!.ExpectProblem(422, "sql_error");
    }

    [Fact]
    public async Task RetryAfter_WaitedForInFull()
    {
        await using var front = await GatewayFront.StartAsync(Gateway.Address);
        var answered = 0L;
        front.AnswerNext(http =>
        {
            answered = Stopwatch.GetTimestamp();
            return SaturatedAsync(http.Response, retryAfter: 1);
        });
        await using var workflow = await StartAsync(front.Address, userId: 1, total: "44.04");

        var outcome = await workflow.WaitAsync();

        Assert.Null(outcome.Error);
        Assert.Equal([outcome.OrderId!], await OrdersAsync(total: "44.04"));
        Assert.Equal(TwoAttempts, front.Exchanges.Select(AttemptOf));
        // A timer may be a millisecond early.
        var waited = Stopwatch.GetElapsedTime(answered, front.Exchanges[1].Arrived);
        Assert.True(waited > TimeSpan.FromSeconds(0.99), $"It was sent again after {waited}.");
    }

    /// <summary>
    /// Gets the attempt numbers that the engine passes to a step that runs twice; null if it passes none.
    /// </summary>
    private protected abstract int?[] TwoAttempts { get; }

    /// <summary>Starts a run of the workflow, with a worker that uses the gateway at the given address.</summary>
    private protected abstract Task<OrderWorkflow> StartAsync(Uri gateway, int userId, string total);

    /// <summary>Returns the IDs of the orders with the given total, in the order in which they were placed.</summary>
    private protected async Task<string[]> OrdersAsync(string total)
    {
        var answer = await Gateway.Client.QueryAsync(
            "SELECT id FROM orders WHERE total = $1 ORDER BY id", new[] { total });
        return [.. answer.GetProperty("rows").EnumerateArray()
            .Select(row => row.GetProperty("id").GetInt64().ToString(CultureInfo.InvariantCulture))];
    }

    private async Task<OrderOutcome> KillAfterTheEffectAsync(GatewayFront front, string total)
    {
        var committed = front.WithholdNextAnswerAsync();
        await using var workflow = await StartAsync(front.Address, userId: 1, total);
        await committed.WaitAsync(TimeSpan.FromSeconds(30));
        Assert.Single(await OrdersAsync(total));

        await workflow.KillWorkerAsync();
        await workflow.RestartWorkerAsync();
        return await workflow.WaitAsync();
    }

    private static int? AttemptOf(Exchange exchange) =>
        exchange.Request.TryGetProperty("attempt", out var attempt) ? attempt.GetInt32() : null;

    private static Task SaturatedAsync(HttpResponse response, int retryAfter)
    {
        response.StatusCode = 503;
        response.ContentType = "application/problem+json";
        response.Headers["X-Should-Retry"] = "true";
        response.Headers.RetryAfter = retryAfter.ToString(CultureInfo.InvariantCulture);
        return response.WriteAsync("""{"status": 503, "code": "saturated", "detail": "As told.", "committed": "no"}""");
    }
}
