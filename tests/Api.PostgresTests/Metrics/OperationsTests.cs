using System.Text.Json;
using System.Text.RegularExpressions;
using YamlDotNet.RepresentationModel;

namespace Gateway.Api.PostgresTests.Metrics;

/// <summary>Tests that the dashboard, the alerts and their documentation use existing metrics.</summary>
public sealed partial class OperationsTests(MeasuredGateway gateway) : IClassFixture<MeasuredGateway>
{
    private const string Alerts = "deploy/prometheus/alerts.yaml";
    private const string AlertTests = "deploy/prometheus/alerts.test.yaml";
    private const string Dashboard = "deploy/grafana/gateway.json";
    private const string Operations = "docs/operations.md";

    [Fact]
    public async Task QueriesOfDashboardAndAlerts_AreAboutWhatTheGatewayMeasures()
    {
        await gateway.EverythingAsync();
        await using var prometheus = await PrometheusServer.StartAsync(gateway.Address);
        // Counters are shown as rates, and a rate needs two scrapes.
        await gateway.EverythingAsync();
        await prometheus.ScrapeAsync();

        var faults = new List<string>();
        var queries = ReadDashboard();
        Assert.True(queries.Count > 40);
        foreach (var (expression, legend) in queries)
            faults.AddRange(await QueryCheck.FaultsOfAsync(prometheus, expression, hasValue: true, legend));
        foreach (var (_, expression, _) in ReadAlerts())
            faults.AddRange(await QueryCheck.FaultsOfAsync(prometheus, expression, hasValue: false));
        foreach (var (selector, label) in ReadVariables())
            faults.AddRange(await QueryCheck.FaultsOfAsync(prometheus, $"count by ({label}) ({selector})", hasValue: true));
        Assert.True(faults.Count == 0, string.Join('\n', faults));

        var rules = await prometheus.RulesAsync();
        Assert.Equal(
            ReadAlerts().Select(alert => alert.Name).Order(StringComparer.Ordinal), rules.Select(rule => rule.Name).Order(StringComparer.Ordinal));
        Assert.All(rules, rule => Assert.True(rule.Health == "ok", $"{rule.Name}: {rule.Error}"));

        // Wrong expressions are found: by the metric, a value, a label, a grouping, the syntax and the legend.
        string[] wrong =
        [
            "sum(rate(gateway_request_total{job=\"gateway\"}[1m]))",
            "gateway_activity_outcomes_total{gateway_activity_outcome=\"replay\"}",
            "gateway_requests_total{connection=~\".+\"}",
            "sum by (caller) (gateway_requests_total{job=\"gateway\"})",
            "sum(gateway_requests_total)",
            "sum(gateway_requests_total{job=\"gateway\"}",
        ];
        foreach (var expression in wrong)
            Assert.NotEmpty(await QueryCheck.FaultsOfAsync(prometheus, expression, hasValue: false));
        Assert.NotEmpty(await QueryCheck.FaultsOfAsync(prometheus, "gateway_requests_total{job=\"gateway\"}", hasValue: true, "{{caller}}"));
    }

    [Theory]
    [InlineData("check", Alerts)]
    [InlineData("test", AlertTests)]
    public async Task AlertRules_PassTheirTests(string command, string file)
    {
        await using var promtool = new ClientProcess(
            Repository.Root, DebianProgram.PathOf("promtool"), [command, "rules", Repository.PathOf(file)]);
        var code = await promtool.WaitForExitAsync();
        Assert.True(code == 0, promtool.Output + promtool.Errors);
    }

    [Fact]
    public void EachAlert_SaysWhatItMeansAndIsTested()
    {
        var alerts = ReadAlerts();
        var headings = Heading().Matches(File.ReadAllText(Repository.PathOf(Operations))).Select(heading => heading.Groups["alert"].Value);
        Assert.Equal(alerts.Select(alert => alert.Name), headings);

        var tests = File.ReadAllText(Repository.PathOf(AlertTests));
        foreach (var (name, _, rule) in alerts)
        {
            var annotations = (YamlMappingNode)rule["annotations"];
            Assert.NotEmpty(annotations["summary"].ToString());
            Assert.NotEmpty(annotations["description"].ToString());
            Assert.Equal($"{Operations}#{name.ToLowerInvariant()}", annotations["runbook"].ToString());
            Assert.Contains(rule["labels"]["severity"].ToString(), (string[])["critical", "warning"]);
            Assert.Contains($"alertname=\"{name}\"", tests, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task TableOfMetrics_IsWhatThereIs()
    {
        await gateway.EverythingAsync();
        // Some of the runtime's metrics appear after a garbage collection only, which has usually happened by now.
        for (var garbage = Array.Empty<byte>(); GC.CollectionCount(0) == 0; garbage = new byte[1 << 16])
            GC.KeepAlive(garbage);
        using var request = new HttpRequestMessage(HttpMethod.Get, "/metrics");
        request.Headers.Accept.ParseAdd("application/openmetrics-text");
        using var response = await gateway.Client.Http.SendAsync(request, TestContext.Current.CancellationToken);
        var withUnits = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        var units = UnitLine().Matches(withUnits).ToDictionary(line => line.Groups["name"].Value, line => line.Groups["unit"].Value);
        var text = await gateway.ReadAsync();
        var meanings = HelpLine().Matches(text.Text).ToDictionary(line => line.Groups["name"].Value, line => line.Groups["help"].Value);

        var expected = text.Samples.GroupBy(text.MetricOf).OrderBy(metric => metric.Key, StringComparer.Ordinal).Select(metric =>
        {
            var labels = metric.SelectMany(sample => sample.Labels.Keys).Where(label => label != "le").Distinct().Order(StringComparer.Ordinal);
            var unit = units.GetValueOrDefault(metric.Key) ?? units.GetValueOrDefault(metric.Key.Replace("_total", "", StringComparison.Ordinal));
            return $"| `{metric.Key}` | {text.Types[metric.Key]} | {unit} | {string.Join(", ", labels.Select(label => $"`{label}`"))} "
                + $"| {meanings[metric.Key]} |";
        });
        var written = TableRow().Matches(await File.ReadAllTextAsync(Repository.PathOf(Operations), TestContext.Current.CancellationToken))
            .Select(row => row.Value);

        Assert.Equal(string.Join('\n', expected), string.Join('\n', written));
    }

    [Fact]
    public void Dashboard_AsksTheChosenPrometheusAndHasEachPanelOnce()
    {
        using var dashboard = JsonDocument.Parse(File.ReadAllText(Repository.PathOf(Dashboard)));
        var panels = dashboard.RootElement.GetProperty("panels").EnumerateArray().ToArray();

        Assert.Equal(panels.Length, panels.Select(panel => panel.GetProperty("id").GetInt32()).Distinct().Count());
        var graphs = panels.Where(panel => panel.GetProperty("type").GetString() != "row").ToArray();
        Assert.All(graphs, panel => Assert.Equal("${datasource}", panel.GetProperty("datasource").GetProperty("uid").GetString()));
        Assert.Equal(graphs.Length, graphs.Select(panel => panel.GetProperty("title").GetString()).Distinct().Count());
    }

    private static IReadOnlyList<(string Name, string Expression, YamlNode Rule)> ReadAlerts()
    {
        var file = new YamlStream();
        using var text = File.OpenText(Repository.PathOf(Alerts));
        file.Load(text);
        return
        [
            .. ((YamlSequenceNode)file.Documents[0].RootNode["groups"]).SelectMany(group => (YamlSequenceNode)group["rules"])
                .Select(rule => (rule["alert"].ToString(), rule["expr"].ToString(), rule)),
        ];
    }

    /// <summary>Returns the dashboard's expressions, with values for Grafana's variables.</summary>
    private static IReadOnlyList<(string Expression, string Legend)> ReadDashboard()
    {
        using var dashboard = JsonDocument.Parse(File.ReadAllText(Repository.PathOf(Dashboard)));
        var queries = dashboard.RootElement.GetProperty("panels").EnumerateArray()
            .Where(panel => panel.TryGetProperty("targets", out _))
            .SelectMany(panel => panel.GetProperty("targets").EnumerateArray())
            .Select(target => (target.GetProperty("expr").GetString()!, target.GetProperty("legendFormat").GetString()!));
        return [.. queries.Select(query => (Fill(query.Item1), query.Item2))];
    }

    private static IReadOnlyList<(string Selector, string Label)> ReadVariables()
    {
        using var dashboard = JsonDocument.Parse(File.ReadAllText(Repository.PathOf(Dashboard)));
        return
        [
            .. dashboard.RootElement.GetProperty("templating").GetProperty("list").EnumerateArray()
                .Where(variable => variable.GetProperty("type").GetString() == "query")
                .Select(variable => LabelValues().Match(variable.GetProperty("definition").GetString()!))
                .Select(query => (Fill(query.Groups["selector"].Value), query.Groups["label"].Value))
                .Select(query => query.Item1.Contains('{', StringComparison.Ordinal) ? query : ($"{query.Item1}{{}}", query.Item2)),
        ];
    }

    /// <summary>Not <c>.*</c>, which also matches a missing label.</summary>
    private static string Fill(string expression) => expression
        .Replace("$__rate_interval", "1m", StringComparison.Ordinal).Replace("$__range", "1m", StringComparison.Ordinal)
        .Replace("$job", ".+", StringComparison.Ordinal).Replace("$instance", ".+", StringComparison.Ordinal)
        .Replace("$connection", ".+", StringComparison.Ordinal);

    [GeneratedRegex("^### (?<alert>Gateway[A-Za-z]+)$", RegexOptions.Multiline)]
    private static partial Regex Heading();

    [GeneratedRegex("^# UNIT (?<name>[^ ]+) (?<unit>[a-z]+)$", RegexOptions.Multiline)]
    private static partial Regex UnitLine();

    [GeneratedRegex("^# HELP (?<name>[^ ]+) (?<help>.+)$", RegexOptions.Multiline)]
    private static partial Regex HelpLine();

    [GeneratedRegex(@"^\| `[a-z_]+` \| (counter|gauge|histogram) \|.*$", RegexOptions.Multiline)]
    private static partial Regex TableRow();

    [GeneratedRegex(@"^label_values\((?<selector>.+), (?<label>[a-z_]+)\)$")]
    private static partial Regex LabelValues();
}
