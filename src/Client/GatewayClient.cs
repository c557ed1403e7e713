using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Gateway.Contracts;

namespace Gateway.Client;

/// <summary>
/// Runs SQL of a workflow's activities through the gateway. It sends a request until it is answered: the same request
/// under the same activity ID, with increasing <c>Attempt</c>, so that a write takes effect once. A client is
/// thread-safe, and one is enough for a program. <see cref="GatewayClientCalls"/> has shorter and typed forms.
/// </summary>
/// <remarks>
/// Each method throws a <see cref="GatewayException"/> if the request fails permanently or has used all tries, and an
/// <see cref="OperationCanceledException"/> if its token ends it.
/// </remarks>
public sealed class GatewayClient : IGatewayClient, IDisposable
{
    private readonly Func<HttpClient> _connect;
    private readonly GatewayClientOptions _options;
    private readonly Attempts _attempts;
    private readonly HttpClient? _own;

    /// <summary>Creates a client with its own connections, for programs without <c>AddGatewayClient</c>.</summary>
    /// <param name="options">The options. Do not change them after this.</param>
    /// <param name="time">The clock for pauses.</param>
    public GatewayClient(GatewayClientOptions options, TimeProvider? time = null)
        : this(new HttpClient(CreateHandler()), options, time ?? TimeProvider.System)
    {
    }

    internal GatewayClient(Func<HttpClient> connect, GatewayClientOptions options, TimeProvider time)
    {
        _connect = connect;
        _options = options.Checked();
        _attempts = new Attempts(_options.Tries, time);
    }

    private GatewayClient(HttpClient own, GatewayClientOptions options, TimeProvider time)
        : this(() => own, options, time)
    {
        Prepare(own);
        _own = own;
    }

    public JsonSerializerOptions Json => _options.Json;

    public Task<QueryResponse> QueryAsync(QueryRequest request, CancellationToken cancellationToken = default) =>
        AnswerAsync(CallOf(request), Read(AnswerJson.Contract.QueryResponse), cancellationToken);

    public IAsyncEnumerable<T> StreamAsync<T>(QueryRequest request, CancellationToken cancellationToken = default) =>
        StreamAsync<T>(CallOf(request), cancellationToken);

    public Task<StatementResponse> ExecuteAsync(
        ExecuteRequest request, CancellationToken cancellationToken = default) =>
        AnswerAsync(CallOf(request), Read(AnswerJson.Contract.StatementResponse, Mark), cancellationToken);

    public Task<TransactionResponse> TransactionAsync(
        TransactionRequest request, CancellationToken cancellationToken = default) =>
        AnswerAsync(CallOf(request), Read(AnswerJson.Contract.TransactionResponse, Mark), cancellationToken);

    public Task<ActivityResponse?> FindActivityAsync(
        string activityId, string connection = "default", CancellationToken cancellationToken = default) =>
        AskAsync(HttpMethod.Get, activityId, "", connection, cancellationToken);

    public Task<ActivityResponse?> CancelActivityAsync(
        string activityId, string connection = "default", CancellationToken cancellationToken = default) =>
        AskAsync(HttpMethod.Post, activityId, "/cancel", connection, cancellationToken);

    /// <summary>Closes the connections, if they are the client's own.</summary>
    public void Dispose() => _own?.Dispose();

    /// <summary>
    /// Creates the HTTP handler. It follows no redirect, which would send a GET without the statement, and the key to
    /// another server. Connections are replaced regularly, so that changes in the network are noticed.
    /// </summary>
    internal static SocketsHttpHandler CreateHandler() => new()
    {
        AllowAutoRedirect = false,
        UseCookies = false,
        PooledConnectionLifetime = TimeSpan.FromMinutes(2),
    };

    internal static void Prepare(HttpClient http) => http.Timeout = Timeout.InfiniteTimeSpan;

    private async IAsyncEnumerable<T> StreamAsync<T>(Call call, [EnumeratorCancellation] CancellationToken leaving)
    {
        var reader = new RowReader<T>(_options.Json);
        var rows = await _attempts.RunAsync(
            call.FirstAttempt, attempt => RowLines.OpenAsync(Begin(call, attempt), leaving), leaving)
            .ConfigureAwait(false);
        await using (rows.ConfigureAwait(false))
        {
            while (rows.HasRow)
            {
                yield return reader.Read(rows.Row);
                await rows.ReadAsync(leaving).ConfigureAwait(false);
            }
        }
    }

    private async Task<ActivityResponse?> AskAsync(
        HttpMethod method, string activityId, string action, string connection, CancellationToken leaving)
    {
        ArgumentException.ThrowIfNullOrEmpty(activityId);
        var path = $"v1/activities/{Uri.EscapeDataString(activityId)}{action}"
            + $"?connection={Uri.EscapeDataString(connection)}";
        var call = new Call(method, path, _options.DefaultTimeoutMs, FirstAttempt: 1, Writes: false, Body: null);
        try
        {
            return await AnswerAsync(call, Read(AnswerJson.Contract.ActivityResponse), leaving).ConfigureAwait(false);
        }
        catch (GatewayException error) when (error.Problem?.Code == ProblemCode.ActivityNotFound)
        {
            return null;
        }
    }

    private Task<T> AnswerAsync<T>(
        Call call, Func<HttpResponseMessage, Stream, CancellationToken, Task<T>> read, CancellationToken leaving) =>
        _attempts.RunAsync(call.FirstAttempt, attempt => Begin(call, attempt).AnswerAsync(read, leaving), leaving);

    private Exchange Begin(Call call, int attempt) => new(_connect, _options, call, attempt);

    private Call CallOf(QueryRequest request) => CallOf(request, "query", writes: false, (again, attempt) =>
        JsonSerializer.SerializeToUtf8Bytes(again with { Attempt = attempt }, AnswerJson.Contract.QueryRequest));

    private Call CallOf(ExecuteRequest request) => CallOf(request, "execute", writes: true, (again, attempt) =>
        JsonSerializer.SerializeToUtf8Bytes(again with { Attempt = attempt }, AnswerJson.Contract.ExecuteRequest));

    private Call CallOf(TransactionRequest request) =>
        CallOf(request, "transaction", writes: !request.ReadOnly, (again, attempt) =>
            JsonSerializer.SerializeToUtf8Bytes(
                again with { Attempt = attempt }, AnswerJson.Contract.TransactionRequest));

    private Call CallOf<T>(T request, string endpoint, bool writes, Func<T, int, byte[]> write)
        where T : ActivityRequest
    {
        if (string.IsNullOrEmpty(request.ActivityId))
        {
            throw new ArgumentException(
                "ActivityId is required: the workflow makes it, so that every try of an activity has the same.",
                nameof(request));
        }
        return new Call(
            HttpMethod.Post, $"v1/{endpoint}", request.TimeoutMs ?? _options.DefaultTimeoutMs,
            request.Attempt ?? 1, writes, attempt => write(request, attempt));
    }

    private static Func<HttpResponseMessage, Stream, CancellationToken, Task<T>> Read<T>(
        JsonTypeInfo<T> type, Func<T, bool, string?, T>? mark = null) => async (response, body, ending) =>
    {
        var answer = await JsonSerializer.DeserializeAsync(body, type, ending).ConfigureAwait(false)
            ?? throw new JsonException("It is null.");
        return mark is null
            ? answer
            : mark(answer, HeaderOf(response, "Idempotent-Replayed") == "true", HeaderOf(response, "Gateway-Lsn"));
    };

    private static string? HeaderOf(HttpResponseMessage response, string name) =>
        response.Headers.TryGetValues(name, out var values) ? values.First() : null;

    private static StatementResponse Mark(StatementResponse answer, bool isReplay, string? lsn) =>
        answer with { Replayed = isReplay, Lsn = lsn };

    private static TransactionResponse Mark(TransactionResponse answer, bool isReplay, string? lsn) =>
        answer with { Replayed = isReplay, Lsn = lsn };
}
