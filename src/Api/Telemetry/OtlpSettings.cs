namespace Gateway.Api.Telemetry;

/// <summary>
/// OpenTelemetry's own variables, which its SDK reads; what of them is faulty it would ignore in silence, and send nothing or
/// everything.
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
        "always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio",
    ];

    /// <summary>Whether there is somewhere to send traces to.</summary>
    public static bool AreOn(IConfiguration configuration) =>
        !string.IsNullOrWhiteSpace(configuration[Endpoint])
        && !string.Equals(configuration[Disabled], "true", StringComparison.OrdinalIgnoreCase);

    /// <summary>Adds a sentence for each fault.</summary>
    public static void Check(IConfiguration configuration, List<string> faults)
    {
        if (!AreOn(configuration))
            return;
        // Without what it is: it may hold a password.
        if (!Uri.TryCreate(configuration[Endpoint], UriKind.Absolute, out var endpoint) || endpoint.Scheme is not ("http" or "https"))
            faults.Add($"{Endpoint} is no URL of the scheme http or https, as in http://collector:4317.");
        else if (endpoint.UserInfo.Length > 0)
            faults.Add($"{Endpoint} holds a user or a password; send what the collector wants to know by OTEL_EXPORTER_OTLP_HEADERS.");
        CheckName(configuration, Protocol, Protocols, faults);
        CheckName(configuration, Sampler, Samplers, faults);
        if (configuration[SamplerArgument] is { Length: > 0 } share && !IsShare(share))
            faults.Add($"{SamplerArgument} is \"{share}\": it is the share of traces that is kept, from 0 to 1.");
    }

    private static void CheckName(IConfiguration configuration, string setting, string[] known, List<string> faults)
    {
        if (configuration[setting] is { Length: > 0 } value && !known.Contains(value))
            faults.Add($"{setting} is \"{value}\": it is one of {string.Join(", ", known)}.");
    }

    private static bool IsShare(string text) =>
        double.TryParse(text, System.Globalization.NumberStyles.Float, System.Globalization.CultureInfo.InvariantCulture, out var share)
        && share is >= 0 and <= 1;
}
