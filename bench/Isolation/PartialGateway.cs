using Gateway.Api.Admission;
using Gateway.Api.Connections;
using Gateway.Api.Endpoints;
using Gateway.Api.Errors;
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
        RunAsync(http, Operation.Query, path, options);

    private static Task ExecuteAsync(HttpContext http, PartialPath path, GatewayOptions options) =>
        RunAsync(http, Operation.Execute, path, options);

    private static async Task RunAsync(HttpContext http, Operation operation, PartialPath path, GatewayOptions options)
    {
        var record = RequestRecord.Of(http);
        var call = await StatementEndpoints.ReadAsync(http, operation, options, record);
        using var answer = await path.RunAsync(call, record, http.RequestAborted);
        await StatementEndpoints.SendAsync(http, operation, answer, record);
    }
}
