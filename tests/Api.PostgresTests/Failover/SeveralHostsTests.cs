using System.Net;
using Npgsql;

namespace Gateway.Api.PostgresTests.Failover;

/// <summary>Tests a DSN with several hosts of which one does not answer, as a machine that is cut off.</summary>
public sealed class SeveralHostsTests(GatewayFixture fixture)
{
    [Fact]
    public async Task HostThatDoesNotAnswer_IsNotTriedFirstAgain()
    {
        var server = Dsns.Dsn.Parse(fixture.Dsn);
        await using var first = new HangingProxy(server.Host!, server.Port);
        await using var second = new HangingProxy(server.Host!, server.Port);
        first.Hang();
        var several = new NpgsqlConnectionStringBuilder(fixture.Dsn)
        {
            Host = $"127.0.0.1:{first.Port},127.0.0.1:{second.Port}",
            TargetSessionAttributes = "primary",
        };
        several.Remove("Port");
        await using var gateway = await RunningGateway.StartAsync(
            $"--DSN={several.ConnectionString}", "--Gateway:Connections:default:ReuseSessions=false");

        await AnswersAsync("first");
        var tried = first.Connections;
        for (var time = 0; time < 3; time++)
            await AnswersAsync($"again-{time}");
        Assert.Equal(tried, first.Connections);

        second.Hang();
        first.Recover();
        await AnswersAsync("failed-over");

        async Task AnswersAsync(string id) =>
            (await gateway.Client.PostAsync("query", new { activityId = id, sql = "SELECT 1 AS one" })).Expect(HttpStatusCode.OK);
    }
}
