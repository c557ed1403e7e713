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
                // Which meter a metric is of tells a reader nothing that its name does not.
                exporter.ScopeInfoEnabled = false;
                // Who looks twice within it would see the past, and tests do.
                exporter.ScrapeResponseCacheDurationMilliseconds = 0;
            }));
        builder.Services.ConfigureOpenTelemetryMeterProvider(
            (services, metrics) => metrics.AddView(services.GetRequiredService<GatewayMeter>().View));
    }

    /// <summary>Begins in a thread of its own: it costs a start as much as the first connection does, which waits most of the time.</summary>
    public static Task MeasureAsync(this WebApplication gateway) => Task.Run(() =>
    {
        gateway.Services.GetRequiredService<MetricsPage>();
        gateway.Services.GetRequiredService<RequestMetrics>();
        gateway.Services.GetRequiredService<ConnectionMetrics>();
    });

    private static string? FindVersion() =>
        typeof(Program).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion;
}
