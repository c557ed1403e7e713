using Gateway.Contracts;

namespace Gateway.Api.Endpoints;

/// <summary>What the contract says of an operation beyond its endpoint's own metadata.</summary>
/// <param name="Request">The type of its body; null where it takes none.</param>
/// <param name="Parameters">Names in <see cref="ContractDocumentTexts.Parameters"/>.</param>
/// <param name="Codes">The problems that it may be answered with.</param>
/// <param name="Answers">Its answers that are no problems.</param>
internal sealed record ContractOperation(
    Type? Request, IReadOnlyList<string> Parameters, IReadOnlyList<ProblemCode> Codes, IReadOnlyList<ContractAnswer> Answers)
{
    /// <summary>Whether it may write, and its answer therefore says whether it is a replay.</summary>
    public bool Writes => Request == typeof(ExecuteRequest) || Request == typeof(TransactionRequest);

    /// <summary>Whether its answer may be a stream.</summary>
    public bool Streams => Request == typeof(QueryRequest);
}

/// <summary>An answer that is no problem.</summary>
/// <param name="Status">Its HTTP status.</param>
/// <param name="Description">When it is given.</param>
/// <param name="Examples">Names in <see cref="ContractExamples.Answers"/>.</param>
internal sealed record ContractAnswer(int Status, string Description, params IReadOnlyList<string> Examples);

/// <summary>The one place that says which problems each operation may be answered with, by its name.</summary>
internal static class ContractOperations
{
    private static readonly string[] HeadersOfStatements = [StatementEndpoints.IdempotencyKey, ContractDocumentTexts.TraceParent];

    private static readonly string[] WhichActivity =
        [ContractDocumentTexts.ActivityId, ContractDocumentTexts.Connection, ContractDocumentTexts.TraceParent];

    /// <summary>What a statement can meet on its way, whatever it may do.</summary>
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

    /// <summary>What one that may write can meet besides.</summary>
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
        ProblemCode.DeadlineExceeded,
        ProblemCode.Internal,
    ];

    public static IReadOnlyDictionary<string, ContractOperation> ByName { get; } =
        new Dictionary<string, ContractOperation>
        {
            ["query"] = new(
                typeof(QueryRequest), HeadersOfStatements, OfAnyStatement, [new(200, "The statement ran.", "named", "arrayRows", "firstRows")]),
            ["execute"] = new(
                typeof(ExecuteRequest), HeadersOfStatements, OfWrites,
                [new(200, "The statement ran, and is committed; now or by an earlier attempt.", "exactlyOnce", "update")]),
            ["transaction"] = new(
                typeof(TransactionRequest), HeadersOfStatements, OfWrites,
                [new(200, "The statements ran, and are committed; now or by an earlier attempt.", "order", "readOnly")]),
            ["findActivity"] = new(
                null, WhichActivity, OfAnyActivity, [new(200, "It is recorded, or running.", "completed", "running")]),
            ["cancelActivity"] = new(
                null, WhichActivity, OfAnyActivity,
                [
                    new(
                        200,
                        "It was running: `cancelled` now, `completed` where the cancel came too late, or `running` still where it can't "
                        + "be ended.",
                        "cancelled"),
                ]),
            ["live"] = new(null, [], [ProblemCode.Internal], [new(200, "It lives.", "live")]),
            ["startup"] = new(null, [], [ProblemCode.Internal], [new(200, "It has started.", "startup")]),
            ["ready"] = new(
                null, [], [ProblemCode.Internal],
                [
                    new(200, "A connection's server can be reached: one of them at least.", "ready"),
                    new(503, "No connection's server can be reached, or the gateway is stopping.", "unavailable", "draining"),
                ]),
            ["metrics"] = new(null, [], [ProblemCode.Internal], [new(200, "All metrics.")]),
        };

    /// <summary>The codes that some operation is answered with, in the order of their declaration.</summary>
    public static IEnumerable<ProblemCode> Codes => ByName.Values.SelectMany(operation => operation.Codes).Distinct().Order();
}
