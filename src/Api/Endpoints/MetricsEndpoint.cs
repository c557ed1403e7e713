using Gateway.Api.Telemetry;

namespace Gateway.Api.Endpoints;

/// <summary>
/// The endpoint that Prometheus scrapes. As the probes do, it requires no caller and asks no database. The network must
/// restrict access to it.
/// </summary>
internal static class MetricsEndpoint
{
    public static void MapMetrics(this IEndpointRouteBuilder routes) => routes.MapGet(MetricsPage.Path, Answer)
        .WithName("metrics")
        .WithTags("Metrics")
        .WithSummary("Get metrics")
        .WithDescription(
            "Returns Prometheus's text format, or OpenMetrics if `Accept` asks for it. docs/operations.md lists the "
            + "metrics. No label contains anything that a caller sent.")
        .Produces<string>(StatusCodes.Status200OK, "text/plain");

    private static Task Answer(HttpContext http, MetricsPage page)
    {
        RequestRecord.Of(http).WriteHeaders(http.Response);
        http.Response.Headers.CacheControl = "no-store";
        return page.AnswerAsync(http);
    }
}
