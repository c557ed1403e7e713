using System.Reflection;
using Gateway.Api.Connections;
using Gateway.Api.Telemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;

namespace Gateway.Api.Hosting;

/// <summary>Adds the metrics.</summary>
internal static class MetricsStartup
{
    public static void AddMetrics(this WebApplicationBuilder builder)
    {
        builder.Services.AddSingleton<GatewayMeter>();
        builder.Services.AddSingleton<RequestMetrics>();
        builder.Services.AddSingleton<ConnectionMetrics>();
        builder.Services.AddSingleton<MetricsPage>();
        builder.Services.AddOpenTelemetry().WithMetrics(metrics => metrics
            // The settings OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES come last and win.
            .SetResourceBuilder(ResourceBuilder.CreateEmpty()
                .AddService("gateway", serviceVersion: FindVersion(), autoGenerateServiceInstanceId: false)
                .AddEnvironmentVariableDetector())
            .AddMeter(GatewayMeter.Name, "System.Runtime")
            .AddPrometheusExporter(exporter =>
            {
                // The name of the meter adds nothing to the name of the metric.
                exporter.ScopeInfoEnabled = false;
                // A second scrape within the cache's duration would get old values; tests scrape that often.
                exporter.ScrapeResponseCacheDurationMilliseconds = 0;
            }));
        builder.Services.ConfigureOpenTelemetryMeterProvider(
            (services, metrics) => metrics.AddView(services.GetRequiredService<GatewayMeter>().View));
    }

    /// <summary>
    /// Starts the metrics, in another thread: that takes as long as the first database connection, which waits for the
    /// network most of that time.
    /// </summary>
    public static Task MeasureAsync(this WebApplication gateway) => Task.Run(() =>
    {
        gateway.Services.GetRequiredService<MetricsPage>();
        gateway.Services.GetRequiredService<RequestMetrics>();
        gateway.Services.GetRequiredService<ConnectionMetrics>();
    });

    private static string? FindVersion() =>
        typeof(Program).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion;
}
