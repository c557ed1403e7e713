using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace Gateway.Api.PostgresTests.Engines;

/// <summary>Tests <c>examples/javascript/gateway.mjs</c>: engines depend on how it reports each answer.</summary>
public sealed class JavaScriptClientTests(GatewayFixture gateway)
{
    private const string Request = """{ activityId: "run/step", sql: "SELECT 1 AS one" }""";

    [Fact]
    public async Task NumbersThatJsonLacks_ThereAndBackWithAllTheirDigits()
    {
        var outcome = await SendAsync(gateway.Address, """
            {
              activityId: "run/step",
              sql: "SELECT $1::float8 AS nan, $2::float8 AS infinite, $3::bigint AS big, $4::bigint AS missing",
              parameters: [NaN, -Infinity, 9007199254740993n, null],
            }
            """);

        var row = outcome.GetProperty("answer").GetProperty("rows")[0];
        Assert.Equal("""{"nan":"NaN","infinite":"-Infinity","big":"9007199254740993","missing":null}""", row.GetRawText());
    }

    [Fact]
    public async Task Problem_IsAnErrorThatTellsAllOfIt()
    {
        var error = Error(await SendAsync(gateway.Address, """{ activityId: "run/step", sql: "SELECT 1/0" }"""));

        Assert.Equal("GatewayError", error.GetProperty("name").GetString());
        Assert.Equal("sql_error: division by zero", error.GetProperty("message").GetString());
        Assert.Equal("sql_error", error.GetProperty("code").GetString());
        Assert.Equal(422, error.GetProperty("status").GetInt32());
        Assert.Equal("no", error.GetProperty("committed").GetString());
        Assert.Equal("22012", error.GetProperty("problem").GetProperty("sqlState").GetString());
        Assert.False(error.GetProperty("retryable").GetBoolean());
        Assert.False(error.TryGetProperty("retryAfter", out _));
    }

    [Theory]
    [InlineData(429, "true", "7", true, 7)]
    // The header decides, even if the status says otherwise.
    [InlineData(503, "false", null, false, null)]
    [InlineData(422, "true", "33", true, 33)]
    // A proxy that does not send the header: the status decides.
    [InlineData(502, null, null, true, null)]
    [InlineData(503, null, "Wed, 21 Oct 2026 07:28:00 GMT", true, null)]
    [InlineData(404, null, null, false, null)]
    [InlineData(302, null, null, false, null)]
    public async Task Failure_SaysWhetherAndWhenToSendAgain(
        int status, string? shouldRetry, string? retryAfter, bool retryable, int? wait)
    {
        var error = Error(await SendAsync(Request, http =>
        {
            http.Response.StatusCode = status;
            if (shouldRetry is not null)
                http.Response.Headers["X-Should-Retry"] = shouldRetry;
            if (retryAfter is not null)
                http.Response.Headers.RetryAfter = retryAfter;
            http.Response.Headers.Location = "/elsewhere";
            return http.Response.WriteAsync("<html>");
        }));

        Assert.Equal($"http_{status}", error.GetProperty("code").GetString());
        Assert.Equal("unknown", error.GetProperty("committed").GetString());
        Assert.Equal(retryable, error.GetProperty("retryable").GetBoolean());
        Assert.Equal(wait, error.TryGetProperty("retryAfter", out var seconds) ? seconds.GetInt32() : null);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task ConnectionCut_MayBeSentAgain(bool inTheBody)
    {
        var error = Error(await SendAsync(Request, async http =>
        {
            if (inTheBody)
            {
                http.Response.ContentLength = 100;
                await http.Response.WriteAsync("{\"command\":");
                await http.Response.Body.FlushAsync();
            }
            http.Abort();
        }));

        AssertUnreachable(error);
    }

    [Fact]
    public async Task NobodyListens_MayBeSentAgain()
    {
        Uri address;
        await using (var front = await GatewayFront.StartAsync(gateway.Address))
            address = front.Address;

        var error = Error(await SendAsync(address, Request));

        AssertUnreachable(error);
        Assert.Contains("ECONNREFUSED", error.GetProperty("message").GetString());
    }

    [Theory]
    [InlineData("<html>")]
    [InlineData("")]
    [InlineData("1")]
    [InlineData("null")]
    public async Task SuccessWithoutAnAnswer_IsNotTheGateways(string text)
    {
        var error = Error(await SendAsync(Request, http => http.Response.WriteAsync(text)));

        Assert.Equal("invalid_response", error.GetProperty("code").GetString());
        Assert.False(error.GetProperty("retryable").GetBoolean());
    }

    [Theory]
    [InlineData("key-1", "Bearer key-1")]
    [InlineData("", null)]
    public async Task ApiKey_SentWhereItIsSet(string key, string? expected)
    {
        string? sent = null;
        await SendAsync(Request, http =>
        {
            sent = http.Request.Headers.Authorization;
            return http.Response.WriteAsync("{}");
        }, key);

        Assert.Equal(expected, sent);
    }

    private static void AssertUnreachable(JsonElement error)
    {
        Assert.Equal("unreachable", error.GetProperty("code").GetString());
        Assert.Equal("unknown", error.GetProperty("committed").GetString());
        Assert.True(error.GetProperty("retryable").GetBoolean());
        Assert.False(error.TryGetProperty("status", out _));
    }

    private static JsonElement Error(JsonElement outcome)
    {
        Assert.True(outcome.TryGetProperty("error", out var error), outcome.ToString());
        return error;
    }

    /// <summary>Sends a request to a server with the given reply.</summary>
    private async Task<JsonElement> SendAsync(string request, RequestDelegate reply, string key = "")
    {
        await using var front = await GatewayFront.StartAsync(gateway.Address);
        front.AnswerNext(reply);
        return await SendAsync(front.Address, request, key);
    }

    /// <summary>Sends a request, given as a JavaScript expression, in a separate process.</summary>
    private static async Task<JsonElement> SendAsync(Uri address, string request, string key = "")
    {
        var program = $$"""
            import { send } from './javascript/gateway.mjs';
            const outcome = await send('query', {{request}}).then(
              (answer) => ({ answer }),
              (error) => ({ error: { ...error, name: error.name, message: error.message } }));
            console.log(JSON.stringify(outcome));
            """;
        var environment = new Dictionary<string, string> { ["GATEWAY_URL"] = $"{address}", ["GATEWAY_API_KEY"] = key };
        await using var node = new ClientProcess(
            ExampleProcess.Folder, "node", ["--input-type=module", "--eval", program], environment);
        Assert.True(await node.WaitForExitAsync() == 0, node.Errors);
        return JsonDocument.Parse(node.Output).RootElement;
    }
}
