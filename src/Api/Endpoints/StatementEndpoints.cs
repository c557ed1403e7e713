using Gateway.Api.Configuration;
using Gateway.Api.Errors;
using Gateway.Api.Execution;
using Gateway.Api.Postgres;
using Gateway.Api.Telemetry;
using Gateway.Contracts;
using Microsoft.AspNetCore.Mvc;

namespace Gateway.Api.Endpoints;

/// <summary>The endpoints that run statements. They have different rights, and share one path.</summary>
internal static class StatementEndpoints
{
    public const string IdempotencyKey = "Idempotency-Key";
    public const string IdempotentReplayed = "Idempotent-Replayed";

    /// <summary>The position of a write's server in its write-ahead log.</summary>
    public const string Lsn = "Gateway-Lsn";

    /// <summary>The bytes of an answer that are given to the server at a time.</summary>
    private const int Piece = 64 * 1024;

    public static void MapStatements(this IEndpointRouteBuilder routes)
    {
        var statements = routes.MapGroup("/v1").RequireCaller().WithTags("Statements");
        statements.MapPost("/query", QueryAsync).WithName("query")
            .WithSummary("Run a query")
            .WithDescription(
                "Runs one statement in a READ ONLY transaction, so it can be sent again at any time. The header "
                + "`Accept` chooses the format of the answer: `application/json` is complete, up to the response "
                + "limit; `application/x-ndjson` and `text/csv` are streamed, in any size. NDJSON begins with the line "
                + "`{\"columns\": …}` and has a line for each row. Its last line is "
                + "`{\"end\": {\"rowCount\": n, \"truncated\": false}}`, or `{\"error\": …}` with a problem; a stream "
                + "without one of them is incomplete. A late error cuts CSV off.")
            .Produces<QueryResponse>();
        statements.MapPost("/execute", ExecuteAsync).WithName("execute")
            .WithSummary("Run a statement that may write, exactly once")
            .WithDescription(
                "Runs one statement in a transaction, and commits it if the statement succeeds and its answer can be "
                + "returned. The answer is recorded under the activity ID in the same transaction. The same request "
                + "with the same ID has one effect and one answer, however often it is sent and even at the same time: "
                + "while one is running, the others wait for its answer. "
                + "A failed request has no effect and can be sent again.")
            .Produces<StatementResponse>();
        statements.MapPost("/transaction", TransactionAsync).WithName("transaction")
            .WithSummary("Run several statements, all or nothing")
            .WithDescription(
                "Runs the statements in one transaction, exactly once. A parameter can be a value from an earlier "
                + "statement's result. If the transaction conflicts with a concurrent one (SQLSTATE 40001 or 40P01), "
                + "the gateway runs all of it again, a few times.")
            .Produces<TransactionResponse>();
    }

    // Without [FromServices] each request would ask for every parameter whether it is a service or the body.
    private static Task QueryAsync(
        HttpContext http, [FromServices] StatementPath path, [FromServices] GatewayOptions options,
        [FromServices] TimeProvider clock) =>
        RunAsync(http, Operation.Query, path, options, clock);

    private static Task ExecuteAsync(
        HttpContext http, [FromServices] StatementPath path, [FromServices] GatewayOptions options,
        [FromServices] TimeProvider clock) =>
        RunAsync(http, Operation.Execute, path, options, clock);

    private static Task TransactionAsync(
        HttpContext http, [FromServices] StatementPath path, [FromServices] GatewayOptions options,
        [FromServices] TimeProvider clock) =>
        RunAsync(http, Operation.Transaction, path, options, clock);

    private static async Task RunAsync(
        HttpContext http, Operation operation, StatementPath path, GatewayOptions options, TimeProvider clock)
    {
        var record = RequestRecord.Of(http);
        var call = await ReadAsync(http, operation, options, record);
        using var watched = call.OutlivesCaller ? null : PipelineWatch.Begin(http);

        using var deadline =
            new Deadline(call.Budget, record.Elapsed, clock, http.RequestAborted, call.OutlivesCaller);
        if (call.IsQuery && AnswerForms.Choose(http.Request) is not AnswerForm.Json and var form)
        {
            await StreamAsync(new StreamedAnswer(http, form, call, record), call, path, deadline, record);
            return;
        }
        using var answer = await path.RunAsync(call, deadline, record);
        await SendAsync(http, operation, answer, record);
    }

    private static async Task StreamAsync(
        StreamedAnswer stream, ActivityCall call, StatementPath path, Deadline deadline, RequestRecord record)
    {
        try
        {
            using var answer = await path.RunAsync(call, deadline, record, stream.Rows);
            await stream.EndAsync(answer, deadline);
            stream.Dispose();
        }
        catch (Failure failure) when (stream.Rows.HasBegun)
        {
            await stream.FailAsync(failure);
        }
    }

    internal static async ValueTask<ActivityCall> ReadAsync(
        HttpContext http, Operation operation, GatewayOptions options, RequestRecord record)
    {
        using var body = await RequestBody.ReadAsync(http.Request, options);
        return RequestReader.Read(body.Fields, http.Request.Headers[IdempotencyKey], operation, options, record);
    }

    internal static async Task SendAsync(
        HttpContext http, Operation operation, ActivityAnswer answer, RequestRecord record)
    {
        AddHeaders(http.Response, answer, mayBeReplay: operation != Operation.Query);
        await SendAsync(http, answer.Body, record);
    }

    /// <summary>Adds the headers that say whether the answer is a replay, and where its effect is in the log.</summary>
    internal static void AddHeaders(HttpResponse response, ActivityAnswer answer, bool mayBeReplay)
    {
        if (mayBeReplay)
            response.Headers[IdempotentReplayed] = answer.IsReplay ? "true" : "false";
        if (answer.Position?.Lsn is { } lsn)
            response.Headers[Lsn] = lsn;
    }

    /// <summary>Sends a complete body.</summary>
    internal static async Task SendAsync(HttpContext http, ReadOnlyMemory<byte> json, RequestRecord record)
    {
        http.Response.ContentType = "application/json; charset=utf-8";
        http.Response.ContentLength = json.Length;
        record.AnswerBytes = json.Length;
        record.WriteHeaders(http.Response);
        // Kestrel copies all bytes that it is given, so with one large write a slow caller's answer would be in memory
        // twice.
        for (; json.Length > Piece; json = json[Piece..])
            await http.Response.BodyWriter.WriteAsync(json[..Piece], http.RequestAborted);
        await http.Response.BodyWriter.WriteAsync(json, http.RequestAborted);
    }
}
