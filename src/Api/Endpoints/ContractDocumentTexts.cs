using Gateway.Api.Configuration;
using Gateway.Api.Errors;
using Gateway.Contracts;
using Microsoft.OpenApi;

namespace Gateway.Api.Endpoints;

/// <summary>The document's texts, parameters and headers.</summary>
internal static class ContractDocumentTexts
{
    public const string ActivityId = "activityId";
    public const string Connection = "connection";
    public const string TraceParent = "traceparent";
    public const string Challenge = "WWW-Authenticate";

    /// <summary>The name of <see cref="Key"/> in the document's components.</summary>
    public const string KeyScheme = "key";

    public static OpenApiInfo Info { get; } = new()
    {
        Title = "The Gateway",
        Version = "1",
        License = new OpenApiLicense
        {
            Name = "Apache-2.0",
            Url = new Uri("https://www.apache.org/licenses/LICENSE-2.0"),
        },
        Description = """
            Runs PostgreSQL statements for workflow activities, over HTTP. A workflow engine may run an activity several
            times, and its write must happen exactly once. So the gateway records a write under its activity ID, in the
            same transaction. If the request is sent again, it gets the recorded answer, byte for byte. A query can't
            write, and can run again at any time.

            An error is an RFC 9457 problem of at most 2 KB, and never contains a parameter's value. Its `code` decides
            the status. Workflow engines retry 408, 409, 429 and 5xx, and no other 4xx; the statuses follow that. An
            unknown path gets 404 `endpoint_not_found`, a wrong method 405 `method_not_allowed`.

            The examples run against Development's demo data. Swagger UI shows numbers as JavaScript has them, rounded
            to about 15 digits; with `"numbers": "string"` it shows every digit.
            """.ReplaceLineEndings("\n"),
        Contact = new OpenApiContact { Name = "The maintainers of the Gateway" },
    };

    public static OpenApiSecurityScheme Key { get; } = new()
    {
        Type = SecuritySchemeType.Http,
        Scheme = "bearer",
        Description = "The caller's key (`gw_` and 43 characters), or a signed JWT of a configured issuer. A gateway "
            + "without callers serves its own machine only, and needs none.",
    };

    /// <summary>
    /// Gets the server. Its URL is relative to the document's, so that it also works behind a proxy with a path prefix.
    /// </summary>
    public static OpenApiServer Server { get; } =
        new() { Url = ".", Description = "The gateway that serves this document; http://localhost:8080 by default." };

    public static IReadOnlyList<OpenApiTag> Tags { get; } =
    [
        new()
        {
            Name = "Statements",
            Description = "Run one SQL statement, or several in one transaction.",
        },
        new() { Name = "Activities", Description = "Get an activity's status, and cancel it." },
        new() { Name = "Probes", Description = "Health checks." },
        new() { Name = "Metrics", Description = "Metrics for Prometheus." },
    ];

    public static IReadOnlyDictionary<string, OpenApiParameter> Parameters { get; } =
        new Dictionary<string, OpenApiParameter>
        {
            [StatementEndpoints.IdempotencyKey] = new()
            {
                Name = StatementEndpoints.IdempotencyKey,
                In = ParameterLocation.Header,
                Description = "The activity ID, instead of `activityId` or equal to it; plain, or quoted as in the "
                    + "IETF draft. One of the two is required.",
                Schema = new OpenApiSchema { Type = JsonSchemaType.String, MinLength = 1 },
            },
            [TraceParent] = new()
            {
                Name = TraceParent,
                In = ParameterLocation.Header,
                Description = "The W3C trace of the request; without it the gateway starts one.",
                Schema = TraceParentSchema(),
            },
            [ActivityId] = new()
            {
                Name = ActivityId,
                In = ParameterLocation.Path,
                Required = true,
                Description = "The activity ID, percent-encoded, including its slashes: `wf-7f3%2Fcharge-card`.",
                Schema = new OpenApiSchema
                {
                    Type = JsonSchemaType.String,
                    MinLength = 1,
                    MaxLength = 255,
                    Pattern = "^[!-~]+$",
                },
                Example = "wf-7f3/charge-card",
            },
            [Connection] = new()
            {
                Name = Connection,
                In = ParameterLocation.Query,
                Description = "The connection of the activity. The same ID on another connection is another activity.",
                Schema = new OpenApiSchema { Type = JsonSchemaType.String, Default = GatewayOptions.DefaultConnection },
            },
        };

    public static IReadOnlyDictionary<string, OpenApiHeader> AnswerHeaders { get; } =
        new Dictionary<string, OpenApiHeader>
        {
            [StatementEndpoints.IdempotentReplayed] = new()
            {
                Description = "Whether this is the recorded answer of an earlier attempt.",
                Required = true,
                Schema = new OpenApiSchema { Type = JsonSchemaType.Boolean },
            },
            [StatementEndpoints.Lsn] = new()
            {
                Description = "The position of the server in its write-ahead log (LSN), at or after the commit. As "
                + "`minLsn` it makes a later query see this effect. It is missing for read-only transactions, and if "
                + "the server did not say it.",
                Schema = new OpenApiSchema { Type = JsonSchemaType.String, Pattern = "^[0-9A-F]{1,8}/[0-9A-F]{1,8}$" },
                Example = "0/3000148",
            },
            ["Server-Timing"] = new()
            {
                Description = "The duration of each stage in milliseconds: "
                + "read, queue, wait (for an earlier attempt), connect, execute, commit, answer, and total.",
                Schema = new OpenApiSchema { Type = JsonSchemaType.String },
                Example = "read;dur=0.21, queue;dur=0.004, connect;dur=0.02, execute;dur=0.9, commit;dur=0.1, "
                + "total;dur=1.3",
            },
            [TraceParent] = new()
            {
                Description = "The W3C trace that the request belongs to, and the gateway's span in it.",
                Schema = TraceParentSchema(),
                Example = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            },
            [Challenge] = new()
            {
                Description = "The authentication scheme (RFC 6750): `Bearer`, with `error=\"invalid_token\"` if the "
                + "request has a credential that is not valid.",
                Required = true,
                Schema = new OpenApiSchema { Type = JsonSchemaType.String },
                Example = "Bearer error=\"invalid_token\"",
            },
            ["X-Should-Retry"] = new()
            {
                Description = "Whether the same request may succeed if it is sent again; `retryable` of the problem.",
                Required = true,
                Schema = new OpenApiSchema { Type = JsonSchemaType.Boolean },
            },
            ["Retry-After"] = new()
            {
                Description = "How long to wait before a retry, in whole seconds.",
                Required = true,
                Schema = new OpenApiSchema { Type = JsonSchemaType.Integer, Minimum = "1", Maximum = "60" },
            },
        };

    /// <summary>Gets the headers of every answer except those of probes.</summary>
    public static IReadOnlyList<string> HeadersOfAll { get; } = ["Server-Timing", TraceParent];

    /// <summary>Returns a description of a code in one line.</summary>
    public static string Describe(ProblemCode code)
    {
        var answer = ProblemTable.For(code);
        return $"`{FailureForm.NameOf(code)}`: {answer.Title}. {(answer.Retryable ? "Retryable." : "Not retryable.")}";
    }

    private static OpenApiSchema TraceParentSchema() =>
        new() { Type = JsonSchemaType.String, Pattern = "^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$" };
}
