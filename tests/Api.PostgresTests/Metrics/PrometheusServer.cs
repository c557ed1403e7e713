using System.Net;
using System.Text.Json;

namespace Gateway.Api.PostgresTests.Metrics;

/// <summary>
/// Runs a Prometheus on a free loopback port. It scrapes a gateway as the job <c>gateway</c>, and has the alert rules.
/// </summary>
internal sealed class PrometheusServer : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly DirectoryInfo _folder;
    private readonly ClientProcess _process;
    private readonly HttpClient _http;

    private PrometheusServer(Uri gateway)
    {
        _folder = Directory.CreateTempSubdirectory("gateway-prometheus-");
        var configuration = Path.Combine(_folder.FullName, "prometheus.yaml");
        File.WriteAllText(configuration, $$"""
            global: { scrape_interval: 250ms, evaluation_interval: 1s }
            rule_files: ["{{Repository.PathOf("deploy/prometheus/alerts.yaml")}}"]
            scrape_configs:
              - job_name: gateway
                static_configs: [{ targets: ["{{gateway.Authority}}"] }]
            """);
        var address = $"127.0.0.1:{Ports.PickFree()}";
        _http = new HttpClient { BaseAddress = new Uri($"http://{address}"), Timeout = Patience };
        _process = new ClientProcess(_folder.FullName, DebianProgram.PathOf("prometheus"),
        [
            $"--config.file={configuration}", $"--storage.tsdb.path={_folder.FullName}/data", $"--web.listen-address={address}",
            "--log.level=warn",
        ]);
    }

    /// <summary>Starts a Prometheus, and waits until it has scraped the gateway.</summary>
    public static async Task<PrometheusServer> StartAsync(Uri gateway)
    {
        var prometheus = new PrometheusServer(gateway);
        if ((await Poll.TryReadAsync(HasScrapedAsync, hasScraped => hasScraped, Patience)).IsRight)
            return prometheus;
        var output = $"{prometheus._process.Output}\n{prometheus._process.Errors}";
        await prometheus.DisposeAsync();
        throw new TimeoutException($"Prometheus has not scraped the gateway.\n{output}");

        async Task<bool> HasScrapedAsync()
        {
            try
            {
                return (await prometheus.QueryAsync("up{job=\"gateway\"} == 1")).Series.Count > 0;
            }
            catch (HttpRequestException)
            {
                // It does not listen yet.
                return false;
            }
        }
    }

    /// <summary>Waits for another scrape of the gateway.</summary>
    public async Task ScrapeAsync()
    {
        var since = TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds();
        await Poll.UntilAsync(
            async () => (await QueryAsync($"timestamp(up{{job=\"gateway\"}}) * 1000 > {since}")).Series.Count > 0,
            Patience);
    }

    /// <summary>Evaluates an expression.</summary>
    /// <returns>The labels of each series, or Prometheus's error.</returns>
    public async Task<(IReadOnlyList<IReadOnlyDictionary<string, string>> Series, string? Error)> QueryAsync(string expression)
    {
        using var form = new FormUrlEncodedContent([new("query", expression)]);
        using var response = await _http.PostAsync("/api/v1/query", form);
        // It listens before it is ready, and reports that in plain text.
        if (response.StatusCode == HttpStatusCode.ServiceUnavailable)
            response.EnsureSuccessStatusCode();
        using var answer = JsonDocument.Parse(await response.Content.ReadAsStringAsync());
        if (answer.RootElement.GetProperty("status").GetString() != "success")
            return ([], answer.RootElement.GetProperty("error").GetString());
        return (
            [
                .. answer.RootElement.GetProperty("data").GetProperty("result").EnumerateArray()
                    .Where(series => series.ValueKind == JsonValueKind.Object)
                    .Select(series => series.GetProperty("metric").EnumerateObject()
                        .ToDictionary(label => label.Name, label => label.Value.GetString()!)),
            ],
            null);
    }

    /// <summary>
    /// Returns the rules with the error of their last evaluation, after each rule has been evaluated once.
    /// </summary>
    public async Task<IReadOnlyList<(string Name, string Health, string? Error)>> RulesAsync() =>
        await Poll.ReadAsync(ReadRulesAsync, rules => rules.All(rule => rule.Health != "unknown"), Patience);

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await _process.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    private async Task<IReadOnlyList<(string Name, string Health, string? Error)>> ReadRulesAsync()
    {
        using var answer = JsonDocument.Parse(await _http.GetStringAsync(new Uri("/api/v1/rules", UriKind.Relative)));
        return
        [
            .. answer.RootElement.GetProperty("data").GetProperty("groups").EnumerateArray()
                .SelectMany(group => group.GetProperty("rules").EnumerateArray())
                .Select(rule => (
                    rule.GetProperty("name").GetString()!, rule.GetProperty("health").GetString()!,
                    rule.TryGetProperty("lastError", out var error) ? error.GetString() : null)),
        ];
    }
}
