using Gateway.Api.Callers;
using Gateway.Api.Configuration;
using Gateway.Api.Errors;
using Gateway.Api.Hosting;
using Microsoft.Extensions.Configuration;

namespace Gateway.Api.Tests.Callers;

/// <summary>Tests the callers' settings in the configuration. No message shows the value of a setting.</summary>
public sealed class CallerSettingsTests
{
    private static readonly string Key = ApiKey.New();

    private static readonly string Hash = ApiKey.WriteHash(Key);

    private static readonly string OtherKey = ApiKey.New();

    private static readonly string OtherHash = ApiKey.WriteHash(OtherKey);

    [Fact]
    public void NoCaller_IsLoopback()
    {
        var callers = Read();

        Assert.False(callers.AreConfigured);
        Assert.Same(Caller.Loopback, callers.Identify(Key));
    }

    [Fact]
    public void EachKey_IsItsCallers()
    {
        var callers = Read(
            ("a:Keys:0", Hash), ("a:Connections:default", "read"), ("a:Connections:reports", "write"), ("b:Keys:1", OtherHash));

        var (a, b) = (callers.Identify(Key), callers.Identify(OtherKey));

        Assert.Equal(("a", "b"), (a.Name, b.Name));
        a.Require("default", Access.ReadOnly);
        a.Require("reports", Access.ReadWrite);
        Assert.Throws<Failure>(() => a.Require("default", Access.ReadWrite));
        Assert.Throws<Failure>(() => b.Require("default", Access.ReadOnly));
    }

    [Fact]
    public void TwoKeys_AreOneCaller()
    {
        var callers = Read(("a:Keys:0", Hash), ("a:Keys:1", OtherHash));

        Assert.Same(callers.Identify(Key), callers.Identify(OtherKey));
    }

    [Fact]
    public void HashInUpperCase_IsTheSame() => Assert.Equal("a", Read(("a:Keys:0", Hash.ToUpperInvariant())).Identify(Key).Name);

    [Theory]
    [InlineData("a")]
    [InlineData("7")]
    [InlineData("orders.eu-1_B")]
    [InlineData("loopback2")]
    [InlineData("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-")]
    public void Name_MayBeThat(string name) => Assert.Equal(name, Read(($"{name}:Keys:0", Hash)).Identify(Key).Name);

    [Theory]
    [InlineData("loopback")]
    [InlineData("Loopback")]
    [InlineData("a b")]
    [InlineData("a/b")]
    [InlineData("a\n")]
    [InlineData("ä")]
    [InlineData("٣")]
    [InlineData("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-x")]
    public void Name_MayNotBeThat(string name) =>
        AssertFault($"Gateway__Callers__{name} can't be a caller", ($"{name}:Keys:0", Hash));

    [Theory]
    [InlineData("read", "")]
    [InlineData("write", "")]
    [InlineData("Read", "Connections__default must be read or write")]
    [InlineData("admin", "Connections__default must be read or write")]
    [InlineData("", "Connections__default must be read or write")]
    public void Right_IsOneOfTwoWords(string word, string fault) =>
        AssertFault(fault, ("a:Keys:0", Hash), ("a:Connections:default", word));

    [Theory]
    [InlineData("reports", "")]
    [InlineData("nowhere", "Connections__nowhere names a connection that is not configured; there are reports, default")]
    public void Right_IsOnAConnectionThatThereIs(string connection, string fault) =>
        AssertFault(fault, ("a:Keys:0", Hash), ($"a:Connections:{connection}", "read"));

    [Theory]
    [InlineData(0, 64, "")]
    [InlineData(0, 63, "Gateway__Callers__a__Keys__0 must be the hash of a key")]
    [InlineData(0, 0, "Gateway__Callers__a__Keys__0 must be the hash of a key")]
    [InlineData(1, 64, "")]
    [InlineData(2, 64, "Gateway__Callers__a__Keys__2 is not a setting")]
    public void Key_IsAHashInOneOfTwoPlaces(int place, int digits, string fault) =>
        AssertFault(fault, ($"a:Keys:{place}", Hash[..digits]));

    [Fact]
    public void Key_IsNoOtherText()
    {
        const string Fault = "Gateway__Callers__a__Keys__0 must be the hash of a key";

        AssertFault(Fault, ("a:Keys:0", Hash + "0"));
        AssertFault(Fault, ("a:Keys:0", "g" + Hash[1..]));
        AssertFault(Fault, ("a:Keys:0", " " + Hash[1..]));
        AssertFault(Fault, ("a:Keys:0", Key));
        AssertFault(Fault, ("a:Keys:0", "sha256:" + Hash));
    }

    [Theory]
    [InlineData("a:Connections:default", "read", "Gateway__Callers__a__Keys__0 is not set")]
    [InlineData("a:Keys", "HASH", "Gateway__Callers__a__Keys takes no value")]
    [InlineData("a:Keys:0:x", "HASH", "Gateway__Callers__a__Keys__0__x is not a setting; Gateway__Callers__a__Keys__0 is")]
    [InlineData("a:Key:0", "HASH", "Gateway__Callers__a__Key is not a setting; there are Keys, Subjects, RequestsPerSecond, Burst, Concurrency, Connections")]
    [InlineData("a:Hash", "HASH", "Gateway__Callers__a__Hash is not a setting")]
    [InlineData("a:Connections", "write", "Gateway__Callers__a__Connections takes no value")]
    [InlineData("a", "HASH", "Gateway__Callers__a takes no value")]
    [InlineData("a", "", "Gateway__Callers__a__Keys__0 is not set")]
    [InlineData("", "HASH", "Gateway__Callers takes no value")]
    public void SettingInTheWrongPlace_IsNamed(string setting, string value, string fault) =>
        AssertFault(fault, (setting, value == "HASH" ? Hash : value));

    [Theory]
    [InlineData("a", "b", "Gateway__Callers__b__Keys__0 is the same key as Gateway__Callers__a__Keys__1")]
    [InlineData("a", "a", "Gateway__Callers__a__Keys__1 is the same key as Gateway__Callers__a__Keys__0")]
    public void KeyTwice_IsAFault(string one, string other, string fault) =>
        AssertFault(fault, ($"{one}:Keys:1", Hash), ($"{other}:Keys:0", Hash.ToUpperInvariant()));

    [Fact]
    public void AllFaults_AreReportedWithTheOthers()
    {
        var error = Assert.Throws<StartupException>(() => Read(
            ("a:Keys:0", "x"), ("a:Connections:nowhere", "all"), ("loopback:Keys:0", Hash), ("b:Size", "1"), ("b:Keys:0", Hash)));

        foreach (var fault in new[]
        {
            "a__Keys__0 must be the hash", "a__Connections__nowhere names", "a__Connections__nowhere must be read",
            "loopback can't be a caller", "b__Size is not a setting", "is the same key as",
        })
            Assert.Contains(fault, error.Message);
    }

    private static void AssertFault(string fault, params (string Name, string Value)[] settings)
    {
        if (fault == "")
        {
            Assert.True(Read(settings).AreConfigured);
            return;
        }
        var error = Assert.Throws<StartupException>(() => Read(settings));
        Assert.Contains(fault, error.Message);
        Assert.DoesNotContain(Hash[..32], error.Message, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain(Key, error.Message);
    }

    private static CallerRegistry Read(params (string Name, string Value)[] settings) =>
        GatewayConfiguration.Read(new ConfigurationBuilder()
            .AddInMemoryCollection(settings.Select(
                setting => KeyValuePair.Create($"Gateway:Callers:{setting.Name}".TrimEnd(':'), (string?)setting.Value)))
            .AddInMemoryCollection([
                new("DSN", "postgresql://me@db/app"), new("Gateway:Connections:reports:Dsn", "postgresql://me@db/reports"),
            ])
            .Build()).Callers;
}
