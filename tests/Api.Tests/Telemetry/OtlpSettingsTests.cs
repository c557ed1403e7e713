using Gateway.Api.Telemetry;
using Microsoft.Extensions.Configuration;

namespace Gateway.Api.Tests.Telemetry;

public sealed class OtlpSettingsTests
{
    private const string Collector = "http://collector:4317";

    [Theory]
    [InlineData(Collector, null, null, null)]
    [InlineData("https://collector/otlp", "grpc", "always_off", null)]
    [InlineData(Collector, "http/protobuf", "parentbased_traceidratio", "0.25")]
    [InlineData(Collector, "", "traceidratio", "1")]
    public void Good_HasNoFault(string endpoint, string? protocol, string? sampler, string? share) =>
        Assert.Empty(Faults(endpoint, protocol, sampler, share));

    [Theory]
    [InlineData("collector:4317", null, null, null, "_ENDPOINT")]
    [InlineData("/v1/traces", null, null, null, "_ENDPOINT")]
    [InlineData("http://me:secret@collector", null, null, null, "_HEADERS")]
    [InlineData(Collector, "http/json", null, null, "grpc, http/protobuf")]
    [InlineData(Collector, null, "ratio", null, "traceidratio")]
    [InlineData(Collector, null, "traceidratio", "25%", "from 0 to 1")]
    [InlineData(Collector, null, "traceidratio", "-0.1", "from 0 to 1")]
    [InlineData(Collector, null, "traceidratio", "1.1", "from 0 to 1")]
    public void Faulty_IsNamed(string endpoint, string? protocol, string? sampler, string? share, string cure)
    {
        var fault = Assert.Single(Faults(endpoint, protocol, sampler, share));

        Assert.StartsWith("OTEL_", fault);
        Assert.Contains(cure, fault);
        Assert.DoesNotContain("secret", fault);
    }

    [Theory]
    [InlineData("", null)]
    [InlineData(Collector, "true")]
    public void Off_IsNotLookedAt(string endpoint, string? disabled) =>
        Assert.Empty(Faults(endpoint, "http/json", "ratio", "7", disabled));

    private static List<string> Faults(string endpoint, string? protocol, string? sampler, string? share, string? disabled = null)
    {
        var faults = new List<string>();
        OtlpSettings.Check(
            new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?>
            {
                ["OTEL_EXPORTER_OTLP_ENDPOINT"] = endpoint,
                ["OTEL_EXPORTER_OTLP_PROTOCOL"] = protocol,
                ["OTEL_TRACES_SAMPLER"] = sampler,
                ["OTEL_TRACES_SAMPLER_ARG"] = share,
                ["OTEL_SDK_DISABLED"] = disabled,
            }).Build(),
            faults);
        return faults;
    }
}
