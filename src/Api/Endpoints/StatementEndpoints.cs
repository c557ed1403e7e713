using Gateway.Api.Connections;
using Gateway.Api.Execution;
using Gateway.Api.Telemetry;
using Gateway.Contracts;

namespace Gateway.Api.Endpoints;

/// <summary>The endpoints that run a statement. They differ in what the statement may do; the path is one.</summary>
internal static class StatementEndpoints
{
    public const string IdempotencyKey = "Idempotency-Key";
    public const string IdempotentReplayed = "Idempotent-Replayed";

    public static void MapStatements(this IEndpointRouteBuilder routes)
    {
        var statements = routes.MapGroup("/v1").WithTags("Statements");
        statements.MapPost("/query", QueryAsync).WithName("query")
            .WithSummary("Run a statement that reads")
            .WithDescription(
                "Runs one statement in a READ ONLY transaction, by PostgreSQL's own word: it may be sent again freely.")
            .Produces<StatementResponse>();
        statements.MapPost("/execute", ExecuteAsync).WithName("execute")
            .WithSummary("Run a statement that may write")
            .WithDescription(
                "Runs one statement in a transaction, which is committed where it succeeds and its answer can be given. "
                + "`exactly-once`, the default, needs a journal in the database, which this version can't install yet; "
                + "until then `at-least-once` is the delivery that works.")
            .Produces<StatementResponse>();
    }

    private static Task QueryAsync(HttpContext http, StatementPath path, GatewayOptions options, TimeProvider clock) =>
        RunAsync(http, Access.ReadOnly, path, options, clock);

    private static Task ExecuteAsync(HttpContext http, StatementPath path, GatewayOptions options, TimeProvider clock) =>
        RunAsync(http, Access.ReadWrite, path, options, clock);

    private static async Task RunAsync(
        HttpContext http, Access access, StatementPath path, GatewayOptions options, TimeProvider clock)
    {
        var record = RequestRecord.Of(http);
        var call = await ReadAsync(http, access, options, record);

        using var deadline = new Deadline(call.Budget, record.Elapsed, clock, http.RequestAborted);
        using var answer = await path.RunAsync(call, deadline, record);

        http.Response.ContentType = "application/json; charset=utf-8";
        http.Response.ContentLength = answer.Length;
        if (access == Access.ReadWrite)
            http.Response.Headers[IdempotentReplayed] = "false";
        record.WriteHeaders(http.Response);
        answer.CopyTo(http.Response.BodyWriter);
        await http.Response.BodyWriter.FlushAsync(http.RequestAborted);
    }

    private static async Task<StatementCall> ReadAsync(
        HttpContext http, Access access, GatewayOptions options, RequestRecord record)
    {
        using var body = await RequestBody.ReadAsync(http.Request, options.BodyLimitBytes);
        return RequestReader.Read(body.Fields, http.Request.Headers[IdempotencyKey], access, options, record);
    }
}
