using System.Text.Json.Nodes;
using Gateway.Api.Errors;
using Gateway.Contracts;

namespace Gateway.Api.Endpoints;

/// <summary>A request that runs as it stands against the demo data, and again after that.</summary>
/// <param name="Path">The operation's path.</param>
/// <param name="Name">Its name among the operation's examples.</param>
/// <param name="Summary">What it shows.</param>
/// <param name="Body">The request's body, JSON.</param>
/// <param name="ExpectedStatus">The HTTP status that it is answered with.</param>
internal sealed record ContractExample(string Path, string Name, string Summary, string Body, int ExpectedStatus);

/// <summary>
/// The contract's examples. The first of a path is what Swagger UI offers to try; <c>requests.http</c> has them all.
/// </summary>
internal static class ContractExamples
{
    private const string Query = "/v1/query";
    private const string Execute = "/v1/execute";
    private const string TraceId = "4bf92f3577b34da6a3ce929d0e0e4736";
    private const string ActivityId = "wf-7f3/charge-card";

    public static IReadOnlyList<ContractExample> All { get; } =
    [
        new(Query, "users", "Every user", """
            {
              "activityId": "demo/users",
              "sql": "SELECT * FROM users ORDER BY id"
            }
            """, 200),
        new(Query, "positional", "Parameters by position, one of them an array", """
            {
              "activityId": "demo/positional",
              "attempt": 1,
              "connection": "default",
              "sql": "SELECT id, email, created_at FROM users WHERE created_at > $1 AND id = ANY($2) ORDER BY id",
              "parameters": ["2026-01-01", [1, 2, 3]],
              "timeoutMs": 5000
            }
            """, 200),
        new(Query, "named", "Parameters by name", """
            {
              "activityId": "demo/named",
              "sql": "SELECT u.name, o.total, o.placed::date AS day FROM users u JOIN orders o ON o.user_id = u.id WHERE u.email = :email AND o.total >= :least ORDER BY o.id",
              "parameters": {"email": "ada@example.org", "least": 19.90}
            }
            """, 200),
        new(Query, "arrayRows", "Rows as arrays", """
            {
              "activityId": "demo/array-rows",
              "sql": "SELECT id, email, tags FROM users WHERE id <= 3 ORDER BY id",
              "rowFormat": "array"
            }
            """, 200),
        new(Query, "json", "An object as a jsonb parameter", """
            {
              "activityId": "demo/json",
              "sql": "SELECT name, settings FROM users WHERE settings @> $1 ORDER BY id",
              "parameters": [{"theme": "dark"}]
            }
            """, 200),
        new(Query, "readOnly", "A query can't write (422)", """
            {
              "activityId": "demo/read-only",
              "sql": "UPDATE users SET name = name"
            }
            """, 422),
        new(Execute, "insert", "Inserts or updates, so that it may be sent again", """
            {
              "activityId": "demo/insert",
              "sql": "INSERT INTO users (email, name, tags) VALUES ($1, $2, $3) ON CONFLICT (email) DO UPDATE SET name = excluded.name RETURNING id, email, name",
              "parameters": ["edsger@example.org", "Edsger Dijkstra", ["walker"]],
              "delivery": "at-least-once"
            }
            """, 200),
        new(Execute, "update", "Exactly one row must change, or none does", """
            {
              "activityId": "demo/update",
              "sql": "UPDATE users SET settings = settings || :settings WHERE email = :email",
              "parameters": {"email": "alan@example.org", "settings": {"theme": "light"}},
              "expect": {"rowCount": 1},
              "delivery": "at-least-once"
            }
            """, 200),
        new(Execute, "expectation", "What was expected did not happen: rolled back (422)", """
            {
              "activityId": "demo/expectation",
              "sql": "UPDATE users SET name = $1 WHERE email = $2",
              "parameters": ["Nobody", "nobody@example.org"],
              "expect": {"rowCount": 1},
              "delivery": "at-least-once"
            }
            """, 422),
        new(Execute, "exactlyOnce", "Exactly once, the default, needs a journal (422 without)", """
            {
              "activityId": "demo/exactly-once",
              "sql": "INSERT INTO orders (user_id, total) VALUES ($1, $2) RETURNING id",
              "parameters": [1, 42.50]
            }
            """, 422),
    ];

    /// <summary>What some of the requests are answered with, by their name.</summary>
    public static IReadOnlyDictionary<string, string> Answers { get; } = new Dictionary<string, string>
    {
        ["named"] = """
            {
              "activityId": "demo/named",
              "command": "SELECT",
              "rowCount": 2,
              "columns": [
                {"name": "name", "type": "text"}, {"name": "total", "type": "numeric"}, {"name": "day", "type": "date"}
              ],
              "rows": [
                {"name": "Ada Lovelace", "total": 19.90, "day": "2026-04-05"},
                {"name": "Ada Lovelace", "total": 250.00, "day": "2026-05-06"}
              ]
            }
            """,
        ["arrayRows"] = """
            {
              "activityId": "demo/array-rows",
              "command": "SELECT",
              "rowCount": 3,
              "columns": [
                {"name": "id", "type": "bigint"}, {"name": "email", "type": "text"}, {"name": "tags", "type": "text[]"}
              ],
              "rows": [
                [1, "ada@example.org", ["analyst", "poet"]],
                [2, "alan@example.org", ["runner"]],
                [3, "grace@example.org", []]
              ]
            }
            """,
        ["insert"] = """
            {
              "activityId": "demo/insert",
              "command": "INSERT",
              "rowCount": 1,
              "columns": [
                {"name": "id", "type": "bigint"}, {"name": "email", "type": "text"}, {"name": "name", "type": "text"}
              ],
              "rows": [{"id": 4, "email": "edsger@example.org", "name": "Edsger Dijkstra"}]
            }
            """,
        ["update"] = """
            {
              "activityId": "demo/update",
              "command": "UPDATE",
              "rowCount": 1,
              "columns": [],
              "rows": []
            }
            """,
        ["live"] = """{"status": "live"}""",
        ["startup"] = """{"status": "started"}""",
        ["ready"] = """
            {"status": "ready", "connections": {"default": {"reachable": true, "failedChecks": 0}}}
            """,
        ["unavailable"] = """
            {
              "status": "unavailable",
              "connections": {"default": {"reachable": false, "failedChecks": 3, "detail": "no answer"}}
            }
            """,
    };

    /// <summary>A failure of each code that an operation is answered with.</summary>
    private static readonly Dictionary<ProblemCode, Failure> Failures = new Failure[]
    {
        Failure.Invalid(
        [
            new RequestFault("/sqll", "No field of this request has that name; it takes activityId, attempt, connection, sql, "
                + "parameters, timeoutMs, rowFormat."),
            new RequestFault("/sql", "sql is required."),
        ]),
        new(ProblemCode.ConnectionNotFound, "No connection is named \"reports\"."),
        RequestBody.TooLarge(4 << 20),
        new(ProblemCode.UnsupportedMediaType, "Send the header Content-Type: application/json, in UTF-8."),
        new(ProblemCode.SqlRejected, "COMMIT controls the transaction, which is the gateway's: each request is one."),
        new(ProblemCode.SqlError, "duplicate key value violates unique constraint \"users_email_key\"")
        {
            Refusal = new PostgresRefusal(Npgsql.PostgresErrorCodes.UniqueViolation)
            {
                Schema = "public",
                Table = "users",
                Constraint = "users_email_key",
            },
        },
        new(ProblemCode.ReadOnly, "cannot execute UPDATE in a read-only transaction")
        { Refusal = new PostgresRefusal(Npgsql.PostgresErrorCodes.ReadOnlySqlTransaction) },
        new(ProblemCode.DuplicateColumn, "Two columns are named \"id\": give one of them an alias, or ask for rows as arrays."),
        new(ProblemCode.ResultTooLarge, "The result is larger than 4194304 bytes (Gateway__ResponseLimitBytes)."),
        new(ProblemCode.ExpectationFailed, "The request expects a row count of 1 and the statement has 0; it was rolled back."),
        new(ProblemCode.JournalMissing, "exactly-once, the default, needs a journal in the database, which this version can't "
            + "install yet. Send \"delivery\": \"at-least-once\" to run the statement each time that it is sent."),
        new(ProblemCode.Saturated, "Connection \"default\" has all of its 16 sessions in use and 256 requests waiting."),
        new(ProblemCode.Conflict, "could not serialize access due to concurrent update")
        { Refusal = new PostgresRefusal(Npgsql.PostgresErrorCodes.SerializationFailure) },
        new(ProblemCode.DatabaseUnavailable, "The server of connection \"default\" can't be reached at present (ConnectionRefused)."),
        new(ProblemCode.OutcomeUnknown, "The answer to COMMIT was lost. Delivery is at-least-once, so sending the request again "
            + "may do it twice: look at the data first.")
        { Committed = Committed.Unknown },
        new(ProblemCode.DeadlineExceeded, "The budget of 5000 ms was spent while running the statement."),
        new(ProblemCode.Internal, "The gateway met a fault of its own; its log has it under the trace ID.")
        { Committed = Committed.Unknown },
    }.ToDictionary(failure => failure.Code);

    /// <summary>A problem of that code, as the gateway writes it.</summary>
    public static JsonNode ProblemOf(ProblemCode code)
    {
        var problem = ProblemAnswer.Describe(Failures[code], FailureTable.For(code), ActivityId);
        // The trace is that of whatever request is on, which must not get into a document.
        return JsonNode.Parse(ProblemAnswer.Serialize(problem with { TraceId = TraceId }))!;
    }

    public static JsonNode AnswerOf(string name) => JsonNode.Parse(Answers[name])!;
}
