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
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.Primitives;

namespace Gateway.Api.Neon;

/// <summary>
/// Serves Neon's SQL over HTTP for its drivers. A request takes the same path as on <c>/v1</c>, and is one transaction.
/// With an <c>Idempotency-Key</c> its answer is recorded, and it takes effect once.
/// </summary>
internal static class SqlEndpoint
{
    public static void MapSql(this IEndpointRouteBuilder routes) => routes.MapPost("/sql", RunAsync)
        .WithMetadata(new SqlError())
        .RequireCaller(CredentialOf)
        .AllowOrigins(routes.ServiceProvider)
        // The protocol is Neon's, and its clients are not generated from the document.
        .ExcludeFromDescription();

    private static async Task RunAsync(
        HttpContext http, [FromServices] StatementPath path, [FromServices] ConnectionRegistry connections,
        [FromServices] GatewayOptions options, [FromServices] TimeProvider clock)
    {
        var record = RequestRecord.Of(http);
        var caller = record.Caller!;
        var connectionString = ConnectionStringOf(http.Request)
            ?? throw Invalid($"Send the header {SqlHeaders.ConnectionString}: {SqlConnectionString.Shape}.");
        // Must precede the look-up: only callers with rights on a connection may learn that it exists.
        caller.Require(connectionString.Connection, Access.ReadOnly);
        var connection = connections.Find(connectionString.Connection);
        record.Connection = connection.Name;
        var headers = SqlHeaders.Read(http.Request.Headers)
            ?? throw Invalid(
                $"{SqlHeaders.IsolationLevel} is ReadUncommitted, ReadCommitted, RepeatableRead or Serializable.");
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
        StatementEndpoints.AddHeaders(http.Response, answer, mayBeReplay: call.RequestHash is not null);
        await StatementEndpoints.SendAsync(http, answer.Body, record);
    }

    /// <summary>Returns the bearer token, or else the key in the connection string.</summary>
    private static string? CredentialOf(HttpRequest request) =>
        CallerRequirements.ReadBearer(request) ?? ConnectionStringOf(request)?.Key;

    /// <summary>
    /// Reads the connection string, which is required even if the credential is in another header: a browser sends a
    /// custom header to another site only if the gateway allows it.
    /// </summary>
    private static SqlConnectionString? ConnectionStringOf(HttpRequest request) =>
        request.Headers[SqlHeaders.ConnectionString] is [{ } text] && SqlConnectionString.TryRead(text, out var read)
            ? read
            : null;

    private static async Task<ActivityCall> ReadAsync(
        HttpRequest request, SqlHeaders headers, Caller caller, NamedConnection connection, GatewayOptions options)
    {
        var key = KeyOf(request.Headers[StatementEndpoints.IdempotencyKey]);
        using var body = await RequestBody.ReadAsync(request, options, anyType: true);
        var read = SqlRequestReader.Read(body.Fields, headers.ArrayMode);

        var batch = read.IsBatch ? headers.Batch : default;
        // A caller that may only read gets a read-only transaction, in which the server refuses writes.
        var access = batch.ReadOnly || connection.ReadOnly || !caller.MayWrite(connection.Name)
            ? Access.ReadOnly
            : Access.ReadWrite;
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
            RequestHash = key is not null && access == Access.ReadWrite
                ? SqlRequestHash.Of(headers, batch, body.Fields)
                : null,
        };
    }

    private static string? KeyOf(StringValues header) => header.Count == 0
        ? null
        : ActivityId.Read(header) ?? throw Invalid(
            $"The header {StatementEndpoints.IdempotencyKey} is one key of {ActivityId.Rule}, bare or quoted.");

    private static Failure Invalid(string detail) => Failure.Invalid([new RequestFault("", detail)]);
}
