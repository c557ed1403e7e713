using System.Text.Json.Serialization;

namespace Gateway.Contracts;

/// <summary>An error as RFC 9457 problem details. It has at most 2 KB and never contains a parameter's value.</summary>
public sealed record Problem
{
    /// <summary><c>/problems/</c> and the code.</summary>
    public required string Type { get; init; }

    /// <summary>The code in words, always the same.</summary>
    public required string Title { get; init; }

    /// <summary>The HTTP status.</summary>
    public required int Status { get; init; }

    /// <summary>The kind of error.</summary>
    public required ProblemCode Code { get; init; }

    /// <summary>What happened, and what to do.</summary>
    public required string Detail { get; init; }

    /// <summary>The faults of an invalid request, as many as fit.</summary>
    public IReadOnlyList<RequestFault>? Errors { get; init; }

    /// <summary>The number of faults that don't fit into <c>errors</c>.</summary>
    public int? MoreErrors { get; init; }

    /// <summary>PostgreSQL's five-character error code, if PostgreSQL reported the error.</summary>
    public string? SqlState { get; init; }

    /// <summary>PostgreSQL's hint.</summary>
    public string? Hint { get; init; }

    /// <summary>The index of the statement that failed, from 0, in a transaction.</summary>
    public int? Statement { get; init; }

    /// <summary>The position of the error in the request's SQL, in characters (code points) from 1.</summary>
    public int? Position { get; init; }

    /// <summary>The schema of the table or constraint of the error.</summary>
    public string? Schema { get; init; }

    /// <summary>The table of the error.</summary>
    public string? Table { get; init; }

    /// <summary>The column of the error.</summary>
    public string? Column { get; init; }

    /// <summary>The data type of the error.</summary>
    public string? DataType { get; init; }

    /// <summary>The constraint that was violated.</summary>
    public string? Constraint { get; init; }

    /// <summary>Whether the same request may succeed if it is sent again.</summary>
    public required bool Retryable { get; init; }

    /// <summary>Whether the request took effect: <c>no</c>, <c>yes</c>, or <c>unknown</c>.</summary>
    public required Committed Committed { get; init; }

    /// <summary>The activity ID of the request.</summary>
    public string? ActivityId { get; init; }

    /// <summary>The W3C trace ID of the request, which the gateway's logs have too.</summary>
    public string? TraceId { get; init; }
}

/// <summary>One fault of a request.</summary>
/// <param name="Pointer">A JSON Pointer (RFC 6901) into the request body; empty for the body itself.</param>
/// <param name="Detail">What is wrong there, and what to do.</param>
public sealed record RequestFault(string Pointer, string Detail);

/// <summary>Whether a request took effect.</summary>
[JsonConverter(typeof(CommittedConverter))]
public enum Committed
{
    /// <summary>It had no effect.</summary>
    No,

    /// <summary>It took effect.</summary>
    Yes,

    /// <summary>The gateway could not find out.</summary>
    Unknown,
}

/// <summary>The kinds of errors.</summary>
[JsonConverter(typeof(ProblemCodeConverter))]
public enum ProblemCode
{
    InvalidRequest,
    Unauthenticated,
    Forbidden,
    ConnectionNotFound,
    ActivityNotFound,
    EndpointNotFound,
    MethodNotAllowed,
    BodyTooLarge,
    UnsupportedMediaType,
    SqlRejected,
    SqlError,
    ReadOnly,
    DuplicateColumn,
    ResultTooLarge,
    ExpectationFailed,
    ActivityMismatch,
    JournalMissing,
    Cancelled,
    ActivityInFlight,
    RateLimited,
    Saturated,
    IssuerUnavailable,
    Conflict,
    DatabaseUnavailable,
    OutcomeUnknown,
    DeadlineExceeded,
    Internal,
}
