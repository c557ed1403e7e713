using System.Globalization;

namespace Gateway.Api.Telemetry;

/// <summary>
/// Validates OpenTelemetry's own variables. Its SDK reads them and silently ignores a faulty one: it would then send no
/// traces, or all of them.
/// </summary>
internal static class OtlpSettings
{
    private const string Endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT";
    private const string Protocol = "OTEL_EXPORTER_OTLP_PROTOCOL";
    private const string Sampler = "OTEL_TRACES_SAMPLER";
    private const string SamplerArgument = "OTEL_TRACES_SAMPLER_ARG";
    private const string Disabled = "OTEL_SDK_DISABLED";

    private static readonly string[] Protocols = ["grpc", "http/protobuf"];

    private static readonly string[] Samplers =
    [
        "always_on", "always_off", "traceidratio",
        "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio",
    ];

    /// <summary>Returns whether traces are exported: a collector is configured, and the SDK is not disabled.</summary>
    public static bool AreOn(IConfiguration configuration) =>
        !string.IsNullOrWhiteSpace(configuration[Endpoint])
        && !string.Equals(configuration[Disabled], "true", StringComparison.OrdinalIgnoreCase);

    /// <summary>Adds a message for each fault.</summary>
    public static void Check(IConfiguration configuration, List<string> faults)
    {
        if (!AreOn(configuration))
            return;
        // The messages don't show the value: it may contain a password.
        if (!Uri.TryCreate(configuration[Endpoint], UriKind.Absolute, out var endpoint)
            || endpoint.Scheme is not ("http" or "https"))
            faults.Add($"{Endpoint} must be an http or https URL, as in http://collector:4317.");
        else if (endpoint.UserInfo.Length > 0)
        {
            faults.Add(
                $"{Endpoint} contains a user or a password; remove it, and authenticate to the collector by "
                + "OTEL_EXPORTER_OTLP_HEADERS.");
        }
        CheckName(configuration, Protocol, Protocols, faults);
        CheckName(configuration, Sampler, Samplers, faults);
        if (configuration[SamplerArgument] is { Length: > 0 } share && !IsShare(share))
            faults.Add($"{SamplerArgument} is \"{share}\": it must be the share of traces to keep, from 0 to 1.");
    }

    private static void CheckName(IConfiguration configuration, string setting, string[] known, List<string> faults)
    {
        if (configuration[setting] is { Length: > 0 } value && !known.Contains(value))
            faults.Add($"{setting} is \"{value}\": it must be one of {string.Join(", ", known)}.");
    }

    private static bool IsShare(string text) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var share)
        && share is >= 0 and <= 1;
}
