using Gateway.Contracts;

namespace Gateway.Api.Errors;

/// <summary>
/// Represents a classified failure. It is the only exception that becomes an answer. Each fault is classified once,
/// where the most is known about it.
/// </summary>
internal sealed class Failure : Exception
{
    public Failure(ProblemCode code, string detail, Exception? cause = null)
        : base(detail, cause) => Code = code;

    public ProblemCode Code { get; }

    /// <summary>Gets the request's faults, or the first ones, for <see cref="ProblemCode.InvalidRequest"/>.</summary>
    public IReadOnlyList<RequestFault>? Faults { get; init; }

    /// <summary>Gets the number of further faults.</summary>
    public int MoreFaults { get; init; }

    /// <summary>Gets PostgreSQL's error; null if the failure is not PostgreSQL's.</summary>
    public PostgresRefusal? Refusal { get; init; }

    /// <summary>Gets or sets the index of the transaction's statement that failed, from 0.</summary>
    public int? Statement { get; set; }

    /// <summary>
    /// Gets or sets whether the request's effect was committed. Unknown also if the request met another attempt of the
    /// activity, and does not know how that one ended.
    /// </summary>
    public Committed Committed { get; set; }

    /// <summary>
    /// Gets the value of the header WWW-Authenticate; null if the failure is not about the credential.
    /// </summary>
    public string? Challenge { get; init; }

    /// <summary>Gets the time to wait before a retry, in seconds. Answers have at most 60.</summary>
    public int RetryAfterSeconds { get; init; } = 1;

    public static Failure Invalid(RequestFaults faults) =>
        new(
            ProblemCode.InvalidRequest,
            faults.Count == 1 ? faults.Kept[0].Detail : $"The request has {faults.Count} faults.")
        {
            Faults = faults.Kept,
            MoreFaults = faults.Count - faults.Kept.Count,
        };

    public static Failure Invalid(params ReadOnlySpan<RequestFault> faults)
    {
        var all = new RequestFaults();
        foreach (var fault in faults)
            all.Add(fault);
        return Invalid(all);
    }
}

/// <summary>Represents the parts of PostgreSQL's error that callers see, without parameter values.</summary>
internal sealed record PostgresRefusal(string SqlState)
{
    public string? Hint { get; init; }

    /// <summary>Gets the position in the caller's SQL, in characters from 1.</summary>
    public int? Position { get; init; }
    public string? Schema { get; init; }
    public string? Table { get; init; }
    public string? Column { get; init; }
    public string? DataType { get; init; }
    public string? Constraint { get; init; }

    /// <summary>
    /// Gets the rest of the error, for a protocol that passes the whole error on; null if the statement did not reach
    /// PostgreSQL.
    /// </summary>
    public PostgresErrorContext? Context { get; init; }
}

/// <summary>
/// Represents the rest of PostgreSQL's error. It may quote rows, so it is not part of a problem, which workflow engines
/// store.
/// </summary>
internal sealed record PostgresErrorContext(string Severity)
{
    public string? Detail { get; init; }

    /// <summary>Gets the position in <see cref="InternalQuery"/>, in characters from 1.</summary>
    public int? InternalPosition { get; init; }

    /// <summary>Gets the failed statement inside a function.</summary>
    public string? InternalQuery { get; init; }

    /// <summary>Gets the call stack in PostgreSQL, one line for each call.</summary>
    public string? Where { get; init; }

    /// <summary>Gets the position in PostgreSQL's source code.</summary>
    public string? File { get; init; }
    public string? Line { get; init; }
    public string? Routine { get; init; }
}
