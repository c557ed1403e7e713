using OpenTelemetry;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Gateway.Api.Telemetry;

/// <summary>
/// Sends spans to a collector by OTLP, beside the requests: where it is down or slow, the queue fills up and what comes then is
/// dropped.
/// </summary>
internal sealed class TraceExport(IConfiguration configuration, ILoggerFactory logs, TimeProvider clock) : IHostedService, IDisposable
{
    private const string ServiceName = "gateway";

    /// <summary>What the shutdown may take for the last spans.</summary>
    private static readonly TimeSpan FlushTime = TimeSpan.FromSeconds(3);

    private TracerProvider? _provider;
    private TraceFaults? _faults;

    // The server starts after this and stops before it, so no request's span is left behind.
    public Task StartAsync(CancellationToken cancellationToken)
    {
        _faults = new TraceFaults(logs.CreateLogger<TraceFaults>(), clock);
        _provider = Sdk.CreateTracerProviderBuilder()
            // Where all other settings are.
            .ConfigureServices(services => services.AddSingleton(configuration))
            // The variables come last: what they say goes.
            .SetResourceBuilder(ResourceBuilder.CreateEmpty().AddService(ServiceName).AddTelemetrySdk().AddEnvironmentVariableDetector())
            .AddSource(RequestTrace.HttpSource, RequestTrace.Source.Name)
            .AddOtlpExporter()
            .Build();
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) =>
        Task.Run(() => _provider?.Shutdown((int)FlushTime.TotalMilliseconds), CancellationToken.None);

    public void Dispose()
    {
        _provider?.Dispose();
        _faults?.Dispose();
    }
}
