using System.Text.Json;
using System.Text.Json.Serialization;

namespace Gateway.Contracts;

/// <summary>The result of a statement: its effect and its rows.</summary>
public sealed record StatementResponse : StatementOutcome
{
    /// <summary>The activity ID of the request.</summary>
    [JsonPropertyOrder(-1)]
    public required string ActivityId { get; init; }

    /// <summary>
    /// Whether this is the recorded answer of an earlier attempt: the header <c>Idempotent-Replayed</c>; not in the
    /// JSON.
    /// </summary>
    [JsonIgnore]
    public bool Replayed { get; init; }

    /// <summary>
    /// The position in the server's write-ahead log (LSN), at or after the commit: the header <c>Gateway-Lsn</c>; not
    /// in the JSON. As <see cref="QueryRequest.MinLsn"/> it makes a later query see this effect.
    /// </summary>
    [JsonIgnore]
    public string? Lsn { get; init; }
}

/// <summary>The result of a query.</summary>
public sealed record QueryResponse : StatementOutcome
{
    /// <summary>The activity ID of the request.</summary>
    [JsonPropertyOrder(-1)]
    public required string ActivityId { get; init; }

    /// <summary>Whether there are more rows than <c>maxRows</c>.</summary>
    public required bool Truncated { get; init; }
}

/// <summary>The results of a transaction, which is committed.</summary>
public sealed record TransactionResponse
{
    /// <summary>The activity ID of the request.</summary>
    public required string ActivityId { get; init; }

    /// <summary>A result for each statement, in the same order.</summary>
    public required IReadOnlyList<TransactionResult> Results { get; init; }

    /// <summary>Whether this is the recorded answer of an earlier attempt.</summary>
    [JsonIgnore]
    public bool Replayed { get; init; }

    /// <summary>The position in the server's write-ahead log, as in <see cref="StatementResponse.Lsn"/>.</summary>
    [JsonIgnore]
    public string? Lsn { get; init; }
}

/// <summary>The result of one statement of a transaction.</summary>
public sealed record TransactionResult : StatementOutcome;

/// <summary>The result of a statement: its effect and its rows.</summary>
public abstract record StatementOutcome
{
    /// <summary>The first word of PostgreSQL's command tag, such as <c>SELECT</c>.</summary>
    public required string Command { get; init; }

    /// <summary>
    /// The number of returned rows, or of affected rows if none are returned; null for a statement without a count.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public required long? RowCount { get; init; }

    /// <summary>The columns, in order; empty if the statement returns no rows.</summary>
    public required IReadOnlyList<Column> Columns { get; init; }

    /// <summary>
    /// The rows, in PostgreSQL's order: objects by column name, or arrays in the order of the columns. Values are as
    /// PostgreSQL's <c>to_json</c> prints them.
    /// </summary>
    public required IReadOnlyList<JsonElement> Rows { get; init; }
}

/// <summary>A column of an answer.</summary>
/// <param name="Name">The name or the alias of the column.</param>
/// <param name="Type">The type of the column, as PostgreSQL's <c>format_type(oid, NULL)</c> prints it.</param>
public sealed record Column(string Name, string Type);

/// <summary>The status of an activity.</summary>
public sealed record ActivityResponse
{
    /// <summary>The activity ID.</summary>
    public required string ActivityId { get; init; }

    /// <summary>The status.</summary>
    public required ActivityStatus Status { get; init; }

    /// <summary>The recorded answer, byte for byte, if the activity is completed.</summary>
    public JsonElement? Response { get; init; }

    /// <summary>When the answer was recorded.</summary>
    public DateTimeOffset? RecordedAt { get; init; }

    /// <summary>The earliest time at which the record may be deleted.</summary>
    public DateTimeOffset? ExpiresAt { get; init; }

    /// <summary>When the transaction began, if the activity is running.</summary>
    public DateTimeOffset? RunningSince { get; init; }

    /// <summary>
    /// The number of requests that wait for the running attempt, if the activity is running: those of the replica that
    /// answers this.
    /// </summary>
    public int? Waiting { get; init; }
}

/// <summary>The status of an activity.</summary>
[JsonConverter(typeof(ActivityStatusConverter))]
public enum ActivityStatus
{
    /// <summary>The effect is committed, and the answer is recorded.</summary>
    Completed,

    /// <summary>The transaction is open.</summary>
    Running,

    /// <summary>The activity was running and was cancelled. Nothing is recorded.</summary>
    Cancelled,
}

/// <summary>The answer of the readiness probe.</summary>
/// <param name="Status">
/// The status: <c>ready</c>, <c>degraded</c> (some connections can't be reached), <c>unavailable</c> or <c>draining</c>
/// (the gateway is stopping).
/// </param>
/// <param name="Connections">An entry for each named connection.</param>
public sealed record Readiness(string Status, IReadOnlyDictionary<string, ConnectionReadiness> Connections);

/// <summary>Whether a connection's server can be reached.</summary>
/// <param name="Reachable">False after several failed checks in a row, true again after a successful one.</param>
/// <param name="FailedChecks">The number of failed checks since the last successful one.</param>
/// <param name="Detail">The fault that the last check found, if any.</param>
/// <param name="Journal">
/// The journal's state, for a connection that takes writes: <c>ok</c>, <c>newer</c> (of a later version than this
/// gateway's; it works), <c>missing</c>, <c>outdated</c>, <c>incompatible</c> (of a later version that this gateway
/// can't use), <c>closed</c> (not open to this connection) or <c>standby</c> (the server takes no writes).
/// </param>
/// <param name="Durability">
/// For a connection with the setting <c>Durability=synchronous</c>: <c>ok</c>, or <c>no_standby</c> while no
/// synchronous standby would confirm a write, so that writes are refused.
/// </param>
public sealed record ConnectionReadiness(
    bool Reachable, int FailedChecks, string? Detail, string? Journal = null, string? Durability = null);

/// <summary>The answer of the liveness and startup probes.</summary>
/// <param name="Status"><c>live</c> or <c>started</c>.</param>
public sealed record Liveness(string Status);
