using System.Globalization;
using System.Text.RegularExpressions;

namespace Gateway.Api.PostgresTests.Metrics;

/// <summary>Represents a gateway's answer at <c>/metrics</c>, in Prometheus's text format.</summary>
internal sealed partial record MetricsText(string Text)
{
    public IReadOnlyList<Sample> Samples { get; } = [.. Sample().Matches(Text).Select(Read)];

    /// <summary>Gets each metric's type, by its name.</summary>
    public IReadOnlyDictionary<string, string> Types { get; } =
        TypeLine().Matches(Text).ToDictionary(line => line.Groups["name"].Value, line => line.Groups["type"].Value);

    /// <summary>
    /// Returns the sum of the series with a given name that have all given labels, each as <c>NAME=VALUE</c>.
    /// </summary>
    public double Sum(string name, params string[] labels) => Find(name, labels).Sum(sample => sample.Value);

    public IEnumerable<Sample> Find(string name, params string[] labels) =>
        Samples.Where(sample => sample.Name == name && labels.All(label => sample.Labels.Contains(Split(label))));

    /// <summary>Returns the metric of a series: a histogram has three kinds of series.</summary>
    public string MetricOf(Sample sample) =>
        Types.ContainsKey(sample.Name) ? sample.Name : Suffix().Replace(sample.Name, "");

    private static Sample Read(Match line) => new(
        line.Groups["name"].Value,
        Label().Matches(line.Groups["labels"].Value).ToDictionary(label => label.Groups["name"].Value, label => label.Groups["value"].Value),
        double.Parse(line.Groups["value"].Value.Replace("+Inf", "Infinity", StringComparison.Ordinal), CultureInfo.InvariantCulture));

    private static KeyValuePair<string, string> Split(string label)
    {
        var at = label.IndexOf('=', StringComparison.Ordinal);
        return new(label[..at], label[(at + 1)..]);
    }

    [GeneratedRegex("""^(?<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(?<labels>.*)\})? (?<value>\S+)$""", RegexOptions.Multiline)]
    private static partial Regex Sample();

    [GeneratedRegex("""(?<name>[a-zA-Z_][a-zA-Z0-9_]*)="(?<value>(?:[^"\\]|\\.)*)",?""")]
    private static partial Regex Label();

    [GeneratedRegex("^# TYPE (?<name>[^ ]+) (?<type>[a-z]+)$", RegexOptions.Multiline)]
    private static partial Regex TypeLine();

    [GeneratedRegex("_(bucket|sum|count)$")]
    private static partial Regex Suffix();
}

/// <summary>Represents a series and its value.</summary>
internal sealed record Sample(string Name, IReadOnlyDictionary<string, string> Labels, double Value)
{
    /// <summary>Gets the name and the labels, which identify the series.</summary>
    public string Series =>
        $"{Name}{{{string.Join(',', Labels.OrderBy(label => label.Key, StringComparer.Ordinal).Select(label => $"{label.Key}={label.Value}"))}}}";
}
