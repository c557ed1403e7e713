using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Gateway.Client;
using Gateway.Contracts;

namespace Gateway.Testing;

/// <summary>
/// A client without a gateway and without a database: a function of the test answers each statement. As with a gateway,
/// a write that comes again under its activity ID is answered as before, without the function, and with
/// <c>Replayed</c>; another request under that ID fails with <c>activity_mismatch</c>.
/// </summary>
/// <param name="answer">
/// Answers a statement, one at a time, so it must not wait for another call. It may throw, for example what
/// <see cref="FakeProblem"/> returns; then nothing is recorded.
/// </param>
public sealed class FakeGatewayClient(Func<FakeStatement, FakeRows> answer) : IGatewayClient
{
    private readonly Lock _lock = new();
    private readonly List<FakeStatement> _statements = [];
    private readonly Dictionary<(string Connection, string ActivityId), Record> _records = [];

    public JsonSerializerOptions Json { get; init; } = RowJson.CreateOptions();

    /// <summary>Gets the statements that the function had to answer, in order. Replays are not among them.</summary>
    public IReadOnlyList<FakeStatement> Statements
    {
        get
        {
            lock (_lock)
                return [.. _statements];
        }
    }

    public Task<QueryResponse> QueryAsync(QueryRequest request, CancellationToken cancellationToken = default) =>
        RunAsync(request, id =>
        {
            var result = Answer(request, request.Sql, request.Parameters, request.RowFormat, expect: null);
            var most = request.MaxRows ?? int.MaxValue;
            return new QueryResponse
            {
                ActivityId = id,
                Command = result.Command,
                RowCount = result.RowCount is { } count ? Math.Min(count, most) : null,
                Columns = result.Columns,
                Rows = [.. result.Rows.Take(most)],
                Truncated = result.Rows.Count > most,
            };
        }, cancellationToken);

    public async IAsyncEnumerable<T> StreamAsync<T>(
        QueryRequest request, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        foreach (var row in (await QueryAsync(request, cancellationToken).ConfigureAwait(false)).RowsAs<T>(Json))
        {
            cancellationToken.ThrowIfCancellationRequested();
            yield return row;
        }
    }

    public Task<StatementResponse> ExecuteAsync(
        ExecuteRequest request, CancellationToken cancellationToken = default) =>
        RunAsync(request, id => Once(
            request with { Attempt = null, TimeoutMs = null, OnDisconnect = OnDisconnect.Cancel },
            request.Attempt,
            request.Delivery == Delivery.ExactlyOnce,
            ContractJson.Default.ExecuteRequest,
            () =>
            {
                var result = Answer(request, request.Sql, request.Parameters, request.RowFormat, request.Expect);
                return new StatementResponse
                {
                    ActivityId = id,
                    Command = result.Command,
                    RowCount = result.RowCount,
                    Columns = result.Columns,
                    Rows = result.Rows,
                };
            },
            ContractJson.Default.StatementResponse,
            answer => answer with { Replayed = true }), cancellationToken);

    public Task<TransactionResponse> TransactionAsync(
        TransactionRequest request, CancellationToken cancellationToken = default) =>
        RunAsync(request, id => Once(
            request with { Attempt = null, TimeoutMs = null, OnDisconnect = OnDisconnect.Cancel },
            request.Attempt,
            request.Delivery == Delivery.ExactlyOnce && !request.ReadOnly,
            ContractJson.Default.TransactionRequest,
            () => new TransactionResponse
            {
                ActivityId = id,
                Results =
                [
                    .. request.Statements.Select(statement => Answer(
                        request, statement.Sql, statement.Parameters, statement.RowFormat, statement.Expect)),
                ],
            },
            ContractJson.Default.TransactionResponse,
            answer => answer with { Replayed = true }), cancellationToken);

    public Task<ActivityResponse?> FindActivityAsync(
        string activityId, string connection = "default", CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        lock (_lock)
        {
            return Task.FromResult(_records.TryGetValue((connection, activityId), out var record)
                ? new ActivityResponse
                {
                    ActivityId = activityId,
                    Status = ActivityStatus.Completed,
                    Response = record.Response,
                    RecordedAt = record.RecordedAt,
                }
                : null);
        }
    }

    /// <summary>Does what <see cref="FindActivityAsync"/> does: no activity of a fake runs on.</summary>
    public Task<ActivityResponse?> CancelActivityAsync(
        string activityId, string connection = "default", CancellationToken cancellationToken = default) =>
        FindActivityAsync(activityId, connection, cancellationToken);

    /// <summary>Runs a request, one at a time. What the function throws becomes the task's.</summary>
    private Task<T> RunAsync<T>(ActivityRequest request, Func<string, T> run, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(request);
        if (string.IsNullOrEmpty(request.ActivityId))
            throw new ArgumentException("ActivityId is required: the workflow makes it.", nameof(request));
        if (cancellation.IsCancellationRequested)
            return Task.FromCanceled<T>(cancellation);
        try
        {
            lock (_lock)
                return Task.FromResult(run(request.ActivityId));
        }
        catch (Exception error)
        {
            return Task.FromException<T>(error);
        }
    }

    /// <summary>Answers a write, and records the answer under the activity ID; or returns the recorded one.</summary>
    private TAnswer Once<TRequest, TAnswer>(
        TRequest request, int? attempt, bool isRecorded, JsonTypeInfo<TRequest> requestType, Func<TAnswer> answerIt,
        JsonTypeInfo<TAnswer> answerType, Func<TAnswer, TAnswer> markReplay)
        where TRequest : ActivityRequest
        where TAnswer : class
    {
        if (!isRecorded)
            return answerIt();
        var key = (request.Connection, request.ActivityId!);
        var same = JsonSerializer.SerializeToElement(request, requestType);
        if (_records.TryGetValue(key, out var record))
        {
            if (!JsonElement.DeepEquals(record.Request, same))
            {
                throw FakeProblem.Of(
                    ProblemCode.ActivityMismatch, "The activity ID was used for another request.",
                    attempt: attempt ?? 1);
            }
            return markReplay((TAnswer)record.Answer);
        }
        var made = answerIt();
        _records[key] = new Record(
            same, made, JsonSerializer.SerializeToElement(made, answerType), TimeProvider.System.GetUtcNow());
        return made;
    }

    /// <summary>Has the function answer a statement.</summary>
    private TransactionResult Answer(
        ActivityRequest request, string sql, JsonElement? parameters, RowFormat format, Expectation? expect)
    {
        var statement = new FakeStatement(request.ActivityId!, request.Attempt ?? 1, sql, parameters);
        _statements.Add(statement);
        var result = answer(statement);
        if (expect is not null && expect.RowCount != result.Count)
        {
            throw FakeProblem.Of(
                ProblemCode.ExpectationFailed, $"{expect.RowCount} rows are expected, and there are {result.Count}.",
                attempt: statement.Attempt);
        }
        var (columns, rows) = result.Write(Json, format);
        return new TransactionResult
        {
            Command = sql.Split((char[]?)null, 2, StringSplitOptions.RemoveEmptyEntries).FirstOrDefault("")
                .ToUpperInvariant(),
            RowCount = result.Count,
            Columns = columns,
            Rows = rows,
        };
    }

    /// <param name="Request">The request without what may differ when it comes again.</param>
    /// <param name="Answer">The answer.</param>
    /// <param name="Response">The answer as JSON.</param>
    /// <param name="RecordedAt">When it was recorded.</param>
    private sealed record Record(JsonElement Request, object Answer, JsonElement Response, DateTimeOffset RecordedAt);
}
