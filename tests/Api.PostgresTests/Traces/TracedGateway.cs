using System.Globalization;

namespace Gateway.Api.PostgresTests.Traces;

/// <summary>
/// Runs a gateway as a separate process, and its collector. A span listener would receive all spans of the tests'
/// process.
/// </summary>
public sealed class TracedGateway : IAsyncDisposable
{
    private TracedGateway(Collector collector, GatewayProcess process, GatewayClient client) =>
        (Collector, Process, Client) = (collector, process, client);

    public Collector Collector { get; }

    public GatewayProcess Process { get; }

    public GatewayClient Client { get; }

    /// <summary>Starts both.</summary>
    /// <param name="dsn">The DSN of its database.</param>
    /// <param name="settings">Additional settings, as in the environment.</param>
    /// <param name="hangs">Whether the collector answers nothing.</param>
    public static async Task<TracedGateway> StartAsync(string dsn, IReadOnlyDictionary<string, string>? settings = null, bool hangs = false)
    {
        var collector = await Collector.StartAsync(hangs);
        var environment = new Dictionary<string, string>
        {
            ["DSN"] = dsn,
            ["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.HttpAddress,
            ["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf",
            ["OTEL_BSP_SCHEDULE_DELAY"] = "50",
        };
        foreach (var (name, value) in settings ?? new Dictionary<string, string>())
            environment[name] = value.Replace("GRPC", collector.GrpcAddress);
        try
        {
            var address = $"http://127.0.0.1:{Ports.PickFree().ToString(CultureInfo.InvariantCulture)}";
            var process = await GatewayProcess.StartAsync(environment, "--urls", address);
            return new TracedGateway(collector, process, new GatewayClient(new Uri(address)));
        }
        catch
        {
            await collector.DisposeAsync();
            throw;
        }
    }

    /// <summary>Returns a new trace ID.</summary>
    public static string NewTrace() => Guid.NewGuid().ToString("N");

    /// <summary>Runs a query in a caller's trace.</summary>
    public Task<Answer> QueryAsync(string trace, string sql, object? parameters = null, string flags = "01", string endpoint = "query") =>
        PostAsync(trace, endpoint, new { activityId = $"traces/{trace}", attempt = 3, sql, parameters }, flags);

    public Task<Answer> PostAsync(string trace, string endpoint, object request, string flags = "01", params (string, string)[] headers) =>
        Client.PostAsync(
            endpoint, System.Text.Json.JsonSerializer.SerializeToUtf8Bytes(request),
            [("traceparent", $"00-{trace}-00f067aa0ba902b7-{flags}"), ("tracestate", "vendor=1"), .. headers]);

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await Process.DisposeAsync();
        await Collector.DisposeAsync();
    }
}

/// <summary>Provides the gateway that tests without own settings share.</summary>
public sealed class TracedFixture(GatewayFixture server) : IAsyncLifetime
{
    private TracedGateway? _gateway;

    public TracedGateway Gateway => _gateway!;

    public async ValueTask InitializeAsync() => _gateway = await TracedGateway.StartAsync(
        server.Dsn, new Dictionary<string, string> { ["OTEL_EXPORTER_OTLP_HEADERS"] = "X-Tenant=shop" });

    public async ValueTask DisposeAsync()
    {
        if (_gateway is not null)
            await _gateway.DisposeAsync();
    }
}
