using Gateway.Api.Connections;
using Gateway.Api.Errors;
using Gateway.Api.Telemetry;
using Gateway.Contracts;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Gateway.Api.Endpoints;

/// <summary>The probes. Only readiness knows of databases, and it asks none: a watch of its own does, beforehand.</summary>
internal static class HealthEndpoints
{
    public static void MapHealth(this IEndpointRouteBuilder routes)
    {
        var health = routes.MapGroup("/healthz").WithTags("Probes");
        health.AddEndpointFilter((context, next) =>
        {
            RequestRecord.Of(context.HttpContext).WriteHeaders(context.HttpContext.Response);
            return next(context);
        });
        health.MapGet("/live", () => TypedResults.Json(new Liveness("live"), ContractJson.Default.Liveness))
            .WithName("live")
            .WithSummary("Whether the gateway lives")
            .WithDescription("Never asks a database: a restart of the gateway cures none.")
            .Produces<Liveness>();
        health.MapGet("/startup", () => TypedResults.Json(new Liveness("started"), ContractJson.Default.Liveness))
            .WithName("startup")
            .WithSummary("Whether the gateway has started")
            .WithDescription("It listens only once every connection has been reached, so any answer says yes.")
            .Produces<Liveness>();
        health.MapGet("/ready", Ready).WithName("ready")
            .WithSummary("Whether the gateway can serve")
            .WithDescription(
                "Says for each connection whether its server can be reached, from checks made beforehand. 200 while one "
                + "can be: `degraded` where others can't. Once the gateway was told to stop it is `draining`, and serves for a while still.")
            .Produces<Readiness>()
            .Produces<Readiness>(StatusCodes.Status503ServiceUnavailable);
    }

    /// <summary>
    /// A replica that can serve one connection of several stays in: taken out, it would serve none.
    /// </summary>
    private static JsonHttpResult<Readiness> Ready(HttpContext http, ConnectionRegistry connections, RequestsInFlight requests)
    {
        var entries = connections.All.ToDictionary(connection => connection.Name, connection => connection.Reachability.Now);
        var reachable = entries.Values.Count(entry => entry.Reachable);
        var serves = reachable > 0 && !requests.IsDraining;
        var status = requests.IsDraining ? "draining"
            : reachable == entries.Count ? "ready" : reachable > 0 ? "degraded" : "unavailable";
        if (!serves)
            FailureForm.SayRetry(http.Response, afterSeconds: 1);
        return TypedResults.Json(
            new Readiness(status, entries), ContractJson.Default.Readiness,
            statusCode: serves ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable);
    }
}
