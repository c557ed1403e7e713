using System.Text.Json;
using Microsoft.AspNetCore.Http;
using static Gateway.Tests.FailingServer;

namespace Gateway.Api.PostgresTests;

/// <summary>
/// The retry loop of <c>examples/python/gateway.py</c>, against a server that fails as it is told: a gateway does not
/// fail on demand.
/// </summary>
public sealed class ExampleRetryTests
{
    private const string Request = """{"activityId": "run/step", "sql": "SELECT 1", "parameters": [1.10]}""";

    /// <summary>
    /// Runs the request given, and prints what came of it. The pauses are written down instead of being slept.
    /// </summary>
    private const string Driver = """
        import decimal, json, sys
        sys.path.insert(0, "python")
        import gateway

        pauses = []
        gateway.time.sleep = pauses.append
        outcome = {}
        try:
            request = json.loads(sys.argv[1], parse_float=decimal.Decimal)
            outcome["answer"] = gateway.run("execute", request)
        except gateway.GatewayError as error:
            outcome["error"] = {
                "code": error.code, "detail": error.detail, "status": error.status, "retryable": error.retryable,
                "committed": error.committed, "attempt": error.attempt, "sqlState": error.problem.get("sqlState")}
        print(json.dumps({**outcome, "pauses": pauses}, default=str))
        """;

    [Fact]
    public async Task RetryableFailures_SameRequestWithAttemptsCounted()
    {
        await using var server = await FailingServer.StartAsync(
            Fails(503, "saturated", shouldRetry: "true", retryAfter: "1"),
            Fails(500, "internal", shouldRetry: "true", retryAfter: "1"),
            Succeeds);

        var outcome = await RunAsync(server);

        Assert.Equal("SELECT", outcome.GetProperty("answer").GetProperty("command").GetString());
        Assert.Equal([1, 2, 3], server.Requests.Select(request => request.GetProperty("attempt").GetInt32()));
        Assert.All(server.Requests, request =>
        {
            Assert.Equal("run/step", request.GetProperty("activityId").GetString());
            Assert.Equal("SELECT 1", request.GetProperty("sql").GetString());
            Assert.Equal("1.10", request.GetProperty("parameters")[0].GetString());
        });
        Assert.Equal(["/v1/execute"], server.Paths.Distinct());
    }

    [Fact]
    public async Task EnginesSecondAttempt_CountingStartsThere()
    {
        await using var server = await FailingServer.StartAsync(
            Fails(503, "saturated", shouldRetry: "true", retryAfter: "1"), Succeeds);

        await RunAsync(server, """{"activityId": "run/step", "attempt": 4, "sql": "SELECT 1"}""");

        Assert.Equal([4, 5], server.Requests.Select(request => request.GetProperty("attempt").GetInt32()));
    }

    [Fact]
    public async Task RetryAfter_WaitedForInFull()
    {
        await using var server = await FailingServer.StartAsync(
            Fails(429, "rate_limited", shouldRetry: "true", retryAfter: "7"),
            Fails(503, "database_unavailable", shouldRetry: "true", retryAfter: "33"),
            Succeeds);

        var pauses = Pauses(await RunAsync(server));

        Assert.Equal(2, pauses.Length);
        Assert.InRange(pauses[0], 7, 8);
        Assert.InRange(pauses[1], 33, 34);
    }

    [Theory]
    [InlineData(422)]
    // The header decides, also against the status.
    [InlineData(503)]
    public async Task ShouldRetryFalse_StopsAtOnce(int status)
    {
        await using var server = await FailingServer.StartAsync(
            Fails(status, "sql_error", shouldRetry: "false", retryAfter: "1"), Succeeds);

        var outcome = await RunAsync(server);

        Assert.Single(server.Requests);
        Assert.Empty(Pauses(outcome));
        var error = outcome.GetProperty("error");
        Assert.Equal("sql_error", error.GetProperty("code").GetString());
        Assert.Equal("As told.", error.GetProperty("detail").GetString());
        Assert.Equal(status, error.GetProperty("status").GetInt32());
        Assert.Equal("23505", error.GetProperty("sqlState").GetString());
        Assert.Equal("no", error.GetProperty("committed").GetString());
        Assert.False(error.GetProperty("retryable").GetBoolean());
    }

    [Fact]
    public async Task AlwaysFails_GivesUpAfterFiveTries()
    {
        await using var server = await FailingServer.StartAsync(
            [.. Enumerable.Repeat(Fails(503, "saturated", shouldRetry: "true", retryAfter: "1"), 6)]);

        var outcome = await RunAsync(server);

        Assert.Equal(5, server.Requests.Count);
        Assert.Equal(4, Pauses(outcome).Length);
        var error = outcome.GetProperty("error");
        Assert.Equal("saturated", error.GetProperty("code").GetString());
        Assert.Equal(5, error.GetProperty("attempt").GetInt32());
        Assert.True(error.GetProperty("retryable").GetBoolean());
    }

    [Fact]
    public async Task ConnectionCut_SentAgain()
    {
        await using var server = await FailingServer.StartAsync(
            CutsOff,
            CutsOffInTheBody,
            Succeeds);

        var outcome = await RunAsync(server);

        Assert.True(outcome.TryGetProperty("answer", out _), outcome.ToString());
        Assert.Equal([1, 2, 3], server.Requests.Select(request => request.GetProperty("attempt").GetInt32()));
    }

    [Fact]
    public async Task NobodyListens_GivesUpAfterFiveTries()
    {
        Uri address;
        await using (var server = await FailingServer.StartAsync())
            address = server.Address;

        var outcome = await RunAsync(address, Request);

        Assert.Equal(4, Pauses(outcome).Length);
        var error = outcome.GetProperty("error");
        Assert.Equal("unreachable", error.GetProperty("code").GetString());
        Assert.Equal(5, error.GetProperty("attempt").GetInt32());
        Assert.True(error.GetProperty("retryable").GetBoolean());
    }

    [Theory]
    [InlineData(502, 2)]
    [InlineData(404, 1)]
    public async Task ProxyAnswersWithoutTheHeaders_StatusDecides(int status, int tries)
    {
        await using var server = await FailingServer.StartAsync(
            http =>
            {
                http.Response.StatusCode = status;
                return http.Response.WriteAsync("<h1>No</h1>");
            },
            Succeeds);

        var outcome = await RunAsync(server);

        Assert.Equal(tries, server.Requests.Count);
        if (tries == 1)
            Assert.Equal($"http_{status}", outcome.GetProperty("error").GetProperty("code").GetString());
    }

    [Fact]
    public async Task NumbersOfTheAnswer_KeepEveryDigit()
    {
        await using var server = await FailingServer.StartAsync(
            http => http.Response.WriteAsync("""{"rows": [{"n": 9007199254740993, "d": 0.10000000000000000001}]}"""));

        var row = (await RunAsync(server)).GetProperty("answer").GetProperty("rows")[0];

        Assert.Equal("9007199254740993", row.GetProperty("n").GetRawText());
        Assert.Equal("0.10000000000000000001", row.GetProperty("d").GetString());
    }

    private static Task<JsonElement> RunAsync(FailingServer server, string request = Request) =>
        RunAsync(server.Address, request);

    private static async Task<JsonElement> RunAsync(Uri address, string request)
    {
        var driver = await ExampleProcess.RunAsync(address, "python3", "-c", Driver, request);
        Assert.True(driver.ExitCode == 0, driver.Errors);
        return JsonElement.Parse(driver.Output);
    }

    private static double[] Pauses(JsonElement outcome) =>
        [.. outcome.GetProperty("pauses").EnumerateArray().Select(pause => pause.GetDouble())];
}
