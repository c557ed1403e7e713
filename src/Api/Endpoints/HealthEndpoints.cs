using Gateway.Api.Connections;
using Gateway.Api.Errors;
using Gateway.Api.Journal;
using Gateway.Api.Telemetry;
using Gateway.Contracts;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Gateway.Api.Endpoints;

/// <summary>
/// The probes. Only readiness depends on databases, and it asks none: a background service has checked them before.
/// </summary>
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
            .WithSummary("Check that the gateway runs")
            .WithDescription("It asks no database: restarting the gateway would not help one.")
            .Produces<Liveness>();
        health.MapGet("/startup", () => TypedResults.Json(new Liveness("started"), ContractJson.Default.Liveness))
            .WithName("startup")
            .WithSummary("Check that the gateway has started")
            .WithDescription("The gateway listens only after it has reached every connection, so any answer means yes.")
            .Produces<Liveness>();
        health.MapGet("/ready", Ready).WithName("ready")
            .WithSummary("Check that the gateway can serve")
            .WithDescription(
                "Returns for each connection whether its server can be reached, from checks made in the background. "
                + "`journal` is the state of the journal of a connection that takes writes; `durability` says whether "
                + "synchronous standbys confirm its writes, if they must. Neither has an effect on the status. "
                + "The status is 200 while one connection can be reached; `degraded` means that others can't. "
                + "`draining` means that the gateway was told to stop and still serves for a while.")
            .Produces<Readiness>()
            .Produces<Readiness>(StatusCodes.Status503ServiceUnavailable);
    }

    /// <summary>
    /// Returns 200 while at least one connection can be reached: without this replica, that connection would not be
    /// served either.
    /// </summary>
    private static JsonHttpResult<Readiness> Ready(
        HttpContext http, ConnectionRegistry connections, RequestsInFlight requests)
    {
        var entries = connections.All.ToDictionary(
            connection => connection.Name,
            connection => connection.Reachability.Now with
            {
                Journal = connection.JournalState?.Name(),
                Durability = connection.Standbys?.State,
            });
        var reachable = entries.Values.Count(entry => entry.Reachable);
        var serves = reachable > 0 && !requests.IsDraining;
        var status = requests.IsDraining ? "draining"
            : reachable == entries.Count ? "ready" : reachable > 0 ? "degraded" : "unavailable";
        if (!serves)
            RetryHeaders.Set(http.Response, afterSeconds: 1);
        return TypedResults.Json(
            new Readiness(status, entries), ContractJson.Default.Readiness,
            statusCode: serves ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable);
    }
}
