using System.Text.RegularExpressions;

namespace Gateway.Api.PostgresTests.Metrics;

/// <summary>
/// Checks a PromQL expression against the metrics of a gateway on which every event has happened. An expression without
/// a value proves nothing about an alert, so each selector must match a series, and each label must exist.
/// </summary>
internal static partial class QueryCheck
{
    /// <summary>Keywords that appear where a metric could.</summary>
    private static readonly string[] Words = ["and", "or", "unless", "bool", "offset", "group_left", "group_right"];

    /// <returns>The faults of the expression.</returns>
    public static async Task<IReadOnlyList<string>> FaultsOfAsync(PrometheusServer prometheus, string expression, bool hasValue, string legend = "")
    {
        var faults = new List<string>();
        var labels = new HashSet<string>(StringComparer.Ordinal);
        foreach (Match selector in Selector().Matches(expression))
        {
            var (matched, _) = await prometheus.QueryAsync(selector.Value);
            if (matched.Count == 0)
                faults.Add($"nothing matches {selector.Value}");
            labels.UnionWith(matched.SelectMany(series => series.Keys));
        }

        foreach (var label in Grouping().Matches(expression).SelectMany(grouping => Name().Matches(grouping.Groups["labels"].Value)))
        {
            if (!labels.Contains(label.Value))
                faults.Add($"nothing has the label {label.Value}");
        }

        var rest = Range().Replace(Grouping().Replace(Selector().Replace(expression, ""), ""), "");
        faults.AddRange(Name().Matches(rest)
            .Where(name => !Words.Contains(name.Value) && !rest[(name.Index + name.Length)..].TrimStart().StartsWith('('))
            .Select(name => $"{name.Value} has no selector in braces"));

        var (values, error) = await prometheus.QueryAsync(expression);
        if (error is not null)
            faults.Add(error);
        else if (hasValue && values.Count == 0)
            faults.Add("it has no value");
        faults.AddRange(Legend().Matches(legend).Select(label => label.Groups["label"].Value)
            .Where(label => !values.Any(series => series.ContainsKey(label))).Select(label => $"no value has the legend's label {label}"));
        return [.. faults.Select(fault => $"{fault}, in {expression}")];
    }

    [GeneratedRegex("""[a-zA-Z_:][a-zA-Z0-9_:]*\{[^}]*\}""")]
    private static partial Regex Selector();

    [GeneratedRegex("""\b(by|without|on|ignoring|group_left|group_right)\s*\((?<labels>[^)]*)\)""")]
    private static partial Regex Grouping();

    [GeneratedRegex("""\[[^\]]*\]""")]
    private static partial Regex Range();

    [GeneratedRegex("[a-zA-Z_:][a-zA-Z0-9_:]*")]
    private static partial Regex Name();

    [GeneratedRegex("""\{\{(?<label>[a-zA-Z_]+)\}\}""")]
    private static partial Regex Legend();
}
