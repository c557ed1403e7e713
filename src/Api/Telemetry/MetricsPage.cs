using System.Reflection;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;

namespace Gateway.Api.Telemetry;

/// <summary>All that is measured, as Prometheus asks for it: in its text format, or in OpenMetrics where it asks for that.</summary>
internal sealed class MetricsPage : IDisposable
{
    /// <summary>The path that Prometheus scrapes.</summary>
    public const string Path = "/metrics";

    private readonly MeterProvider _provider;
    private readonly RequestDelegate _answer;

    /// <summary>Must be there before the instruments are: what is measured until then is not kept.</summary>
    public MetricsPage(GatewayMeter gateway, IServiceProvider services)
    {
        var version = typeof(MetricsPage).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion;
        _provider = Sdk.CreateMeterProviderBuilder()
            .SetResourceBuilder(ResourceBuilder.CreateEmpty()
                .AddService("gateway", serviceVersion: version, autoGenerateServiceInstanceId: false)
                // OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES.
                .AddEnvironmentVariableDetector())
            .AddMeter(GatewayMeter.Name, "System.Runtime")
            .AddView(gateway.View)
            .AddPrometheusExporter(exporter =>
            {
                // Which meter a metric is of tells a reader nothing that its name does not.
                exporter.ScopeInfoEnabled = false;
                // Who looks twice within it would see the past, and tests do.
                exporter.ScrapeResponseCacheDurationMilliseconds = 0;
            })
            .Build();
        var page = new ApplicationBuilder(services);
        page.UseOpenTelemetryPrometheusScrapingEndpoint(_provider, _ => true, path: null, configureBranchedPipeline: null, optionsName: null);
        _answer = page.Build();
    }

    public Task AnswerAsync(HttpContext http) => _answer(http);

    public void Dispose() => _provider.Dispose();
}
