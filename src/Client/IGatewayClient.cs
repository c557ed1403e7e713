using System.Text.Json;
using Gateway.Contracts;

namespace Gateway.Client;

/// <summary>
/// The methods of <see cref="GatewayClient"/>, so that activities can be tested with another client.
/// <see cref="GatewayClientCalls"/> has the shorter and the typed forms, for every implementation.
/// </summary>
public interface IGatewayClient
{
    /// <summary>Gets the options for reading rows and writing parameters.</summary>
    JsonSerializerOptions Json { get; }

    /// <summary>Runs a statement that reads. It can be run again at any time.</summary>
    Task<QueryResponse> QueryAsync(QueryRequest request, CancellationToken cancellationToken = default);

    /// <summary>
    /// Runs a statement that reads, and streams its rows, any number of them. The request is retried until the first
    /// row arrives. After that, it fails if the stream fails, or ends without its last line. The request's timeout
    /// includes the whole stream.
    /// </summary>
    IAsyncEnumerable<T> StreamAsync<T>(QueryRequest request, CancellationToken cancellationToken = default);

    /// <summary>Runs a statement that may write. It takes effect once, however often it is sent.</summary>
    Task<StatementResponse> ExecuteAsync(ExecuteRequest request, CancellationToken cancellationToken = default);

    /// <summary>
    /// Runs statements in one transaction: either all of them take effect, once, or none does.
    /// <see cref="StatementRows.RowsAs"/> reads the rows of a result.
    /// </summary>
    Task<TransactionResponse> TransactionAsync(
        TransactionRequest request, CancellationToken cancellationToken = default);

    /// <summary>Gets an activity's status: completed with its recorded answer, or running.</summary>
    /// <returns>Null if it is neither.</returns>
    Task<ActivityResponse?> FindActivityAsync(
        string activityId, string connection = "default", CancellationToken cancellationToken = default);

    /// <summary>Cancels a running activity, whichever replica runs it.</summary>
    /// <returns>The activity's status after that; null if it is neither running nor recorded.</returns>
    Task<ActivityResponse?> CancelActivityAsync(
        string activityId, string connection = "default", CancellationToken cancellationToken = default);
}
