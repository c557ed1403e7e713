using Gateway.Contracts;

namespace Gateway.Api.Errors;

/// <summary>What a kind of failure is answered with.</summary>
/// <param name="Status">The HTTP status.</param>
/// <param name="Retryable">Whether the same request may succeed if it is sent again.</param>
/// <param name="Title">The code in words.</param>
internal sealed record FailureAnswer(int Status, bool Retryable, string Title);

/// <summary>
/// The one table failure → status → title. Workflow engines retry 408, 409, 429 and 5xx and give up on other 4xx,
/// so a failure that can't succeed on a retry never gets one of those.
/// </summary>
internal static class FailureTable
{
    public static IReadOnlyDictionary<ProblemCode, FailureAnswer> Answers { get; } =
        new Dictionary<ProblemCode, FailureAnswer>
        {
            [ProblemCode.InvalidRequest] = new(400, false, "The request is not valid"),
            [ProblemCode.Unauthenticated] = new(401, false, "The request carries no valid credential"),
            [ProblemCode.Forbidden] = new(403, false, "This caller may not do that on this connection"),
            [ProblemCode.ConnectionNotFound] = new(404, false, "No connection has that name"),
            [ProblemCode.ActivityNotFound] = new(404, false, "No activity is recorded under that ID"),
            [ProblemCode.EndpointNotFound] = new(404, false, "No endpoint has that path"),
            [ProblemCode.MethodNotAllowed] = new(405, false, "The endpoint does not take that method"),
            [ProblemCode.BodyTooLarge] = new(413, false, "The request's body is too large"),
            [ProblemCode.UnsupportedMediaType] = new(415, false, "The request's body is not application/json"),
            [ProblemCode.SqlRejected] = new(422, false, "The gateway does not run such a statement"),
            [ProblemCode.SqlError] = new(422, false, "PostgreSQL refused the statement"),
            [ProblemCode.ReadOnly] = new(422, false, "The statement would write where only reading is allowed"),
            [ProblemCode.DuplicateColumn] = new(422, false, "Two columns have one name"),
            [ProblemCode.ResultTooLarge] = new(422, false, "The result is larger than the gateway answers with"),
            [ProblemCode.ExpectationFailed] = new(422, false, "The outcome is not what the request expects"),
            [ProblemCode.ActivityMismatch] = new(422, false, "The activity ID was used for another request"),
            [ProblemCode.JournalMissing] = new(422, false, "The connection has no journal"),
            [ProblemCode.Cancelled] = new(422, false, "The activity was cancelled"),
            [ProblemCode.ActivityInFlight] = new(409, true, "An earlier attempt of the activity is still running"),
            [ProblemCode.RateLimited] = new(429, true, "The caller sends too many requests"),
            [ProblemCode.Saturated] = new(503, true, "There is no room for the request at present"),
            [ProblemCode.IssuerUnavailable] = new(503, true, "The keys of the token's issuer can't be read"),
            [ProblemCode.Conflict] = new(503, true, "The statement lost against a concurrent one"),
            [ProblemCode.DatabaseUnavailable] = new(503, true, "The database can't be reached"),
            [ProblemCode.OutcomeUnknown] = new(503, true, "It is not known whether the effect was kept"),
            [ProblemCode.DeadlineExceeded] = new(504, true, "The request's budget of time is spent"),
            [ProblemCode.Internal] = new(500, true, "The gateway met a fault of its own"),
        };

    public static FailureAnswer For(ProblemCode code) => Answers[code];
}
