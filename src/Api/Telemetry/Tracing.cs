using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Gateway.Api.Telemetry;

/// <summary>Adds the traces.</summary>
internal static class Tracing
{
    public static void AddTraces(this WebApplicationBuilder builder)
    {
        // ASP.NET Core would add the path, which is a caller's text. RequestTrace adds the tags instead.
        AppContext.SetSwitch("Microsoft.AspNetCore.Hosting.SuppressActivityOpenTelemetryData", true);
        // Without a collector there is no provider and no exporter.
        if (OtlpSettings.AreOn(builder.Configuration))
            builder.Services.AddTraceExport();
    }

    /// <summary>
    /// Sends spans to a collector by OTLP, in the background: if the collector is down or slow, the queue fills up and
    /// later spans are dropped. Requests never wait for it.
    /// </summary>
    private static void AddTraceExport(this IServiceCollection services)
    {
        services.AddOpenTelemetry().WithTracing(traces => traces
            // The settings OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES come last and win.
            .SetResourceBuilder(ResourceBuilder.CreateEmpty()
                .AddService("gateway").AddTelemetrySdk().AddEnvironmentVariableDetector())
            .AddSource(RequestTrace.HttpSource, RequestTrace.Source.Name)
            .AddOtlpExporter());
        services.AddHostedService<TraceExport>();
    }
}
