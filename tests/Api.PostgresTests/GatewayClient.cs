using System.Net;
using System.Text;
using System.Text.Json;

namespace Gateway.Api.PostgresTests;

/// <summary>Calls the gateway as any caller can: with HTTP and JSON, without the gateway's own types.</summary>
public sealed class GatewayClient : IDisposable
{
    private readonly HttpClient _http;

    /// <param name="address">The gateway's address.</param>
    /// <param name="key">The caller's key; null for none.</param>
    public GatewayClient(Uri address, string? key = null)
    {
        _http = new HttpClient { BaseAddress = address, Timeout = TimeSpan.FromSeconds(60) };
        if (key is not null)
            _http.DefaultRequestHeaders.Authorization = new("Bearer", key);
    }

    public HttpClient Http => _http;

    /// <summary>Runs a query, and expects it to succeed.</summary>
    public async Task<JsonElement> QueryAsync(string sql, object? parameters = null) =>
        (await PostAsync("query", new { activityId = "test", sql, parameters })).Expect(HttpStatusCode.OK);

    /// <summary>Runs a query for one value, and expects it to succeed.</summary>
    public async Task<JsonElement> QueryValueAsync(string sql, object? parameters = null) =>
        (await PostAsync("query", new { activityId = "test", sql, parameters, rowFormat = "array" }))
        .Expect(HttpStatusCode.OK).GetProperty("rows")[0][0];

    /// <summary>Executes SQL with at-least-once delivery, and expects it to succeed.</summary>
    public async Task<JsonElement> ExecuteAsync(string sql, object? parameters = null) =>
        (await PostAsync("execute", new { activityId = "test", sql, parameters, delivery = "at-least-once" }))
        .Expect(HttpStatusCode.OK);

    /// <summary>Runs statements in one transaction. A string is a statement without parameters.</summary>
    public Task<Answer> TransactionAsync(string activityId, params object[] statements) => PostAsync(
        "transaction", new { activityId, statements = statements.Select(statement => statement is string sql ? new { sql } : statement) });

    /// <summary>Gets an activity's status.</summary>
    public Task<Answer> FindActivityAsync(string activityId, string query = "") =>
        GetAsync($"/v1/activities/{Uri.EscapeDataString(activityId)}{query}");

    public Task<Answer> CancelActivityAsync(string activityId, string query = "") =>
        SendAsync($"activities/{Uri.EscapeDataString(activityId)}/cancel{query}", new ByteArrayContent([]));

    public Task<Answer> PostAsync(string endpoint, object request) =>
        PostAsync(endpoint, JsonSerializer.SerializeToUtf8Bytes(request));

    public Task<Answer> PostAsync(string endpoint, string body) => PostAsync(endpoint, Encoding.UTF8.GetBytes(body));

    public Task<Answer> PostAsync(string endpoint, byte[] body, params (string Name, string Value)[] headers)
    {
        var content = new ByteArrayContent(body);
        content.Headers.ContentType = new("application/json");
        return SendAsync(endpoint, content, headers);
    }

    public Task<Answer> SendAsync(string endpoint, HttpContent content, params (string Name, string Value)[] headers) =>
        SendToAsync($"/v1/{endpoint}", content, headers);

    /// <summary>Posts to any path, even one that the contract does not have.</summary>
    public async Task<Answer> SendToAsync(string path, HttpContent content, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = content };
        foreach (var (name, value) in headers)
            request.Headers.TryAddWithoutValidation(name, value);
        using var response = await _http.SendAsync(request);
        return await Answer.ReadAsync(response);
    }

    public async Task<Answer> GetAsync(string path)
    {
        using var response = await _http.GetAsync(path);
        return await Answer.ReadAsync(response);
    }

    public void Dispose() => _http.Dispose();
}

/// <summary>Represents an answer that was read completely.</summary>
public sealed record Answer(HttpStatusCode Status, string MediaType, IReadOnlyDictionary<string, string> Headers, string Text)
{
    public JsonElement Json => JsonDocument.Parse(Text).RootElement;

    public static async Task<Answer> ReadAsync(HttpResponseMessage response) => new(
        response.StatusCode,
        response.Content.Headers.ContentType?.MediaType ?? "",
        response.Headers.ToDictionary(header => header.Key, header => string.Join(", ", header.Value), StringComparer.OrdinalIgnoreCase),
        await response.Content.ReadAsStringAsync());

    /// <summary>
    /// Repeats a request until its answer fulfils a condition. Returns the last answer if that takes too long.
    /// </summary>
    public static async Task<Answer> UntilAsync(Func<Task<Answer>> send, Func<Answer, bool> isIt)
    {
        var (answer, _) = await Poll.TryReadAsync(send, isIt, TimeSpan.FromSeconds(40));
        return answer;
    }

    /// <summary>
    /// Returns the JSON of an answer with the given status; otherwise fails with the answer in the message.
    /// </summary>
    public JsonElement Expect(HttpStatusCode status)
    {
        Assert.True(Status == status, $"{(int)status} was expected, and {(int)Status} came: {Text}");
        return Json;
    }

    /// <summary>Returns the problem with the given code, after the checks that apply to every problem.</summary>
    public JsonElement ExpectProblem(int status, string code)
    {
        Assert.True(Status == (HttpStatusCode)status, $"{status} {code} was expected, and {(int)Status} came: {Text}");
        var problem = Json;
        Assert.Equal(code, problem.GetProperty("code").GetString());
        Assert.Equal("application/problem+json", MediaType);
        Assert.Equal($"/problems/{code}", problem.GetProperty("type").GetString());
        Assert.Equal(status, problem.GetProperty("status").GetInt32());
        Assert.NotEmpty(problem.GetProperty("title").GetString()!);
        Assert.NotEmpty(problem.GetProperty("detail").GetString()!);
        Assert.Equal(32, problem.GetProperty("traceId").GetString()!.Length);
        Assert.InRange(Encoding.UTF8.GetByteCount(Text), 1, 2048);

        var retryable = problem.GetProperty("retryable").GetBoolean();
        Assert.Equal(retryable ? "true" : "false", Headers["X-Should-Retry"]);
        Assert.Equal(retryable, Headers.ContainsKey("Retry-After"));
        Assert.Equal(retryable, status is 408 or 409 or 429 or >= 500);
        return problem;
    }
}
