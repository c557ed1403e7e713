using Gateway.Api.Admission;
using Gateway.Api.Connections;
using Gateway.Api.Endpoints;
using Gateway.Api.Errors;
using Gateway.Api.Execution;
using Gateway.Api.Telemetry;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Gateway.Isolation;

/// <summary>A gateway around a <see cref="PartialPath"/>: the pipeline is the gateway's, and so is all before the path.</summary>
internal static class PartialGateway
{
    /// <param name="budget">As for <see cref="PartialPath"/>.</param>
    /// <param name="isolation">As for <see cref="PartialPath"/>.</param>
    /// <param name="settings">As the gateway takes them.</param>
    public static async Task<WebApplication> StartAsync(bool budget, bool isolation, string[] settings)
    {
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions
        {
            Args = settings,
            ContentRootPath = AppContext.BaseDirectory,
        });
        builder.AddGatewayLogging();
        builder.ServeLoopbackOnly();
        builder.AddConnections();
        builder.Services.AddSingleton(services =>
            ActivatorUtilities.CreateInstance<PartialPath>(services, budget, isolation));

        var gateway = builder.Build();
        gateway.UseMiddleware<RequestLog>();
        gateway.UseMiddleware<ProblemMiddleware>();
        var statements = gateway.MapGroup("/v1");
        statements.MapPost("/query", QueryAsync);
        statements.MapPost("/execute", ExecuteAsync);
        try
        {
            await gateway.ConnectAsync();
            await gateway.ListenAsync();
            return gateway;
        }
        catch
        {
            await gateway.DisposeAsync();
            throw;
        }
    }

    private static Task QueryAsync(HttpContext http, PartialPath path, GatewayOptions options) =>
        RunAsync(http, Access.ReadOnly, path, options);

    private static Task ExecuteAsync(HttpContext http, PartialPath path, GatewayOptions options) =>
        RunAsync(http, Access.ReadWrite, path, options);

    private static async Task RunAsync(HttpContext http, Access access, PartialPath path, GatewayOptions options)
    {
        var record = RequestRecord.Of(http);
        var call = await ReadAsync(http, access, options, record);
        using var answer = await path.RunAsync(call, record, http.RequestAborted);

        http.Response.ContentType = "application/json; charset=utf-8";
        http.Response.ContentLength = answer.Length;
        if (access == Access.ReadWrite)
            http.Response.Headers[StatementEndpoints.IdempotentReplayed] = "false";
        record.WriteHeaders(http.Response);
        answer.CopyTo(http.Response.BodyWriter);
        await http.Response.BodyWriter.FlushAsync(http.RequestAborted);
    }

    private static async Task<StatementCall> ReadAsync(
        HttpContext http, Access access, GatewayOptions options, RequestRecord record)
    {
        using var body = await RequestBody.ReadAsync(http.Request, options.BodyLimitBytes);
        return RequestReader.Read(
            body.Fields, http.Request.Headers[StatementEndpoints.IdempotencyKey], access, options, record);
    }
}
