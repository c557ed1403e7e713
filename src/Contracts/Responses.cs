using System.Text.Json;
using System.Text.Json.Serialization;

namespace Gateway.Contracts;

/// <summary>What a statement did, and the rows that it returned.</summary>
public sealed record StatementResponse
{
    /// <summary>The tag that the request carried.</summary>
    public required string ActivityId { get; init; }

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

/// <summary>What the readiness probe says.</summary>
/// <param name="Status"><c>ready</c>, <c>degraded</c> (some connections can't be reached) or <c>unavailable</c>.</param>
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
