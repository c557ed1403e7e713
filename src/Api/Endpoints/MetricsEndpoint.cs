using Gateway.Api.Telemetry;

namespace Gateway.Api.Endpoints;

/// <summary>
/// What Prometheus scrapes. Like the probes it wants no caller and asks no database: who may come there is the network's to say.
/// </summary>
internal static class MetricsEndpoint
{
    public static void MapMetrics(this IEndpointRouteBuilder routes) => routes.MapGet(MetricsPage.Path, Answer)
        .WithName("metrics")
        .WithTags("Metrics")
        .WithSummary("Get metrics")
        .WithDescription(
            "Returns Prometheus's text format, or OpenMetrics if `Accept` asks for it. docs/operations.md lists the metrics. No label "
            + "contains anything that a caller sent.")
        .Produces<string>(StatusCodes.Status200OK, "text/plain");

    private static Task Answer(HttpContext http, MetricsPage page)
    {
        RequestRecord.Of(http).WriteHeaders(http.Response);
        http.Response.Headers.CacheControl = "no-store";
        return page.AnswerAsync(http);
    }
}
