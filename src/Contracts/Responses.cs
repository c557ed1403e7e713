using System.Text.Json;
using System.Text.Json.Serialization;

namespace Gateway.Contracts;

/// <summary>What a statement did, and the rows that it returned.</summary>
public sealed record StatementResponse : StatementOutcome
{
    /// <summary>The tag that the request carried.</summary>
    [JsonPropertyOrder(-1)]
    public required string ActivityId { get; init; }

    /// <summary>
    /// Whether it is the recorded answer of an earlier attempt: the header <c>Idempotent-Replayed</c>, and no member of the JSON.
    /// </summary>
    [JsonIgnore]
    public bool Replayed { get; init; }
}

/// <summary>The rows that a query returned.</summary>
public sealed record QueryResponse : StatementOutcome
{
    /// <summary>The tag that the request carried.</summary>
    [JsonPropertyOrder(-1)]
    public required string ActivityId { get; init; }

    /// <summary>Whether there are more rows than its <c>maxRows</c>.</summary>
    public required bool Truncated { get; init; }
}

/// <summary>What the statements of a transaction did; all of it is committed.</summary>
public sealed record TransactionResponse
{
    /// <summary>The tag that the request carried.</summary>
    public required string ActivityId { get; init; }

    /// <summary>A result for each statement, in their order.</summary>
    public required IReadOnlyList<TransactionResult> Results { get; init; }

    /// <summary>As of a single statement's answer.</summary>
    [JsonIgnore]
    public bool Replayed { get; init; }
}

/// <summary>What one statement of a transaction did.</summary>
public sealed record TransactionResult : StatementOutcome;

/// <summary>What a statement did, and the rows that it returned.</summary>
public abstract record StatementOutcome
{
    /// <summary>The first word of PostgreSQL's command tag, such as <c>SELECT</c>.</summary>
    public required string Command { get; init; }

    /// <summary>
    /// Rows returned, or affected where none are returned; null for a statement that has no count.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public required long? RowCount { get; init; }

    /// <summary>The columns, in their order; empty where no rows are returned.</summary>
    public required IReadOnlyList<Column> Columns { get; init; }

    /// <summary>
    /// The rows, in PostgreSQL's order: objects by column name, or arrays in the order of the columns.
    /// A value looks as PostgreSQL's <c>to_json</c> prints it.
    /// </summary>
    public required IReadOnlyList<JsonElement> Rows { get; init; }
}

/// <summary>A column of an answer.</summary>
/// <param name="Name">Its name, or its alias.</param>
/// <param name="Type">Its type as PostgreSQL's <c>format_type(oid, NULL)</c> prints it.</param>
public sealed record Column(string Name, string Type);

/// <summary>What became of an activity.</summary>
public sealed record ActivityResponse
{
    /// <summary>The activity's ID.</summary>
    public required string ActivityId { get; init; }

    /// <summary>How it stands.</summary>
    public required ActivityStatus Status { get; init; }

    /// <summary>The recorded answer, byte for byte, where it is completed.</summary>
    public JsonElement? Response { get; init; }

    /// <summary>When the answer was recorded.</summary>
    public DateTimeOffset? RecordedAt { get; init; }

    /// <summary>Until when the record is kept at least.</summary>
    public DateTimeOffset? ExpiresAt { get; init; }

    /// <summary>Since when its transaction has been open, where it is running.</summary>
    public DateTimeOffset? RunningSince { get; init; }
}

/// <summary>How an activity stands.</summary>
[JsonConverter(typeof(ActivityStatusConverter))]
public enum ActivityStatus
{
    /// <summary>Its effect is committed, and its answer recorded.</summary>
    Completed,

    /// <summary>Its transaction is open.</summary>
    Running,

    /// <summary>It was running, and was cancelled: nothing of it is recorded.</summary>
    Cancelled,
}

/// <summary>What the readiness probe says.</summary>
/// <param name="Status"><c>ready</c>, <c>degraded</c> (some connections can't be reached), <c>unavailable</c> or <c>draining</c> (the gateway is stopping).</param>
/// <param name="Connections">An entry for each named connection.</param>
public sealed record Readiness(string Status, IReadOnlyDictionary<string, ConnectionReadiness> Connections);

/// <summary>Whether a connection's server can be reached.</summary>
/// <param name="Reachable">False after several failed checks in a row, true again after one that succeeds.</param>
/// <param name="FailedChecks">The checks that have failed since the last that succeeded.</param>
/// <param name="Detail">What the last check met, where it failed.</param>
public sealed record ConnectionReadiness(bool Reachable, int FailedChecks, string? Detail);

/// <summary>What the liveness and startup probes say.</summary>
/// <param name="Status"><c>live</c> or <c>started</c>.</param>
public sealed record Liveness(string Status);
