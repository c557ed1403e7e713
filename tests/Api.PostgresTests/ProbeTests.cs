using System.Net;

namespace Gateway.Api.PostgresTests;

public sealed class ProbeTests(GatewayFixture fixture)
{
    [Fact]
    public async Task Probes_SayThatAllIsWell()
    {
        Assert.Equal("""{"status":"live"}""", (await fixture.Client.GetAsync("/healthz/live")).Text);
        Assert.Equal("""{"status":"started"}""", (await fixture.Client.GetAsync("/healthz/startup")).Text);
        Assert.Equal(
            """{"status":"ready","connections":{"default":{"reachable":true,"failedChecks":0,"journal":"ok"}}}""",
            (await fixture.Client.GetAsync("/healthz/ready")).Text);
    }

    [Fact]
    public async Task ServerGone_ReadyFollowsAfterSeveralChecksAndLiveDoesNot()
    {
        await using var server = await LocalPostgresServer.StartTemporaryAsync();
        await using var gateway = await RunningGateway.StartAsync(
            $"--DSN={server.Dsn}", "--Gateway:ReadinessIntervalMs=100", "--Gateway:ReadinessFailures=5");
        Assert.Equal(HttpStatusCode.OK, (await gateway.Client.GetAsync("/healthz/ready")).Status);

        await server.StopAsync();
        var failedChecksWhileReady = 0;
        var answer = await PollAsync(gateway, answer =>
        {
            var entry = answer.Json.GetProperty("connections").GetProperty("default");
            if (answer.Status == HttpStatusCode.OK)
                failedChecksWhileReady = Math.Max(failedChecksWhileReady, entry.GetProperty("failedChecks").GetInt32());
            return answer.Status == HttpStatusCode.ServiceUnavailable;
        });
        Assert.InRange(failedChecksWhileReady, 1, 4);
        Assert.Equal("unavailable", answer.Json.GetProperty("status").GetString());
        Assert.True(answer.Json.GetProperty("connections").GetProperty("default").GetProperty("failedChecks").GetInt32() >= 5);
        Assert.Equal(HttpStatusCode.OK, (await gateway.Client.GetAsync("/healthz/live")).Status);

        var refused = await gateway.Client.PostAsync("query", new { activityId = "a", sql = "SELECT 1" });
        refused.ExpectProblem(503, "database_unavailable");

        await server.StartAgainAsync();
        await PollAsync(gateway, answer => answer.Status == HttpStatusCode.OK);
        Assert.Equal(1, (await gateway.Client.QueryValueAsync("SELECT 1")).GetInt32());
    }

    [Fact]
    public async Task OneServerOfSeveralGone_ReadySaysWhichAndStaysReady()
    {
        await using var server = await LocalPostgresServer.StartTemporaryAsync();
        await using var gateway = await fixture.StartGatewayAsync(
            $"--Gateway:Connections:other:Dsn={server.Dsn}", "--Gateway:ReadinessIntervalMs=100");
        await server.StopAsync();

        var answer = await PollAsync(gateway, answer => answer.Json.GetProperty("status").GetString() == "degraded");

        Assert.Equal(HttpStatusCode.OK, answer.Status);
        Assert.False(answer.Json.GetProperty("connections").GetProperty("other").GetProperty("reachable").GetBoolean());
        Assert.True(answer.Json.GetProperty("connections").GetProperty("default").GetProperty("reachable").GetBoolean());
    }

    private static Task<Answer> PollAsync(RunningGateway gateway, Func<Answer, bool> until) =>
        Poll.ReadAsync(() => gateway.Client.GetAsync("/healthz/ready"), until);
}
