using System.Net;
using System.Text.Json;
using Gateway.Contracts;
using Microsoft.AspNetCore.Http;
using static Gateway.Tests.FailingServer;

namespace Gateway.Client.Tests;

/// <summary>Tests which requests are retried, when, and how often.</summary>
public sealed class RetryTests : IDisposable
{
    private static readonly ExecuteRequest Write = new() { ActivityId = "run/step", Sql = "INSERT" };
    private static readonly QueryRequest Read = new() { ActivityId = "run/step", Sql = "SELECT" };

    private readonly RecordedPauses _pauses = new();
    private GatewayClient? _client;

    public void Dispose() => _client?.Dispose();

    [Fact]
    public async Task RetryableFailures_SameRequestWithAttemptsCounted()
    {
        await using var server = await StartAsync(
            Fails(503, "saturated", shouldRetry: "true", retryAfter: "1"),
            Fails(500, "internal", shouldRetry: "true", retryAfter: "1"),
            Succeeds);

        var answer = await Client(server).ExecuteAsync("run/step", "SELECT $1", new object[] { 1.10m });

        Assert.Equal("SELECT", answer.Command);
        Assert.Equal([1, 2, 3], server.Requests.Select(request => request.GetProperty("attempt").GetInt32()));
        Assert.Single(server.Requests.Select(WithoutAttempt).Distinct());
        Assert.All(server.Requests, request =>
        {
            Assert.Equal("run/step", request.GetProperty("activityId").GetString());
            Assert.Equal("SELECT $1", request.GetProperty("sql").GetString());
            Assert.Equal("1.10", request.GetProperty("parameters")[0].GetRawText());
        });
        Assert.Equal(["/v1/execute"], server.Paths.Distinct());
    }

    [Fact]
    public async Task EnginesSecondAttempt_CountingStartsThere()
    {
        await using var server = await StartAsync(Fails(503, "saturated", shouldRetry: "true", retryAfter: "1"), Succeeds);

        await Client(server).ExecuteAsync(Write with { Attempt = 4 });

        Assert.Equal([4, 5], server.Requests.Select(request => request.GetProperty("attempt").GetInt32()));
    }

    [Fact]
    public async Task RetryAfter_WaitedForInFull()
    {
        await using var server = await StartAsync(
            Fails(429, "rate_limited", shouldRetry: "true", retryAfter: "7"),
            Fails(503, "database_unavailable", shouldRetry: "true", retryAfter: "33"),
            Succeeds);

        await Client(server).QueryAsync(Read);

        Assert.Equal(2, _pauses.Seconds.Count);
        Assert.InRange(_pauses.Seconds[0], 7, 7.5);
        Assert.InRange(_pauses.Seconds[1], 33, 33.5);
    }

    [Fact]
    public async Task EarlierAttemptStillRunning_DoesNotCount()
    {
        var inFlight = Fails(409, "activity_in_flight", shouldRetry: "true", retryAfter: "2");
        await using var server = await StartAsync(
            inFlight, inFlight, Fails(503, "saturated", shouldRetry: "true", retryAfter: "1"), inFlight, Succeeds);

        await Client(server, options => options.Tries = 2).ExecuteAsync(Write);

        Assert.Equal([1, 2, 3, 4, 5], server.Requests.Select(request => request.GetProperty("attempt").GetInt32()));
    }

    [Fact]
    public async Task EarlierAttemptThatNeverEnds_CountsAfterFiveAndAHalfMinutes()
    {
        await using var server = await StartAsync(
            [.. Enumerable.Repeat(Fails(409, "activity_in_flight", shouldRetry: "true", retryAfter: "60"), 20)]);
        _pauses.Passes = true;

        var failure = await Assert.ThrowsAsync<GatewayException>(
            () => Client(server, options => options.Tries = 3).ExecuteAsync(Write));

        Assert.Equal("activity_in_flight", failure.Code);
        // At 60 s or a little more each, the seventh is sent after 360 s, and is the first of three that count.
        Assert.Equal(9, server.Requests.Count);
    }

    [Fact]
    public async Task RetryAfterADay_WaitsForAMinute()
    {
        await using var server = await StartAsync(Fails(503, "saturated", shouldRetry: "true", retryAfter: "86400"), Succeeds);

        await Client(server).QueryAsync(Read);

        Assert.InRange(Assert.Single(_pauses.Seconds), 60, 60.5);
    }

    [Fact]
    public async Task NoRetryAfter_PausesDouble()
    {
        await using var server = await StartAsync([.. Enumerable.Repeat<RequestDelegate>(CutsOff, 10)]);

        await Assert.ThrowsAsync<GatewayException>(() => Client(server, options => options.Tries = 10).QueryAsync(Read));

        Assert.Equal(9, _pauses.Seconds.Count);
        Assert.All(_pauses.Seconds.Index(), pause =>
        {
            var longest = Math.Min(0.5 * Math.Pow(2, pause.Index), 60);
            Assert.InRange(pause.Item, longest / 2, longest);
        });
    }

    [Theory]
    [InlineData(422)]
    // The header decides, even if the status says otherwise.
    [InlineData(503)]
    public async Task ShouldRetryFalse_StopsAtOnce(int status)
    {
        await using var server = await StartAsync(Fails(status, "sql_error", shouldRetry: "false", retryAfter: "1"), Succeeds);

        var error = await Assert.ThrowsAsync<GatewayException>(() => Client(server).ExecuteAsync(Write));

        Assert.Single(server.Requests);
        Assert.Empty(_pauses.Seconds);
        Assert.Equal("sql_error", error.Code);
        Assert.Equal("sql_error: As told. (attempt 1)", error.Message);
        Assert.Equal((HttpStatusCode)status, error.Status);
        Assert.Equal("23505", error.SqlState);
        Assert.Equal(ProblemCode.SqlError, error.Problem!.Code);
        Assert.Equal(Committed.No, error.Committed);
        Assert.Equal(1, error.Attempt);
        Assert.False(error.Retryable);
    }

    [Fact]
    public async Task ShouldRetryTrue_SentAgainAgainstItsStatus()
    {
        await using var server = await StartAsync(Fails(422, "sql_error", shouldRetry: "true", retryAfter: "1"), Succeeds);

        await Client(server).QueryAsync(Read);

        Assert.Equal(2, server.Requests.Count);
    }

    [Theory]
    [InlineData(5)]
    [InlineData(2)]
    [InlineData(1)]
    public async Task AlwaysFails_GivesUpAfterItsTries(int tries)
    {
        await using var server = await StartAsync(
            [.. Enumerable.Repeat(Fails(503, "saturated", shouldRetry: "true", retryAfter: "1"), tries + 1)]);

        var error = await Assert.ThrowsAsync<GatewayException>(
            () => Client(server, options => options.Tries = tries).ExecuteAsync(Write));

        Assert.Equal(tries, server.Requests.Count);
        Assert.Equal(tries - 1, _pauses.Seconds.Count);
        Assert.Equal("saturated", error.Code);
        Assert.Equal(tries, error.Attempt);
        Assert.True(error.Retryable);
    }

    [Fact]
    public async Task ConnectionCut_SentAgain()
    {
        await using var server = await StartAsync(CutsOff, CutsOffInTheBody, Succeeds);

        await Client(server).ExecuteAsync(Write);

        Assert.Equal([1, 2, 3], server.Requests.Select(request => request.GetProperty("attempt").GetInt32()));
    }

    [Fact(Timeout = 30_000)]
    public async Task NoAnswerInTime_SentAgain()
    {
        await using var server = await StartAsync(Hangs, HangsInTheBody, Succeeds);

        await Client(server, options => options.AnswerMarginMs = 200).ExecuteAsync(Write with { TimeoutMs = 1 });

        Assert.Equal(3, server.Requests.Count);
    }

    [Fact]
    public async Task AnswerPastTheBudget_StillHeard()
    {
        await using var server = await StartAsync(async http =>
        {
            await Task.Delay(TimeSpan.FromSeconds(0.5));
            await Succeeds(http);
        });

        await Client(server).ExecuteAsync(Write with { TimeoutMs = 1 });

        Assert.Single(server.Requests);
    }

    [Fact]
    public async Task NobodyListens_GivesUpAfterFiveTries()
    {
        Uri address;
        await using (var server = await StartAsync())
            address = server.Address;
        using var client = new GatewayClient(new GatewayClientOptions { Address = address }, _pauses);

        var error = await Assert.ThrowsAsync<GatewayException>(() => client.ExecuteAsync(Write));

        Assert.Equal(4, _pauses.Seconds.Count);
        Assert.Equal(GatewayException.Unreachable, error.Code);
        Assert.Equal(5, error.Attempt);
        Assert.True(error.Retryable);
        Assert.Null(error.Status);
        Assert.Null(error.Problem);
    }

    [Theory]
    [InlineData(503, "false", 1)]
    [InlineData(422, "true", 2)]
    public async Task HeaderWithoutAProblem_Decides(int status, string shouldRetry, int tries)
    {
        await using var server = await StartAsync(
            http =>
            {
                http.Response.StatusCode = status;
                http.Response.Headers["X-Should-Retry"] = shouldRetry;
                return Task.CompletedTask;
            },
            Succeeds);

        await Record.ExceptionAsync(() => Client(server).ExecuteAsync(Write));

        Assert.Equal(tries, server.Requests.Count);
    }

    [Theory]
    [InlineData(502, 2)]
    [InlineData(404, 1)]
    public async Task ProxyAnswersWithoutTheHeaders_StatusDecides(int status, int tries)
    {
        await using var server = await StartAsync(
            http =>
            {
                http.Response.StatusCode = status;
                return http.Response.WriteAsync("<h1>No</h1>");
            },
            Succeeds);

        var answering = Client(server).ExecuteAsync(Write);

        if (tries == 1)
            Assert.Equal($"http_{status}", (await Assert.ThrowsAsync<GatewayException>(() => answering)).Code);
        else
            await answering;
        Assert.Equal(tries, server.Requests.Count);
    }

    [Fact]
    public async Task Redirect_NotFollowed()
    {
        await using var server = await StartAsync(
            http =>
            {
                http.Response.Redirect("/elsewhere");
                return Task.CompletedTask;
            },
            Succeeds);

        var error = await Assert.ThrowsAsync<GatewayException>(() => Client(server).ExecuteAsync(Write));

        Assert.Equal("http_302", error.Code);
        Assert.False(error.Retryable);
        Assert.Single(server.Requests);
    }

    [Theory]
    [InlineData("<h1>Welcome</h1>")]
    [InlineData("{}")]
    [InlineData("null")]
    public async Task NoGatewaysAnswer_NotSentAgain(string text)
    {
        await using var server = await StartAsync(Answers(text), Succeeds);

        var error = await Assert.ThrowsAsync<GatewayException>(() => Client(server).ExecuteAsync(Write));

        Assert.Equal(GatewayException.InvalidResponse, error.Code);
        Assert.False(error.Retryable);
        Assert.Equal(Committed.Unknown, error.Committed);
        Assert.Single(server.Requests);
    }

    [Fact]
    public async Task CodeOfALaterGateway_TellsWhatMatters()
    {
        await using var server = await StartAsync(Fails(422, "moon_phase", shouldRetry: "false", retryAfter: "1"));

        var error = await Assert.ThrowsAsync<GatewayException>(() => Client(server).ExecuteAsync(Write));

        Assert.Equal("moon_phase: As told. (attempt 1)", error.Message);
        Assert.Equal("moon_phase", error.Code);
        Assert.Equal(Committed.No, error.Committed);
        Assert.Null(error.Problem);
    }

    [Fact]
    public async Task WriteLostAndThenRefused_MayHaveBeenCommitted()
    {
        await using var server = await StartAsync(CutsOff, Fails(422, "sql_error", shouldRetry: "false", retryAfter: "1"));

        var error = await Assert.ThrowsAsync<GatewayException>(() => Client(server).ExecuteAsync(Write));

        Assert.Equal(Committed.Unknown, error.Committed);
        Assert.Equal(Committed.No, error.Problem!.Committed);
    }

    [Fact]
    public async Task ReadLost_CommittedNothing()
    {
        await using var server = await StartAsync(CutsOff, CutsOff, CutsOff);
        var client = Client(server, options => options.Tries = 1);

        Assert.Equal(Committed.No, (await Assert.ThrowsAsync<GatewayException>(() => client.QueryAsync(Read))).Committed);
        var read = new TransactionRequest { ActivityId = "run/step", ReadOnly = true, Statements = [] };
        Assert.Equal(Committed.No, (await Assert.ThrowsAsync<GatewayException>(() => client.TransactionAsync(read))).Committed);
        var write = read with { ReadOnly = false };
        Assert.Equal(Committed.Unknown, (await Assert.ThrowsAsync<GatewayException>(() => client.TransactionAsync(write))).Committed);
    }

    [Fact(Timeout = 30_000)]
    public async Task CancelledInAPause_EndsThere()
    {
        await using var server = await StartAsync(Fails(503, "saturated", shouldRetry: "true", retryAfter: "60"), Succeeds);
        using var leaving = new CancellationTokenSource(TimeSpan.FromSeconds(0.3));
        using var client = new GatewayClient(new GatewayClientOptions { Address = server.Address });

        var error = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => client.ExecuteAsync(Write, leaving.Token));

        Assert.Equal(leaving.Token, error.CancellationToken);
        Assert.Single(server.Requests);
    }

    [Theory(Timeout = 30_000)]
    [InlineData(5)]
    [InlineData(1)]
    public async Task CancelledWhileWaiting_NotSentAgain(int tries)
    {
        await using var server = await StartAsync(Hangs, Succeeds);
        using var leaving = new CancellationTokenSource(TimeSpan.FromSeconds(0.3));

        var error = await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => Client(server, options => options.Tries = tries).ExecuteAsync(Write, leaving.Token));

        Assert.Equal(leaving.Token, error.CancellationToken);
        Assert.Single(server.Requests);
    }

    [Fact]
    public async Task NoActivityId_RefusedBeforeItIsSent()
    {
        await using var server = await StartAsync();

        var error = await Assert.ThrowsAsync<ArgumentException>(
            () => Client(server).ExecuteAsync(Write with { ActivityId = null }));

        Assert.Contains("the workflow makes it", error.Message);
    }

    private GatewayClient Client(FailingServer server, Action<GatewayClientOptions>? change = null)
    {
        var options = new GatewayClientOptions { Address = server.Address };
        change?.Invoke(options);
        return _client = new GatewayClient(options, _pauses);
    }

    private static string WithoutAttempt(JsonElement request) =>
        request.GetRawText().Replace($"\"attempt\":{request.GetProperty("attempt")},", "");

    private static async Task HangsInTheBody(HttpContext http)
    {
        await http.Response.WriteAsync("{\"command\":");
        await http.Response.Body.FlushAsync();
        await Hangs(http);
    }
}
