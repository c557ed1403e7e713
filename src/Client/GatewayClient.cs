using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Gateway.Contracts;

namespace Gateway.Client;

/// <summary>
/// Runs SQL of a workflow's activities through the gateway. It sends a request until it is answered: the same request
/// under the same activity ID, with increasing <c>Attempt</c>, so that a write takes effect once. A client is
/// thread-safe, and one is enough for a program.
/// </summary>
/// <remarks>
/// Each method throws a <see cref="GatewayException"/> if the request fails permanently or has used all tries, and an
/// <see cref="OperationCanceledException"/> if its token ends it.
/// </remarks>
public sealed class GatewayClient : IDisposable
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

    /// <summary>Runs a statement that reads. It can be run again at any time.</summary>
    public Task<QueryResponse> QueryAsync(QueryRequest request, CancellationToken cancellationToken = default) =>
        AnswerAsync(CallOf(request), Read(AnswerJson.Contract.QueryResponse), cancellationToken);

    /// <summary>Runs a statement that reads. It can be run again at any time.</summary>
    /// <returns>The rows, as <see cref="StatementRows.RowsAs"/> returns them.</returns>
    public async Task<IReadOnlyList<T>> QueryAsync<T>(
        QueryRequest request, CancellationToken cancellationToken = default) =>
        (await QueryAsync(request, cancellationToken).ConfigureAwait(false)).RowsAs<T>(_options.Json);

    /// <summary>Runs a statement that reads. It can be run again at any time.</summary>
    /// <param name="activityId">
    /// The activity ID, chosen by the workflow: the same whenever it runs the activity again.
    /// </param>
    /// <param name="sql">One statement.</param>
    /// <param name="parameters">
    /// An array for <c>$1…$n</c> or an object for <c>:name</c>, as <see cref="StatementParameters.From"/> takes it.
    /// </param>
    /// <param name="attempt">The number of the engine's attempt.</param>
    /// <param name="cancellationToken">Cancels the request, on the server too.</param>
    /// <returns>The rows, as <see cref="StatementRows.RowsAs"/> returns them.</returns>
    public Task<IReadOnlyList<T>> QueryAsync<T>(
        string activityId, string sql, object? parameters = null, int attempt = 1,
        CancellationToken cancellationToken = default) =>
        QueryAsync<T>(QueryOf(activityId, sql, parameters, attempt), cancellationToken);

    /// <summary>
    /// Runs a statement that reads, and streams its rows, any number of them. The request is retried until the first
    /// row arrives. After that, it fails if the stream fails, or ends without its last line. The request's timeout
    /// includes the whole stream.
    /// </summary>
    public IAsyncEnumerable<T> StreamAsync<T>(QueryRequest request, CancellationToken cancellationToken = default) =>
        StreamAsync<T>(CallOf(request), cancellationToken);

    /// <inheritdoc cref="StreamAsync{T}(QueryRequest, CancellationToken)"/>
    /// <inheritdoc cref="QueryAsync{T}(string, string, object?, int, CancellationToken)" path="/param"/>
    public IAsyncEnumerable<T> StreamAsync<T>(
        string activityId, string sql, object? parameters = null, int attempt = 1,
        CancellationToken cancellationToken = default) =>
        StreamAsync<T>(QueryOf(activityId, sql, parameters, attempt), cancellationToken);

    /// <summary>Runs a statement that may write. It takes effect once, however often it is sent.</summary>
    public Task<StatementResponse> ExecuteAsync(
        ExecuteRequest request, CancellationToken cancellationToken = default) =>
        AnswerAsync(CallOf(request), Read(AnswerJson.Contract.StatementResponse, Mark), cancellationToken);

    /// <summary>
    /// Runs a statement that may write and returns rows. It takes effect once, however often it is sent.
    /// </summary>
    /// <returns>The rows, as <see cref="StatementRows.RowsAs"/> returns them.</returns>
    public async Task<IReadOnlyList<T>> ExecuteAsync<T>(
        ExecuteRequest request, CancellationToken cancellationToken = default) =>
        (await ExecuteAsync(request, cancellationToken).ConfigureAwait(false)).RowsAs<T>(_options.Json);

    /// <inheritdoc cref="ExecuteAsync(ExecuteRequest, CancellationToken)"/>
    /// <inheritdoc cref="QueryAsync{T}(string, string, object?, int, CancellationToken)" path="/param"/>
    public Task<StatementResponse> ExecuteAsync(
        string activityId, string sql, object? parameters = null, int attempt = 1,
        CancellationToken cancellationToken = default) =>
        ExecuteAsync(ExecuteOf(activityId, sql, parameters, attempt), cancellationToken);

    /// <inheritdoc cref="ExecuteAsync{T}(ExecuteRequest, CancellationToken)"/>
    /// <inheritdoc cref="QueryAsync{T}(string, string, object?, int, CancellationToken)" path="/param"/>
    public Task<IReadOnlyList<T>> ExecuteAsync<T>(
        string activityId, string sql, object? parameters = null, int attempt = 1,
        CancellationToken cancellationToken = default) =>
        ExecuteAsync<T>(ExecuteOf(activityId, sql, parameters, attempt), cancellationToken);

    /// <summary>
    /// Runs statements in one transaction: either all of them take effect, once, or none does.
    /// <see cref="StatementRows.RowsAs"/> reads the rows of a result.
    /// </summary>
    public Task<TransactionResponse> TransactionAsync(
        TransactionRequest request, CancellationToken cancellationToken = default) =>
        AnswerAsync(CallOf(request), Read(AnswerJson.Contract.TransactionResponse, Mark), cancellationToken);

    /// <summary>Gets an activity's status: completed with its recorded answer, or running.</summary>
    /// <returns>Null if it is neither.</returns>
    public Task<ActivityResponse?> FindActivityAsync(
        string activityId, string connection = "default", CancellationToken cancellationToken = default) =>
        AskAsync(HttpMethod.Get, activityId, "", connection, cancellationToken);

    /// <summary>Cancels a running activity, whichever replica runs it.</summary>
    /// <returns>The activity's status after that; null if it is neither running nor recorded.</returns>
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

    private QueryRequest QueryOf(string activityId, string sql, object? parameters, int attempt) => new()
    {
        ActivityId = activityId,
        Attempt = attempt,
        Sql = sql,
        Parameters = ParametersOf(parameters),
    };

    private ExecuteRequest ExecuteOf(string activityId, string sql, object? parameters, int attempt) => new()
    {
        ActivityId = activityId,
        Attempt = attempt,
        Sql = sql,
        Parameters = ParametersOf(parameters),
    };

    private JsonElement? ParametersOf(object? parameters) =>
        parameters is null ? null : StatementParameters.From(parameters, _options.Json);

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
