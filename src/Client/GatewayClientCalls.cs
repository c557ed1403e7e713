using System.Text.Json;
using Gateway.Contracts;

namespace Gateway.Client;

/// <summary>The shorter and the typed forms of a client's methods.</summary>
public static class GatewayClientCalls
{
    /// <summary>Runs a statement that reads. It can be run again at any time.</summary>
    /// <returns>The rows, as <see cref="StatementRows.RowsAs"/> returns them.</returns>
    public static async Task<IReadOnlyList<T>> QueryAsync<T>(
        this IGatewayClient client, QueryRequest request, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(client);
        var answer = await client.QueryAsync(request, cancellationToken).ConfigureAwait(false);
        return answer.RowsAs<T>(client.Json);
    }

    /// <summary>Runs a statement that reads. It can be run again at any time.</summary>
    /// <param name="client">The client.</param>
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
    public static Task<IReadOnlyList<T>> QueryAsync<T>(
        this IGatewayClient client, string activityId, string sql, object? parameters = null, int attempt = 1,
        CancellationToken cancellationToken = default) =>
        client.QueryAsync<T>(QueryOf(client, activityId, sql, parameters, attempt), cancellationToken);

    /// <inheritdoc cref="IGatewayClient.StreamAsync{T}(QueryRequest, CancellationToken)"/>
    /// <inheritdoc
    /// cref="QueryAsync{T}(IGatewayClient, string, string, object?, int, CancellationToken)" path="/param"/>
    public static IAsyncEnumerable<T> StreamAsync<T>(
        this IGatewayClient client, string activityId, string sql, object? parameters = null, int attempt = 1,
        CancellationToken cancellationToken = default) =>
        client.StreamAsync<T>(QueryOf(client, activityId, sql, parameters, attempt), cancellationToken);

    /// <summary>
    /// Runs a statement that may write and returns rows. It takes effect once, however often it is sent.
    /// </summary>
    /// <returns>The rows, as <see cref="StatementRows.RowsAs"/> returns them.</returns>
    public static async Task<IReadOnlyList<T>> ExecuteAsync<T>(
        this IGatewayClient client, ExecuteRequest request, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(client);
        var answer = await client.ExecuteAsync(request, cancellationToken).ConfigureAwait(false);
        return answer.RowsAs<T>(client.Json);
    }

    /// <inheritdoc cref="IGatewayClient.ExecuteAsync(ExecuteRequest, CancellationToken)"/>
    /// <inheritdoc
    /// cref="QueryAsync{T}(IGatewayClient, string, string, object?, int, CancellationToken)" path="/param"/>
    public static Task<StatementResponse> ExecuteAsync(
        this IGatewayClient client, string activityId, string sql, object? parameters = null, int attempt = 1,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(client);
        return client.ExecuteAsync(ExecuteOf(client, activityId, sql, parameters, attempt), cancellationToken);
    }

    /// <inheritdoc cref="ExecuteAsync{T}(IGatewayClient, ExecuteRequest, CancellationToken)"/>
    /// <inheritdoc
    /// cref="QueryAsync{T}(IGatewayClient, string, string, object?, int, CancellationToken)" path="/param"/>
    public static Task<IReadOnlyList<T>> ExecuteAsync<T>(
        this IGatewayClient client, string activityId, string sql, object? parameters = null, int attempt = 1,
        CancellationToken cancellationToken = default) =>
        client.ExecuteAsync<T>(ExecuteOf(client, activityId, sql, parameters, attempt), cancellationToken);

    private static QueryRequest QueryOf(
        IGatewayClient client, string activityId, string sql, object? parameters, int attempt) => new()
        {
            ActivityId = activityId,
            Attempt = attempt,
            Sql = sql,
            Parameters = ParametersOf(client, parameters),
        };

    private static ExecuteRequest ExecuteOf(
        IGatewayClient client, string activityId, string sql, object? parameters, int attempt) => new()
        {
            ActivityId = activityId,
            Attempt = attempt,
            Sql = sql,
            Parameters = ParametersOf(client, parameters),
        };

    private static JsonElement? ParametersOf(IGatewayClient client, object? parameters) =>
        parameters is null ? null : StatementParameters.From(parameters, client.Json);
}
