namespace Gateway.Api.Telemetry;

/// <summary>How traces come into the gateway.</summary>
internal static class Tracing
{
    public static void AddTraces(this WebApplicationBuilder builder)
    {
        // A path is a caller's text; what there is to say of a request is said here.
        AppContext.SetSwitch("Microsoft.AspNetCore.Hosting.SuppressActivityOpenTelemetryData", true);
        if (OtlpSettings.AreOn(builder.Configuration))
            builder.Services.AddHostedService<TraceExport>();
    }
}
