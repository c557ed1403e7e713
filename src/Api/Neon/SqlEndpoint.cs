using Gateway.Api.Callers;
using Gateway.Api.Configuration;
using Gateway.Api.Connections;
using Gateway.Api.Endpoints;
using Gateway.Api.Errors;
using Gateway.Api.Execution;
using Gateway.Api.Journal;
using Gateway.Api.Json;
using Gateway.Api.Postgres;
using Gateway.Api.Telemetry;
using Gateway.Contracts;
using Microsoft.Extensions.Primitives;

namespace Gateway.Api.Neon;

/// <summary>
/// Neon's SQL over HTTP, for the drivers that speak it: another way in and out of the one path. Each request is a transaction; with
/// an <c>Idempotency-Key</c> its answer is recorded, and it takes effect once.
/// </summary>
internal static class SqlEndpoint
{
    public static void MapSql(this IEndpointRouteBuilder routes) => routes.MapPost("/sql", RunAsync)
        .WithMetadata(new SqlError())
        .RequireCaller(CredentialOf)
        .AllowOrigins(routes.ServiceProvider)
        // The contract is not ours, and its clients are not made from a document.
        .ExcludeFromDescription();

    private static async Task RunAsync(
        HttpContext http, StatementPath path, ConnectionRegistry connections, GatewayOptions options, TimeProvider clock)
    {
        var record = RequestRecord.Of(http);
        var caller = record.Caller!;
        var connectionString = ConnectionStringOf(http.Request)
            ?? throw Invalid($"Send the header {SqlHeaders.ConnectionString}: {SqlConnectionString.Shape}.");
        // Before it is looked up: which connections there are is told to those who may use them.
        caller.Require(connectionString.Connection, Access.ReadOnly);
        var connection = connections.Find(connectionString.Connection);
        record.Connection = connection.Name;
        var headers = SqlHeaders.Read(http.Request.Headers)
            ?? throw Invalid($"{SqlHeaders.IsolationLevel} is ReadUncommitted, ReadCommitted, RepeatableRead or Serializable.");
        var call = await ReadAsync(http.Request, headers, caller, connection, options);
        record.ActivityId = call.Activity.ActivityId;
        using var watched = PipelineWatch.Begin(http);

        if (call.IsTransaction)
            headers.Batch.Echo(http.Response.Headers);
        if (call.Statements.Count == 0)
        {
            using var nothing = new PooledBuffer(int.MaxValue);
            SqlLayout.WriteBatch(nothing, []);
            await StatementEndpoints.SendAsync(http, nothing.Written, record);
            return;
        }
        using var deadline = new Deadline(call.Budget, record.Elapsed, clock, http.RequestAborted);
        using var answer = await path.RunAsync(call, deadline, record);
        if (call.RequestHash is not null)
            http.Response.Headers[StatementEndpoints.IdempotentReplayed] = answer.IsReplay ? "true" : "false";
        await StatementEndpoints.SendAsync(http, answer.Body, record);
    }

    /// <summary>A driver with a token sends it beside the connection string.</summary>
    private static string? CredentialOf(HttpRequest request) =>
        CallerRequirements.ReadBearer(request) ?? ConnectionStringOf(request)?.Key;

    /// <summary>
    /// The header is demanded of those too who have their key in another: a browser sends it across sites only where the gateway
    /// lets it.
    /// </summary>
    private static SqlConnectionString? ConnectionStringOf(HttpRequest request) =>
        request.Headers[SqlHeaders.ConnectionString] is [{ } text] && SqlConnectionString.TryRead(text, out var read) ? read : null;

    private static async Task<ActivityCall> ReadAsync(
        HttpRequest request, SqlHeaders headers, Caller caller, NamedConnection connection, GatewayOptions options)
    {
        var key = KeyOf(request.Headers[StatementEndpoints.IdempotencyKey]);
        using var body = await RequestBody.ReadAsync(request, options, anyType: true);
        var read = SqlRequestReader.Read(body.Fields, headers.ArrayMode);

        var batch = read.IsBatch ? headers.Batch : default;
        // Who may only read reads: the server refuses a write.
        var access = batch.ReadOnly || connection.ReadOnly || !caller.MayWrite(connection.Name) ? Access.ReadOnly : Access.ReadWrite;
        return new ActivityCall
        {
            Caller = caller,
            Activity = new ActivityIdentity(caller.Name, connection.Name, key ?? $"sql-{Guid.NewGuid():N}"),
            Statements = read.Statements,
            Mode = new TransactionMode(access, batch.Isolation, batch.Deferrable),
            IsTransaction = read.IsBatch,
            IsQuery = false,
            Numbers = Numbers.Exact,
            Layout = new SqlLayout(headers.RawText),
            Budget = TimeSpan.FromMilliseconds(options.DefaultTimeoutMs),
            RequestHash = key is not null && access == Access.ReadWrite ? SqlRequestHash.Of(headers, batch, body.Fields) : null,
        };
    }

    private static string? KeyOf(StringValues header) => header.Count == 0
        ? null
        : ActivityId.Read(header) ?? throw Invalid($"The header {StatementEndpoints.IdempotencyKey} is one key of {ActivityId.Rule}, bare or quoted.");

    private static Failure Invalid(string detail) => Failure.Invalid([new RequestFault("", detail)]);
}
