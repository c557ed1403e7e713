using System.Text.Json.Serialization;

namespace Gateway.Contracts;

/// <summary>A failure as RFC 9457 problem details; at most 2 KB, and never a parameter's value.</summary>
public sealed record Problem
{
    /// <summary><c>/problems/</c> and the code.</summary>
    public required string Type { get; init; }

    /// <summary>The code in words; the same for each occurrence.</summary>
    public required string Title { get; init; }

    /// <summary>The HTTP status.</summary>
    public required int Status { get; init; }

    /// <summary>What kind of failure it is.</summary>
    public required ProblemCode Code { get; init; }

    /// <summary>What happened this time, and the cure where there is one.</summary>
    public required string Detail { get; init; }

    /// <summary>The faults of the request, as many as there is room for, where it is the request that is at fault.</summary>
    public IReadOnlyList<RequestFault>? Errors { get; init; }

    /// <summary>How many more faults there are than <c>errors</c> has room for.</summary>
    public int? MoreErrors { get; init; }

    /// <summary>PostgreSQL's five-character code, where PostgreSQL refused.</summary>
    public string? SqlState { get; init; }

    /// <summary>PostgreSQL's hint.</summary>
    public string? Hint { get; init; }

    /// <summary>Which statement of a transaction failed, from 0.</summary>
    public int? Statement { get; init; }

    /// <summary>Where in the request's SQL the fault is, counted in characters (code points) from 1.</summary>
    public int? Position { get; init; }

    /// <summary>The schema of the table or constraint at fault.</summary>
    public string? Schema { get; init; }

    /// <summary>The table at fault.</summary>
    public string? Table { get; init; }

    /// <summary>The column at fault.</summary>
    public string? Column { get; init; }

    /// <summary>The data type at fault.</summary>
    public string? DataType { get; init; }

    /// <summary>The constraint that was violated.</summary>
    public string? Constraint { get; init; }

    /// <summary>Whether the same request may succeed if it is sent again.</summary>
    public required bool Retryable { get; init; }

    /// <summary>Whether the request's effect was kept: <c>no</c>, <c>yes</c>, or <c>unknown</c>.</summary>
    public required Committed Committed { get; init; }

    /// <summary>The tag that the request carried.</summary>
    public string? ActivityId { get; init; }

    /// <summary>The W3C trace ID of the request, as in the gateway's logs.</summary>
    public string? TraceId { get; init; }
}

/// <summary>One fault of a request.</summary>
/// <param name="Pointer">A JSON Pointer (RFC 6901) into the request's body; empty for the body itself.</param>
/// <param name="Detail">What is wrong there, and the cure.</param>
public sealed record RequestFault(string Pointer, string Detail);

/// <summary>Whether a request's effect was kept.</summary>
[JsonConverter(typeof(CommittedConverter))]
public enum Committed
{
    /// <summary>Nothing was kept.</summary>
    No,

    /// <summary>All of it was kept.</summary>
    Yes,

    /// <summary>It could not be found out.</summary>
    Unknown,
}

/// <summary>Every kind of failure that the gateway answers with.</summary>
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
