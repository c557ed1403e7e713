using Gateway.Api.Callers;
using Gateway.Api.Configuration;
using Gateway.Api.Hosting;
using Microsoft.Extensions.Configuration;

namespace Gateway.Api.Tests.Callers;

/// <summary>Tests the settings of issuers, of their subjects and of callers' limits, with all their faults.</summary>
public sealed class IssuerSettingsTests
{
    private static readonly (string Name, string? Value)[] Good =
    [
        ("Issuers:idp:Issuer", "https://idp.example"), ("Issuers:idp:Audience", "gateway"), ("Issuers:idp:Jwks", "https://idp.example/keys"),
        ("Callers:a:Subjects:idp", "sub-a"), ("Callers:a:Connections:default", "read"),
    ];

    [Fact]
    public void Issuer_IsAsItIsSet()
    {
        var issuer = Assert.Single(Read().Issuers);

        Assert.Equal(("idp", "https://idp.example", "gateway"), (issuer.Name, issuer.Id, issuer.Audience));
        Assert.Equal(["RS256"], issuer.Algorithms);
        Assert.Equal(TimeSpan.FromSeconds(30), issuer.ClockSkew);
        Assert.Equal(TimeSpan.FromMinutes(5), Assert.IsType<KeyUrl>(issuer.Source).Period);
        Assert.Equal("a", issuer.Subjects["sub-a"].Name);
        Assert.True(Read().AreConfigured);
    }

    [Fact]
    public void File_IsLookedAtOften() =>
        Assert.Equal(TimeSpan.FromSeconds(5), Assert.IsType<KeyFile>(Read(("Issuers:idp:Jwks", "/etc/keys/jwks.json")).Issuers[0].Source).Period);

    [Theory]
    [InlineData("RS256", "")]
    [InlineData("RS384", "")]
    [InlineData("RS512", "")]
    [InlineData("PS256", "")]
    [InlineData("PS384", "")]
    [InlineData("PS512", "")]
    [InlineData("ES256", "")]
    [InlineData("ES384", "")]
    [InlineData("ES512", "")]
    [InlineData("HS256", "Algorithms__0 must be one of RS256, ")]
    [InlineData("HS512", "Algorithms__0 must be one of")]
    [InlineData("none", "Algorithms__0 must be one of")]
    [InlineData("rs256", "Algorithms__0 must be one of")]
    [InlineData("", "Algorithms__0 must be one of")]
    [InlineData("EdDSA", "Algorithms__0 must be one of")]
    public void Algorithm_IsOneOfThose(string algorithm, string fault) => AssertFault(fault, ("Issuers:idp:Algorithms:0", algorithm));

    [Theory]
    [InlineData("https://idp.example:8443/a/keys?x=1", "")]
    [InlineData("http://localhost:8080/keys", "")]
    [InlineData("http://127.0.0.1:8080/keys", "")]
    [InlineData("http://[::1]/keys", "")]
    [InlineData("/var/run/keys/jwks.json", "")]
    [InlineData("http://idp.example/keys", "Gateway__Issuers__idp__Jwks must be an https URL")]
    [InlineData("http://127.0.0.1.example/keys", "Jwks must be")]
    [InlineData("https://me:secret@idp.example/keys", "Jwks must be")]
    [InlineData("ftp://idp.example/keys", "Jwks must be")]
    [InlineData("file:///etc/keys", "Jwks must be")]
    [InlineData("keys.json", "Jwks must be")]
    [InlineData("", "Jwks is not set")]
    [InlineData(null, "Jwks is not set")]
    public void Keys_AreAtASafeUrlOrInAFile(string? jwks, string fault) => AssertFault(fault, ("Issuers:idp:Jwks", jwks));

    [Theory]
    [InlineData("Issuers:idp:Issuer", "", "Gateway__Issuers__idp__Issuer is not set")]
    [InlineData("Issuers:idp:Audience", " ", "Gateway__Issuers__idp__Audience is not set")]
    [InlineData("Issuers:idp:ClockSkewSeconds", "0", "")]
    [InlineData("Issuers:idp:ClockSkewSeconds", "300", "")]
    [InlineData("Issuers:idp:ClockSkewSeconds", "-1", "Gateway__Issuers__idp__ClockSkewSeconds is -1")]
    [InlineData("Issuers:idp:ClockSkewSeconds", "301", "Gateway__Issuers__idp__ClockSkewSeconds is 301")]
    [InlineData("Issuers:idp:RefreshSeconds", "1", "")]
    [InlineData("Issuers:idp:RefreshSeconds", "86400", "")]
    [InlineData("Issuers:idp:RefreshSeconds", "0", "Gateway__Issuers__idp__RefreshSeconds is 0")]
    [InlineData("Issuers:idp:RefreshSeconds", "86401", "Gateway__Issuers__idp__RefreshSeconds is 86401")]
    [InlineData("Issuers:idp:Secret", "x", "Gateway__Issuers__idp__Secret is not a setting")]
    [InlineData("Callers:a:Subjects:idp", "", "Gateway__Callers__a__Subjects__idp is empty")]
    [InlineData("Callers:a:Subjects:other", "x", "Gateway__Callers__a__Subjects__other names an issuer that is not configured; there are idp")]
    [InlineData("Callers:b:Subjects:idp", "sub-a", "Gateway__Callers__b__Subjects__idp is the same subject as Gateway__Callers__a__Subjects__idp")]
    [InlineData("Callers:b:Subjects:idp", "Sub-a", "")]
    [InlineData("Callers:b:Connections:default", "read", "Gateway__Callers__b__Keys__0 is not set, and neither is a subject")]
    [InlineData("Issuers:other:Issuer", "https://idp.example", "Gateway__Issuers__other__Issuer is the same as Gateway__Issuers__idp__Issuer")]
    [InlineData("Issuers:other:Issuer", "https://b.example", "Gateway__Issuers__other has no caller")]
    public void Setting_IsCheckedAndNamed(string setting, string value, string fault) => AssertFault(fault, (setting, value));

    [Theory]
    [InlineData("RequestsPerSecond", "0.017", "")]
    [InlineData("RequestsPerSecond", "10000", "")]
    [InlineData("RequestsPerSecond", "0.016", "Gateway__Callers__a__RequestsPerSecond must be a number from 0.017 to 10000")]
    [InlineData("RequestsPerSecond", "10000.1", "RequestsPerSecond must be a number")]
    [InlineData("RequestsPerSecond", "-1", "RequestsPerSecond must be a number")]
    [InlineData("RequestsPerSecond", "1e3", "RequestsPerSecond must be a number")]
    [InlineData("RequestsPerSecond", "NaN", "RequestsPerSecond must be a number")]
    [InlineData("RequestsPerSecond", "1,5", "RequestsPerSecond must be a number")]
    [InlineData("RequestsPerSecond", "gw_a_key_in_the_wrong_place", "RequestsPerSecond must be a number")]
    [InlineData("Concurrency", "1", "")]
    [InlineData("Concurrency", "100000", "")]
    [InlineData("Concurrency", "0", "Gateway__Callers__a__Concurrency must be a whole number from 1 to 100000")]
    [InlineData("Concurrency", "100001", "Concurrency must be a whole number")]
    [InlineData("Concurrency", "1.5", "Concurrency must be a whole number")]
    [InlineData("Burst", "5", "Gateway__Callers__a__Burst is set, but Gateway__Callers__a__RequestsPerSecond is not")]
    [InlineData("Burst", "0", "Gateway__Callers__a__Burst must be a whole number")]
    public void Limit_IsANumberInItsRange(string setting, string value, string fault)
    {
        AssertFault(fault, ($"Callers:a:{setting}", value));
        if (fault == "")
            Assert.NotNull(Read(($"Callers:a:{setting}", value)).Issuers[0].Subjects["sub-a"].Limits);
    }

    [Fact]
    public void NoLimitIsSet_ThereIsNone() => Assert.Null(Read().Issuers[0].Subjects["sub-a"].Limits);

    private static void AssertFault(string fault, (string Name, string? Value) setting)
    {
        if (fault == "")
        {
            Assert.True(Read(setting).AreConfigured);
            return;
        }
        var error = Assert.Throws<StartupException>(() => Read(setting));
        Assert.Contains(fault, error.Message);
        Assert.DoesNotContain("gw_a_key", error.Message);
        Assert.DoesNotContain("secret", error.Message);
    }

    private static CallerRegistry Read(params (string Name, string? Value)[] settings) =>
        GatewayConfiguration.Read(new ConfigurationBuilder()
            .AddInMemoryCollection(Good.Select(setting => KeyValuePair.Create($"Gateway:{setting.Name}", setting.Value)))
            .AddInMemoryCollection(settings.Select(setting => KeyValuePair.Create($"Gateway:{setting.Name}", setting.Value)))
            .AddInMemoryCollection([new("DSN", "postgresql://me@db/app")])
            .Build()).Callers;
}
