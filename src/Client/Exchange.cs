using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using Gateway.Contracts;

namespace Gateway.Client;

/// <summary>
/// Represents one attempt: sends the request, and returns its answer or throws a <see cref="GatewayException"/>.
/// </summary>
/// <param name="connect">Returns an HTTP client.</param>
/// <param name="options">The client's options.</param>
/// <param name="call">The request.</param>
/// <param name="attempt">The attempt's number.</param>
internal sealed class Exchange(Func<HttpClient> connect, GatewayClientOptions options, Call call, int attempt)
{
    /// <summary>
    /// The maximum size of a problem that is read. A problem has at most 2 KB; a larger body is a proxy's page.
    /// </summary>
    private const int LargestProblem = 64 * 1024;

    private readonly Uri _address = new($"{options.Address!.AbsoluteUri.TrimEnd('/')}/{call.Path}");

    /// <summary>Sends the request, and reads the whole answer.</summary>
    public Task<T> AnswerAsync<T>(
        Func<HttpResponseMessage, Stream, CancellationToken, Task<T>> read, CancellationToken leaving) => ListenAsync(
        async ending =>
        {
            using var response = await SendAsync("application/json", ending).ConfigureAwait(false);
            var body = await response.Content.ReadAsStreamAsync(ending).ConfigureAwait(false);
            await using (body.ConfigureAwait(false))
                return await read(response, body, ending).ConfigureAwait(false);
        },
        leaving);

    /// <summary>Sends the request, and returns when the headers of the answer have arrived.</summary>
    public Task<HttpResponseMessage> BeginAsync(string accept, CancellationToken leaving) =>
        ListenAsync(ending => SendAsync(accept, ending), leaving);

    /// <summary>Waits for the gateway, at most for the request's timeout and the margin for its answer.</summary>
    public async Task<T> ListenAsync<T>(Func<CancellationToken, Task<T>> listen, CancellationToken leaving)
    {
        var patience = TimeSpan.FromMilliseconds(call.TimeoutMs + options.AnswerMarginMs);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(leaving);
        ending.CancelAfter(patience);
        try
        {
            return await listen(ending.Token).ConfigureAwait(false);
        }
        // Refused, reset, timed out or cut off: it is not known whether the gateway ran the request. The activity ID
        // makes it safe to send it again, because a committed answer is recorded under the ID.
        catch (OperationCanceledException late)
        {
            leaving.ThrowIfCancellationRequested();
            throw Unreachable($"no answer within {patience.TotalSeconds:0.###} s", late);
        }
        catch (Exception lost) when (lost is HttpRequestException or IOException)
        {
            leaving.ThrowIfCancellationRequested();
            throw Unreachable(lost.Message, lost);
        }
        catch (JsonException alien)
        {
            throw Invalid("it is no JSON of a gateway's", alien);
        }
    }

    /// <summary>Returns the failure for a missing or incomplete answer.</summary>
    public GatewayException Unreachable(string reason, Exception? cause = null) =>
        new(GatewayException.Unreachable, $"{_address}: {reason}", retryable: true, attempt, cause)
        {
            Committed = Kept(null),
        };

    /// <summary>Returns the failure for an answer that is not a gateway's.</summary>
    public GatewayException Invalid(string reason, Exception? cause = null) =>
        new(GatewayException.InvalidResponse, $"{_address} answers, but {reason}", retryable: false, attempt, cause)
        {
            Status = HttpStatusCode.OK,
            Committed = Kept(null),
        };

    /// <summary>Returns the failure for a problem, in an answer or at the end of a stream.</summary>
    public GatewayException Failed(
        JsonElement problem, HttpStatusCode status, string reason, bool? shouldRetry, TimeSpan? retryAfter)
    {
        Problem? known = null;
        try
        {
            known = problem.ValueKind == JsonValueKind.Object ? problem.Deserialize(AnswerJson.Contract.Problem) : null;
        }
        catch (JsonException)
        {
            // A later gateway's problem, with a code that this client does not know. The important members are read
            // below.
        }
        return new GatewayException(
            Text(problem, "code") ?? $"http_{(int)status}",
            Text(problem, "detail") ?? $"{_address}: {reason}",
            // Only a proxy's answer lacks the header.
            shouldRetry ?? Flag(problem, "retryable") ?? IsWorthARetry(status),
            attempt)
        {
            Status = status,
            Problem = known,
            RetryAfter = retryAfter,
            Committed = Kept(Text(problem, "committed")),
        };
    }

    /// <summary>A request that can't write has committed nothing, whatever happened to it.</summary>
    private Committed Kept(string? said) => said switch
    {
        _ when !call.Writes => Committed.No,
        "no" => Committed.No,
        "yes" => Committed.Yes,
        _ => Committed.Unknown,
    };

    private async Task<HttpResponseMessage> SendAsync(string accept, CancellationToken ending)
    {
        using var request = new HttpRequestMessage(call.Method, _address);
        request.Headers.Accept.ParseAdd(accept);
        if (options.ApiKey is { } key)
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);
        if (call.Body is { } body)
        {
            request.Content = new ByteArrayContent(body(attempt));
            request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        }

        var http = connect();
        var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, ending)
            .ConfigureAwait(false);
        if (response.IsSuccessStatusCode)
            return response;
        using (response)
            throw await ReadFailureAsync(response, ending).ConfigureAwait(false);
    }

    private async Task<GatewayException> ReadFailureAsync(HttpResponseMessage response, CancellationToken ending)
    {
        JsonElement problem = default;
        try
        {
            await response.Content.LoadIntoBufferAsync(LargestProblem, ending).ConfigureAwait(false);
            problem = JsonElement.Parse(await response.Content.ReadAsByteArrayAsync(ending).ConfigureAwait(false));
        }
        catch (Exception error) when (error is HttpRequestException or IOException or JsonException)
        {
            // The status and the headers have arrived, and are enough.
        }
        return Failed(
            problem, response.StatusCode, response.ReasonPhrase ?? "",
            ShouldRetry(response), response.Headers.RetryAfter?.Delta);
    }

    private static bool? ShouldRetry(HttpResponseMessage response) =>
        response.Headers.TryGetValues("X-Should-Retry", out var values) && bool.TryParse(values.First(), out var value)
            ? value
            : null;

    private static bool IsWorthARetry(HttpStatusCode status) => (int)status is 408 or 409 or 429 or >= 500;

    private static string? Text(JsonElement problem, string member) =>
        problem.ValueKind == JsonValueKind.Object && problem.TryGetProperty(member, out var value)
            && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static bool? Flag(JsonElement problem, string member) =>
        problem.ValueKind == JsonValueKind.Object && problem.TryGetProperty(member, out var value)
            && value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean() : null;
}
