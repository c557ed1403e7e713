using Gateway.Api.Connections;
using Gateway.Api.Telemetry;

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
    }

    /// <summary>Begins in a thread of its own: it costs a start as much as the first connection does, which waits most of the time.</summary>
    public static Task MeasureAsync(this WebApplication gateway) => Task.Run(() =>
    {
        gateway.Services.GetRequiredService<MetricsPage>();
        gateway.Services.GetRequiredService<RequestMetrics>();
        gateway.Services.GetRequiredService<ConnectionMetrics>();
    });
}
