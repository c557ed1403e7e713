using System.Text.Json.Nodes;
using Gateway.Api.Callers;
using Gateway.Api.Errors;
using Gateway.Api.Journal;
using Gateway.Api.Postgres;
using Gateway.Contracts;

namespace Gateway.Api.Endpoints;

/// <summary>Represents an example request. It runs against the demo data, and can be run again.</summary>
/// <param name="Path">The operation's path.</param>
/// <param name="Name">Its name in the operation's examples.</param>
/// <param name="Summary">What the example demonstrates.</param>
/// <param name="Body">The request's body, JSON.</param>
/// <param name="ExpectedStatus">The HTTP status of its answer.</param>
internal sealed record ContractExample(string Path, string Name, string Summary, string Body, int ExpectedStatus)
{
    /// <summary>Gets whether a parameter refers to an earlier statement's result.</summary>
    public bool HasReference => Body.Contains("\"$ref\"", StringComparison.Ordinal);
}

/// <summary>
/// The contract's examples. Swagger UI offers the first one of a path; <c>requests.http</c> contains all.
/// </summary>
internal static class ContractExamples
{
    private const string Query = "/v1/query";
    private const string Execute = "/v1/execute";
    private const string Transaction = "/v1/transaction";
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
        new(Query, "firstRows", "The first rows only, and numbers as strings for clients whose numbers are doubles", """
            {
              "activityId": "demo/first-rows",
              "sql": "SELECT id, total FROM orders ORDER BY id",
              "maxRows": 1,
              "numbers": "string"
            }
            """, 200),
        new(Query, "parameterTypes", "A parameter whose type nothing else says", """
            {
              "activityId": "demo/parameter-types",
              "sql": "SELECT jsonb_array_length($1) AS members, $2 AS day",
              "parameters": [["a", "b"], "2026-01-02"],
              "parameterTypes": ["jsonb", "date"]
            }
            """, 200),
        new(Query, "readOnly", "A query can't write (422)", """
            {
              "activityId": "demo/read-only",
              "sql": "UPDATE users SET name = name"
            }
            """, 422),
        new(Execute, "exactlyOnce", "An order, placed once: sent again, it is answered from its record", """
            {
              "activityId": "demo/exactly-once",
              "sql": "INSERT INTO orders (user_id, total) VALUES ($1, $2) RETURNING id",
              "parameters": [2, 42.50]
            }
            """, 200),
        new(Execute, "update", "Exactly one row must change, or none does", """
            {
              "activityId": "demo/update",
              "sql": "UPDATE users SET settings = settings || :settings WHERE email = :email",
              "parameters": {"email": "alan@example.org", "settings": {"theme": "light"}},
              "expect": {"rowCount": 1}
            }
            """, 200),
        new(Execute, "expectation", "What was expected did not happen: rolled back (422)", """
            {
              "activityId": "demo/expectation",
              "sql": "UPDATE users SET name = $1 WHERE email = $2",
              "parameters": ["Nobody", "nobody@example.org"],
              "expect": {"rowCount": 1}
            }
            """, 422),
        new(
            Execute, "atLeastOnce",
            "At least once, without a record: the statement must be safe to run again", """
            {
              "activityId": "demo/at-least-once",
              "sql": "INSERT INTO users (email, name, tags) VALUES ($1, $2, $3) ON CONFLICT (email) DO UPDATE SET name = excluded.name RETURNING id, email, name",
              "parameters": ["edsger@example.org", "Edsger Dijkstra", ["walker"]],
              "delivery": "at-least-once"
            }
            """, 200),
        new(Transaction, "order", "An order, and a setting of its user: both or neither, and once", """
            {
              "activityId": "demo/order",
              "statements": [
                {
                  "sql": "INSERT INTO orders (user_id, total) VALUES ($1, $2) RETURNING id",
                  "parameters": [3, 12.50]
                },
                {
                  "sql": "UPDATE users SET settings = settings || :settings WHERE id = :id",
                  "parameters": {"id": 3, "settings": {"newsletter": true}},
                  "expect": {"rowCount": 1}
                }
              ]
            }
            """, 200),
        new(Transaction, "reference", "A parameter that is a value of an earlier statement's result", """
            {
              "activityId": "demo/reference",
              "statements": [
                {
                  "sql": "INSERT INTO orders (user_id, total) VALUES ($1, $2) RETURNING id, user_id",
                  "parameters": [3, 99]
                },
                {
                  "sql": "UPDATE users SET settings = settings || jsonb_build_object('lastOrder', :order::bigint) WHERE id = :user",
                  "parameters": {"order": {"$ref": "/0/rows/0/id"}, "user": {"$ref": "/0/rows/0/user_id"}},
                  "expect": {"rowCount": 1}
                }
              ]
            }
            """, 200),
        new(Transaction, "readOnly", "Two reads of one snapshot, which writes of others can't come between", """
            {
              "activityId": "demo/snapshot",
              "isolation": "serializable",
              "readOnly": true,
              "statements": [
                {"sql": "SELECT count(*) AS orders, sum(total) AS total FROM orders WHERE user_id = 1"},
                {"sql": "SELECT id, total FROM orders WHERE user_id = 1 ORDER BY id", "rowFormat": "array"}
              ]
            }
            """, 200),
        new(
            Transaction, "expectation",
            "The second statement does not do what is expected: the first is rolled back too (422)", """
            {
              "activityId": "demo/nobodys-order",
              "statements": [
                {"sql": "INSERT INTO orders (user_id, total) VALUES (1, 5.00)"},
                {
                  "sql": "UPDATE users SET settings = '{}' WHERE email = $1",
                  "parameters": ["nobody@example.org"],
                  "expect": {"rowCount": 1}
                }
              ]
            }
            """, 422),
    ];

    /// <summary>The answers to some of the requests, by name.</summary>
    public static IReadOnlyDictionary<string, string> Answers { get; } = new Dictionary<string, string>
    {
        ["named"] = """
            {
              "activityId": "demo/named",
              "command": "SELECT",
              "rowCount": 2,
              "truncated": false,
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
              "truncated": false,
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
        ["firstRows"] = """
            {
              "activityId": "demo/first-rows",
              "command": "SELECT",
              "rowCount": 1,
              "truncated": true,
              "columns": [{"name": "id", "type": "bigint"}, {"name": "total", "type": "numeric"}],
              "rows": [{"id": "1", "total": "19.90"}]
            }
            """,
        ["exactlyOnce"] = """
            {
              "activityId": "demo/exactly-once",
              "command": "INSERT",
              "rowCount": 1,
              "columns": [{"name": "id", "type": "bigint"}],
              "rows": [{"id": 3}]
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
        ["order"] = """
            {
              "activityId": "demo/order",
              "results": [
                {
                  "command": "INSERT",
                  "rowCount": 1,
                  "columns": [{"name": "id", "type": "bigint"}],
                  "rows": [{"id": 4}]
                },
                {"command": "UPDATE", "rowCount": 1, "columns": [], "rows": []}
              ]
            }
            """,
        ["readOnly"] = """
            {
              "activityId": "demo/snapshot",
              "results": [
                {
                  "command": "SELECT",
                  "rowCount": 1,
                  "columns": [{"name": "orders", "type": "bigint"}, {"name": "total", "type": "numeric"}],
                  "rows": [{"orders": 2, "total": 269.90}]
                },
                {
                  "command": "SELECT",
                  "rowCount": 2,
                  "columns": [{"name": "id", "type": "bigint"}, {"name": "total", "type": "numeric"}],
                  "rows": [[1, 19.90], [2, 250.00]]
                }
              ]
            }
            """,
        ["completed"] = """
            {
              "activityId": "demo/exactly-once",
              "status": "completed",
              "response": {
                "activityId": "demo/exactly-once",
                "command": "INSERT",
                "rowCount": 1,
                "columns": [{"name": "id", "type": "bigint"}],
                "rows": [{"id": 3}]
              },
              "recordedAt": "2026-06-07T08:09:10.123456+00:00",
              "expiresAt": "2026-06-14T08:09:10.12+00:00"
            }
            """,
        ["running"] = """
            {"activityId": "demo/order", "status": "running", "runningSince": "2026-06-07T08:09:10.123456+00:00"}
            """,
        ["cancelled"] = """
            {"activityId": "demo/order", "status": "cancelled"}
            """,
        ["live"] = """{"status": "live"}""",
        ["startup"] = """{"status": "started"}""",
        ["ready"] = """
            {
              "status": "ready",
              "connections": {"default": {"reachable": true, "failedChecks": 0, "journal": "ok"}}
            }
            """,
        ["unavailable"] = """
            {
              "status": "unavailable",
              "connections": {"default": {
                "reachable": false, "failedChecks": 3, "detail": "no answer", "journal": "ok"}}
            }
            """,
        ["draining"] = """
            {
              "status": "draining",
              "connections": {"default": {"reachable": true, "failedChecks": 0, "journal": "ok"}}
            }
            """,
    };

    /// <summary>
    /// Gets the description of each stream, by media type, and an example; null if YAML can't contain it, because it
    /// has carriage returns.
    /// </summary>
    public static IReadOnlyDictionary<string, (string Description, string? Example)> Streams { get; } =
        new Dictionary<string, (string, string?)>
        {
            [AnswerForms.Ndjson] = (
                "A line of columns, a line for each row, and a line that says how it ended.",
                """
                {"columns":[{"name":"id","type":"bigint"},{"name":"email","type":"text"}]}
                {"id":1,"email":"ada@example.org"}
                {"id":2,"email":"alan@example.org"}
                {"end":{"rowCount":2,"truncated":false}}

                """.ReplaceLineEndings("\n")),
            [AnswerForms.Csv] = (
                "RFC 4180: a header, and a record for each row. A field is what the value is in JSON, a string without "
                + "its quotes; NULL is an empty field, an empty string a quoted one.",
                null),
        };

    /// <summary>A failure for each code that an operation may return.</summary>
    private static readonly Dictionary<ProblemCode, Failure> Failures = new Failure[]
    {
        Failure.Invalid(
        [
            new RequestFault(
                "/sqll",
                "No field of this request has that name; it takes activityId, attempt, connection, timeoutMs, numbers, "
                + "sql, parameters, parameterTypes, rowFormat, maxRows."),
            new RequestFault("/sql", "sql is required."),
        ]),
        CallerRegistry.Refused(),
        new(ProblemCode.Forbidden, "Caller \"reports\" may read on connection \"default\", and no more."),
        new(ProblemCode.ConnectionNotFound, "No connection is named \"reports\"."),
        new(
            ProblemCode.ActivityNotFound,
            "Connection \"default\" has no running or recorded activity of this caller with that ID."),
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
        new(
            ProblemCode.DuplicateColumn,
            "Two columns are named \"id\", and a JSON object can't hold both. "
            + "Rename one with AS, or send \"rowFormat\": \"array\"."),
        new(ProblemCode.ResultTooLarge, "The result is larger than 4194304 bytes (Gateway__ResponseLimitBytes)."),
        new(
            ProblemCode.ExpectationFailed,
            "The request expects a row count of 1 and the statement has 0; it was rolled back."),
        ActivityJournal.Mismatch(),
        ActivityJournal.Missing("default", JournalState.Missing),
        new(ProblemCode.Cancelled, "The activity was cancelled, and rolled back."),
        ActivityJournal.InFlight(),
        new(
            ProblemCode.RateLimited,
            "Caller \"reports\" sends more than 10 requests in a second, past its burst of 20 "
            + "(Gateway__Callers__reports__RequestsPerSecond and …__Burst, of each replica)."),
        new(
            ProblemCode.IssuerUnavailable,
            "The keys of the token's issuer can't be read at present, so it can't be checked."),
        new(
            ProblemCode.Saturated,
            "Connection \"default\" has all of its 16 sessions in use and 256 requests waiting."),
        new(ProblemCode.Conflict, "could not serialize access due to concurrent update")
        { Refusal = new PostgresRefusal(Npgsql.PostgresErrorCodes.SerializationFailure) },
        new(
            ProblemCode.DatabaseUnavailable,
            "The server of connection \"default\" can't be reached at present (ConnectionRefused)."),
        new(
            ProblemCode.OutcomeUnknown,
            "The answer to COMMIT was lost, and what became of it could not be found out in time. Send the same "
            + "request again, under the same activity ID: it is answered with its record, or takes effect then.")
        { Committed = Committed.Unknown },
        new(ProblemCode.DeadlineExceeded, Deadline.Describe(TimeSpan.FromSeconds(5), "running the statement")),
        new(ProblemCode.Internal, "The gateway has an internal error. Its log has the details under the trace ID.")
        { Committed = Committed.Unknown },
    }.ToDictionary(failure => failure.Code);

    /// <summary>Returns a code's problem, as the gateway writes it.</summary>
    public static JsonNode ProblemOf(ProblemCode code)
    {
        var problem = ProblemAnswer.Describe(Failures[code], ProblemTable.For(code), ActivityId);
        // The trace ID would be that of the current request, which must not get into the document.
        return JsonNode.Parse(ProblemAnswer.Serialize(problem with { TraceId = TraceId }))!;
    }

    public static JsonNode AnswerOf(string name) => JsonNode.Parse(Answers[name])!;
}
