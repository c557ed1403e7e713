namespace Gateway.Contracts;

/// <summary>What all problems of a code have in common.</summary>
/// <param name="Status">The HTTP status.</param>
/// <param name="Retryable">Whether the same request may succeed if it is sent again.</param>
/// <param name="Title">The code in words.</param>
public sealed record ProblemKind(int Status, bool Retryable, string Title);

/// <summary>
/// The only table code → status and title; PostgresFailure in src/Api is the only table SQLSTATE → code. Workflow
/// engines retry 408, 409, 429 and 5xx, and give up on other 4xx. So a failure that a retry can't fix never has one of
/// those statuses.
/// </summary>
public static class ProblemTable
{
    public static IReadOnlyDictionary<ProblemCode, ProblemKind> Kinds { get; } =
        new Dictionary<ProblemCode, ProblemKind>
        {
            [ProblemCode.InvalidRequest] = new(400, false, "The request is not valid"),
            [ProblemCode.Unauthenticated] = new(401, false, "The request has no valid key or token"),
            [ProblemCode.Forbidden] = new(403, false, "The caller may not do this on the connection"),
            [ProblemCode.ConnectionNotFound] = new(404, false, "No connection has that name"),
            [ProblemCode.ActivityNotFound] = new(404, false, "No activity has that ID"),
            [ProblemCode.EndpointNotFound] = new(404, false, "No endpoint has that path"),
            [ProblemCode.MethodNotAllowed] = new(405, false, "The endpoint does not support that method"),
            [ProblemCode.BodyTooLarge] = new(413, false, "The request body is too large"),
            [ProblemCode.UnsupportedMediaType] = new(415, false, "The request body is not application/json"),
            [ProblemCode.SqlRejected] = new(422, false, "The gateway does not run that statement"),
            [ProblemCode.SqlError] = new(422, false, "PostgreSQL refused the statement"),
            [ProblemCode.ReadOnly] = new(422, false, "The statement writes, and only reading is allowed"),
            [ProblemCode.DuplicateColumn] = new(422, false, "Two columns have the same name"),
            [ProblemCode.ResultTooLarge] = new(422, false, "The result is too large"),
            [ProblemCode.ExpectationFailed] = new(422, false, "The result is not what the request expects"),
            [ProblemCode.ActivityMismatch] = new(422, false, "The activity ID was used for another request"),
            [ProblemCode.JournalMissing] = new(422, false, "The connection has no journal"),
            [ProblemCode.Cancelled] = new(422, false, "The activity was cancelled"),
            [ProblemCode.ActivityInFlight] = new(409, true, "An earlier attempt of the activity is still running"),
            [ProblemCode.RateLimited] = new(429, true, "The caller sends too many requests"),
            [ProblemCode.Saturated] = new(503, true, "The gateway has no room for the request now"),
            [ProblemCode.IssuerUnavailable] = new(503, true, "The keys of the token's issuer are unavailable"),
            [ProblemCode.Conflict] = new(503, true, "The statement conflicts with a concurrent one"),
            [ProblemCode.DatabaseUnavailable] = new(503, true, "The database is unavailable"),
            [ProblemCode.OutcomeUnknown] = new(503, true, "It is unknown whether the request took effect"),
            [ProblemCode.DeadlineExceeded] = new(504, true, "The request did not finish within its time"),
            [ProblemCode.Internal] = new(500, true, "The gateway has an internal error"),
        };

    public static ProblemKind For(ProblemCode code) => Kinds[code];
}
