namespace Gateway.Api.Telemetry;

/// <summary>Answers Prometheus in its text format, or in OpenMetrics if it asks for that.</summary>
internal sealed class MetricsPage
{
    /// <summary>The path that Prometheus scrapes.</summary>
    public const string Path = "/metrics";

    private readonly RequestDelegate _answer;

    /// <summary>Starts the meter provider. Instruments must be made after it, or their first values are lost.</summary>
    public MetricsPage(IServiceProvider services)
    {
        var page = new ApplicationBuilder(services);
        page.UseOpenTelemetryPrometheusScrapingEndpoint(_ => true);
        _answer = page.Build();
    }

    public Task AnswerAsync(HttpContext http) => _answer(http);
}
