using Gateway.Contracts;

namespace Gateway.Api.Endpoints;

/// <summary>Represents the contract of an operation, as far as its endpoint's metadata does not contain it.</summary>
/// <param name="Request">The type of its body; null if it has none.</param>
/// <param name="Parameters">Names in <see cref="ContractDocumentTexts.Parameters"/>.</param>
/// <param name="Codes">The problems that it may return.</param>
/// <param name="Answers">Its answers that are not problems.</param>
internal sealed record ContractOperation(
    Type? Request,
    IReadOnlyList<string> Parameters,
    IReadOnlyList<ProblemCode> Codes,
    IReadOnlyList<ContractAnswer> Answers)
{
    /// <summary>Gets whether the operation may write. Then its answer says whether it is a replay.</summary>
    public bool Writes => Request == typeof(ExecuteRequest) || Request == typeof(TransactionRequest);

    /// <summary>Gets whether its answer may be a stream.</summary>
    public bool Streams => Request == typeof(QueryRequest);
}

/// <summary>Represents an answer that is not a problem.</summary>
/// <param name="Status">Its HTTP status.</param>
/// <param name="Description">When it is returned.</param>
/// <param name="Examples">Names in <see cref="ContractExamples.Answers"/>.</param>
internal sealed record ContractAnswer(int Status, string Description, params IReadOnlyList<string> Examples);

/// <summary>The only table of the problems that each operation may return, by the operation's name.</summary>
internal static class ContractOperations
{
    private static readonly string[] HeadersOfStatements =
        [StatementEndpoints.IdempotencyKey, ContractDocumentTexts.TraceParent];

    private static readonly string[] WhichActivity =
        [ContractDocumentTexts.ActivityId, ContractDocumentTexts.Connection, ContractDocumentTexts.TraceParent];

    /// <summary>The problems that any statement may return.</summary>
    private static readonly ProblemCode[] OfAnyStatement =
    [
        ProblemCode.InvalidRequest,
        ProblemCode.Unauthenticated,
        ProblemCode.Forbidden,
        ProblemCode.ConnectionNotFound,
        ProblemCode.BodyTooLarge,
        ProblemCode.UnsupportedMediaType,
        ProblemCode.SqlRejected,
        ProblemCode.SqlError,
        ProblemCode.ReadOnly,
        ProblemCode.DuplicateColumn,
        ProblemCode.ResultTooLarge,
        ProblemCode.Cancelled,
        ProblemCode.RateLimited,
        ProblemCode.Saturated,
        ProblemCode.IssuerUnavailable,
        ProblemCode.Conflict,
        ProblemCode.DatabaseUnavailable,
        ProblemCode.DeadlineExceeded,
        ProblemCode.Internal,
    ];

    /// <summary>The problems that a statement that may write may return.</summary>
    private static readonly ProblemCode[] OfWrites =
    [
        .. OfAnyStatement,
        ProblemCode.ExpectationFailed,
        ProblemCode.ActivityMismatch,
        ProblemCode.JournalMissing,
        ProblemCode.ActivityInFlight,
        ProblemCode.OutcomeUnknown,
    ];

    private static readonly ProblemCode[] OfAnyActivity =
    [
        ProblemCode.InvalidRequest,
        ProblemCode.Unauthenticated,
        ProblemCode.Forbidden,
        ProblemCode.ConnectionNotFound,
        ProblemCode.ActivityNotFound,
        ProblemCode.RateLimited,
        ProblemCode.IssuerUnavailable,
        ProblemCode.DatabaseUnavailable,
        ProblemCode.OutcomeUnknown,
        ProblemCode.DeadlineExceeded,
        ProblemCode.Internal,
    ];

    public static IReadOnlyDictionary<string, ContractOperation> ByName { get; } =
        new Dictionary<string, ContractOperation>
        {
            ["query"] = new(
                typeof(QueryRequest), HeadersOfStatements, OfAnyStatement,
                [new(200, "The statement ran.", "named", "arrayRows", "firstRows")]),
            ["execute"] = new(
                typeof(ExecuteRequest), HeadersOfStatements, OfWrites,
                [
                    new(
                        200, "The statement ran, and is committed; now or by an earlier attempt.",
                        "exactlyOnce", "update"),
                ]),
            ["transaction"] = new(
                typeof(TransactionRequest), HeadersOfStatements, OfWrites,
                [
                    new(
                        200, "The statements ran, and are committed; now or by an earlier attempt.",
                        "order", "readOnly"),
                ]),
            ["findActivity"] = new(
                null, WhichActivity, OfAnyActivity,
                [new(200, "The activity is recorded or running.", "completed", "running")]),
            ["cancelActivity"] = new(
                null, WhichActivity, OfAnyActivity,
                [
                    new(
                        200,
                        "The activity was running. Its status is `cancelled`, `completed` if the cancel came too late, "
                        + "or `running` if it can't be ended.",
                        "cancelled"),
                ]),
            ["live"] = new(null, [], [ProblemCode.Internal], [new(200, "The gateway runs.", "live")]),
            ["startup"] = new(null, [], [ProblemCode.Internal], [new(200, "The gateway has started.", "startup")]),
            ["ready"] = new(
                null, [], [ProblemCode.Internal],
                [
                    new(200, "At least one connection's server can be reached.", "ready"),
                    new(
                        503, "No connection's server can be reached, or the gateway is stopping.",
                        "unavailable", "draining"),
                ]),
            ["metrics"] = new(null, [], [ProblemCode.Internal], [new(200, "All metrics.")]),
        };

    /// <summary>Gets all codes that an operation may return, in the order of their declaration.</summary>
    public static IEnumerable<ProblemCode> Codes =>
        ByName.Values.SelectMany(operation => operation.Codes).Distinct().Order();
}
