using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using static Gateway.Tests.FailingServer;

namespace Gateway.Api.PostgresTests;

/// <summary>
/// Tests the retry loop of the examples' client in one language, against a server that fails on demand.
/// </summary>
public abstract class ExampleRetryTests(ExamplePrograms programs, string language)
{
    /// <summary>
    /// Gets whether the language's numbers are doubles. Then they must be text, in requests and in answers.
    /// </summary>
    private bool NumbersAreDoubles => language == "typescript";

    private string Number => NumbersAreDoubles ? "\"1.10\"" : "1.10";

    private string Request => $$"""
        {"activityId": "run/step", "sql": "SELECT '\u00e9 {\"\\'", "parameters": [{{Number}}, [], null]}
        """;

    [Fact]
    public async Task RetryableFailures_SameRequestWithAttemptsCounted()
    {
        await using var server = await FailingServer.StartAsync(
            Fails(503, "saturated", shouldRetry: "true", retryAfter: "0"),
            Fails(500, "internal", shouldRetry: "true", retryAfter: "0"),
            Succeeds);

        var answer = (await SendAsync(server)).ExpectAnswer();

        Assert.Equal("SELECT", answer.GetProperty("command").GetString());
        Assert.Equal([1, 2, 3], server.Attempts);
        Assert.Equal("run/step", server.Requests[0].GetProperty("activityId").GetString());
        Assert.Equal("SELECT 'é {\"\\'", server.Requests[0].GetProperty("sql").GetString());
        Assert.Equal("1.10", server.Requests[0].GetProperty("parameters")[0].ToString());
        Assert.Equal("[]", server.Requests[0].GetProperty("parameters")[1].GetRawText());
        Assert.Single(server.Requests.Select(WithoutAttempt).Distinct());
        Assert.Equal(["/v1/execute"], server.Paths.Distinct());
    }

    [Fact]
    public async Task EnginesSecondAttempt_CountingStartsThere()
    {
        await using var server = await FailingServer.StartAsync(
            Fails(503, "saturated", shouldRetry: "true", retryAfter: "0"), Succeeds);

        (await SendAsync(server, attempt: 4)).ExpectAnswer();

        Assert.Equal([4, 5], server.Attempts);
    }

    [Fact]
    public async Task EarlierAttemptStillRunning_DoesNotCount()
    {
        var inFlight = Fails(409, "activity_in_flight", shouldRetry: "true", retryAfter: "0");
        await using var server = await FailingServer.StartAsync(
            [.. Enumerable.Repeat(inFlight, 6), Fails(503, "saturated", shouldRetry: "true", retryAfter: "0"), Succeeds]);

        (await SendAsync(server)).ExpectAnswer();

        Assert.Equal(Enumerable.Range(1, 8), server.Attempts);
    }

    [Fact]
    public async Task RetryAfter_WaitedForInFull()
    {
        await using var server = await FailingServer.StartAsync(
            Fails(429, "rate_limited", shouldRetry: "true", retryAfter: "2"), Succeeds);

        (await SendAsync(server)).ExpectAnswer();

        // Without Retry-After the client pauses for half a second at most. A timer may be a little early.
        Assert.True(server.Arrivals[1] - server.Arrivals[0] > TimeSpan.FromSeconds(1.9));
    }

    [Theory]
    [InlineData(422)]
    // The header decides, even if the status says otherwise.
    [InlineData(503)]
    public async Task ShouldRetryFalse_StopsAtOnce(int status)
    {
        await using var server = await FailingServer.StartAsync(
            Fails(status, "sql_error", shouldRetry: "false", retryAfter: "0"), Succeeds);

        var error = (await SendAsync(server)).ExpectError("sql_error", attempt: 1, retryable: false);

        Assert.Single(server.Requests);
        Assert.Equal("As told.", error.GetProperty("detail").GetString());
        Assert.Equal(status, error.GetProperty("status").GetInt32());
        Assert.Equal("23505", error.GetProperty("problem").GetProperty("sqlState").GetString());
        Assert.Equal("no", error.GetProperty("committed").GetString());
    }

    [Fact]
    public async Task ShouldRetryTrue_SentAgainWhateverTheStatus()
    {
        await using var server = await FailingServer.StartAsync(
            Fails(404, "database_starting", shouldRetry: "true", retryAfter: "0"), Succeeds);

        (await SendAsync(server)).ExpectAnswer();

        Assert.Equal([1, 2], server.Attempts);
    }

    [Fact]
    public async Task AlwaysFails_GivesUpAfterFiveTries()
    {
        await using var server = await FailingServer.StartAsync(
            [.. Enumerable.Repeat(Fails(503, "saturated", shouldRetry: "true", retryAfter: "0"), 6)]);

        var outcome = await SendAsync(server);

        outcome.ExpectError("saturated", attempt: 5, retryable: true);
        Assert.Equal([1, 2, 3, 4, 5], server.Attempts);
    }

    [Fact]
    public async Task ConnectionCut_SentAgain()
    {
        await using var server = await FailingServer.StartAsync(CutsOff, CutsOffInTheBody, Succeeds);

        (await SendAsync(server)).ExpectAnswer();

        Assert.Equal([1, 2, 3], server.Attempts);
        Assert.Single(server.Requests.Select(WithoutAttempt).Distinct());
    }

    [Fact]
    public async Task NobodyListens_GivesUpAsUnreachable()
    {
        Uri address;
        await using (var server = await FailingServer.StartAsync())
            address = server.Address;

        var outcome = await SendAsync(address, tries: 2);

        var error = outcome.ExpectError("unreachable", attempt: 2, retryable: true);
        Assert.Equal("unknown", error.GetProperty("committed").GetString());
    }

    [Theory]
    [InlineData(502, 2)]
    [InlineData(429, 2)]
    [InlineData(404, 1)]
    // A followed redirect would be a GET without the request.
    [InlineData(302, 1)]
    public async Task ProxyAnswersWithoutTheHeaders_StatusDecides(int status, int tries)
    {
        await using var server = await FailingServer.StartAsync(
            http =>
            {
                http.Response.StatusCode = status;
                http.Response.Headers.Location = "/elsewhere";
                return http.Response.WriteAsync("<h1>No</h1>");
            },
            Succeeds);

        var outcome = await SendAsync(server);

        Assert.Equal(tries, server.Requests.Count);
        if (tries == 1)
            outcome.ExpectError($"http_{status}", attempt: 1, retryable: false);
        else
            outcome.ExpectAnswer();
    }

    [Fact]
    public async Task AnswerThatIsNoJson_IsAnError()
    {
        await using var server = await FailingServer.StartAsync(http => http.Response.WriteAsync("<h1>Welcome</h1>"));

        var outcome = await SendAsync(server);

        outcome.ExpectError("invalid_response", attempt: 1, retryable: false);
    }

    [Fact]
    public async Task NumbersOfTheAnswer_KeepEveryDigit()
    {
        await using var server = await FailingServer.StartAsync(http => http.Response.WriteAsync(NumbersAreDoubles
            ? """{"rows": [{"n": "9007199254740993", "d": "0.10000000000000000001"}]}"""
            : """{"rows": [{"n": 9007199254740993, "d": 0.10000000000000000001}]}"""));

        var row = (await SendAsync(server)).ExpectAnswer().GetProperty("rows")[0];

        Assert.Equal("9007199254740993", row.GetProperty("n").ToString());
        Assert.Equal("0.10000000000000000001", row.GetProperty("d").ToString());
        if (NumbersAreDoubles)
            Assert.Equal("string", server.Requests[0].GetProperty("numbers").GetString());
    }

    [Theory]
    [InlineData("key-of-a-caller", "Bearer key-of-a-caller")]
    [InlineData("", "")]
    public async Task ApiKeyOfTheEnvironment_SentWithEveryTry(string key, string authorization)
    {
        await using var server = await FailingServer.StartAsync(
            Fails(503, "saturated", shouldRetry: "true", retryAfter: "0"), Succeeds);

        (await SendAsync(server.Address, key: key)).ExpectAnswer();

        Assert.Equal([authorization, authorization], server.Credentials);
    }

    private Task<Outcome> SendAsync(FailingServer server, int? attempt = null) => SendAsync(server.Address, attempt);

    private async Task<Outcome> SendAsync(Uri address, int? attempt = null, int? tries = null, string key = "")
    {
        var command = await programs.SendAsync(language, "execute", Request, attempt, tries);
        return new Outcome(await ExampleProcess.RunAsync(address, command, key));
    }

    private static string WithoutAttempt(JsonElement request)
    {
        var fields = JsonObject.Create(request)!;
        Assert.True(fields.Remove("attempt"));
        return fields.ToJsonString();
    }

    /// <summary>Represents the outcome of a request: the client prints the answer, or the error.</summary>
    private sealed record Outcome(ExampleProcess Client)
    {
        public JsonElement ExpectAnswer()
        {
            Assert.True(Client.ExitCode == 0, Client.ToString());
            return JsonElement.Parse(Client.Output);
        }

        public JsonElement ExpectError(string code, int attempt, bool retryable)
        {
            Assert.True(Client.ExitCode == 1, Client.ToString());
            // The runtime's own output comes before.
            var error = JsonElement.Parse(Client.Errors.TrimEnd().Split('\n')[^1]);
            Assert.Equal(code, error.GetProperty("code").GetString());
            Assert.Equal(attempt, error.GetProperty("attempt").GetInt32());
            Assert.Equal(retryable, error.GetProperty("retryable").GetBoolean());
            return error;
        }
    }
}

public sealed class GoRetryTests(ExamplePrograms programs) : ExampleRetryTests(programs, "go");

public sealed class JavaRetryTests(ExamplePrograms programs) : ExampleRetryTests(programs, "java");

public sealed class PythonRetryTests(ExamplePrograms programs) : ExampleRetryTests(programs, "python");

public sealed class ShellRetryTests(ExamplePrograms programs) : ExampleRetryTests(programs, "shell");

public sealed class TypeScriptRetryTests(ExamplePrograms programs) : ExampleRetryTests(programs, "typescript");
