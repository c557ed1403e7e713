using System.Net;
using Gateway.Api.PostgresTests.Faults;

namespace Gateway.Api.PostgresTests;

/// <summary>
/// Tests the number of round trips of a request, which a proxy counts. A round trip usually costs both sides and the
/// network more than the statement itself.
/// </summary>
public sealed class RoundTripTests(GatewayFixture database)
{
    private const string Read = "SELECT id FROM users WHERE id >= $1";
    private const string Write = "UPDATE users SET email = email WHERE id = $1 RETURNING id";

    [Theory]
    [InlineData("query", "", 1)]
    [InlineData("query", """, "maxRows": 1""", 1)]
    [InlineData("execute", "", 2)]
    [InlineData("execute", """, "delivery": "at-least-once" """, 2)]
    public async Task Statement_WaitsForTheServerAsOftenAsItMust(string endpoint, string fields, int expected)
    {
        var sql = endpoint == "query" ? Read : Write;
        Assert.Equal(expected, await CountAsync(
            endpoint, call => $$"""{"activityId": "trips/{{Guid.NewGuid()}}", "sql": "{{sql}}", "parameters": [{{(call % 3) + 1}}]{{fields}}}"""));
    }

    [Theory]
    [InlineData(Read, """, "readOnly": true""", 1)]
    [InlineData(Write, "", 2)]
    [InlineData(Write, """, "delivery": "at-least-once" """, 2)]
    public async Task Transaction_TakesAsManyAsOneStatementDoes(string sql, string fields, int expected)
    {
        var statement = $$"""{"sql": "{{sql}}", "parameters": [1]}""";
        Assert.Equal(expected, await CountAsync(
            "transaction", _ => $$"""{"activityId": "trips/{{Guid.NewGuid()}}", "statements": [{{statement}}, {{statement}}, {{statement}}]{{fields}}}"""));
    }

    /// <summary>
    /// Otherwise the claim's transaction is ended in a session of the pool, while the control role looks for the
    /// record.
    /// </summary>
    [Theory]
    [InlineData("", 3)]
    [InlineData(""", "attempt": 1""", 3)]
    [InlineData(""", "attempt": 2""", 1)]
    public async Task Replay_OfARequestThatSaysItIsOneTakesOne(string fields, int expected)
    {
        var body = $$"""{"activityId": "trips/{{Guid.NewGuid()}}", "sql": "{{Write}}", "parameters": [1]{{fields}}}""";
        (await database.Client.PostAsync("execute", body)).Expect(HttpStatusCode.OK);

        Assert.Equal(expected, await CountAsync("execute", _ => body));
    }

    /// <summary>
    /// Returns the minimum of several counts, because the gateway sometimes checks the server on its own.
    /// </summary>
    private async Task<long> CountAsync(string endpoint, Func<int, string> body)
    {
        await using var proxy = FaultProxy.Start(database.Dsn);
        await using var gateway = await RunningGateway.StartAsync($"--DSN={proxy.Dsn}");
        var least = long.MaxValue;
        for (var call = 0; call < 6; call++)
        {
            var before = proxy.RoundTrips;
            (await gateway.Client.PostAsync(endpoint, body(call))).Expect(HttpStatusCode.OK);
            least = Math.Min(least, proxy.RoundTrips - before);
        }
        return least;
    }
}
