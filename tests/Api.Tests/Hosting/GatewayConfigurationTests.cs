using Gateway.Api.Configuration;
using Gateway.Api.Hosting;
using Gateway.Api.Telemetry;
using Microsoft.Extensions.Configuration;

namespace Gateway.Api.Tests.Hosting;

public sealed class GatewayConfigurationTests
{
    private const string Dsn = "postgresql://me@db/app";

    [Fact]
    public void DsnAlone_IsTheDefaultConnectionWithTheDefaults()
    {
        var configuration = Read(("DSN", Dsn));

        var connection = Assert.Single(configuration.Options.Connections);
        Assert.Equal("default", connection.Key);
        Assert.Equal((16, 256, false), (connection.Value.PoolSize, connection.Value.QueueLimit, connection.Value.ReadOnly));
        Assert.Equal("DSN", configuration.Dsns["default"].Setting);
        Assert.Equal("db", configuration.Dsns["default"].Value.Host);
        Assert.Equal((15_000, 300_000), (configuration.Options.DefaultTimeoutMs, configuration.Options.MaxTimeoutMs));
    }

    [Fact]
    public void SettingsBesideDsn_AreTheDefaultConnections()
    {
        var configuration = Read(("DSN", Dsn), ("Gateway:Connections:default:PoolSize", "3"));

        Assert.Equal(3, configuration.Options.Connections["default"].PoolSize);
    }

    [Fact]
    public void NamedConnections_HaveTheirOwnDsns()
    {
        var configuration = Read(
            ("Gateway:Connections:a:Dsn", Dsn), ("Gateway:Connections:b:Dsn", "host=other user=me"), ("Gateway:Connections:b:ReadOnly", "true"));

        Assert.Equal("Gateway__Connections__b__Dsn", configuration.Dsns["b"].Setting);
        Assert.Equal("other", configuration.Dsns["b"].Value.Host);
        Assert.True(configuration.Options.Connections["b"].ReadOnly);
        Assert.False(configuration.Options.Connections["a"].ReadOnly);
    }

    [Fact]
    public void ControlDsn_IsTheConnectionsByAnotherRole()
    {
        var configuration = Read(("DSN", Dsn), ("Gateway:Connections:default:ControlDsn", "postgresql://control@db/app"));

        var control = configuration.Dsns["default"].Control!;
        Assert.Equal(("Gateway__Connections__default__ControlDsn", "control"), (control.Setting, control.Value.Username));
    }

    [Theory]
    [InlineData("name the same role, me", "ControlDsn", "postgresql://me@db/app")]
    [InlineData("Gateway__Connections__default__ControlDsn: ", "ControlDsn", "mysql://control@db/app")]
    [InlineData("can't be read", "ControlDsn", "postgresql://control@db/app", "ControlPasswordFile", "/nowhere")]
    [InlineData("both have a password", "ControlDsn", "postgresql://control:secret@db/app", "ControlPasswordFile", "/nowhere")]
    [InlineData("Gateway__Connections__default__ControlDsn is not", "ControlPasswordFile", "/nowhere")]
    [InlineData("can't be read", "JournalKeyFile", "/nowhere")]
    [InlineData("needs no journal key", "ControlDsn", "postgresql://control@db/app", "JournalKeyFile", "/nowhere")]
    public void FaultyControlRole_EndsTheStartAndShowsNoPassword(string said, params string[] settings)
    {
        var all = settings.Chunk(2).Select(setting => ($"Gateway:Connections:default:{setting[0]}", setting[1]));

        var fault = Assert.Throws<StartupException>(() => Read([("DSN", Dsn), .. all]));

        Assert.Contains(said, fault.Message);
        Assert.DoesNotContain("secret", fault.Message);
    }

    [Theory]
    [InlineData("0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789abcdef\n", true)]
    [InlineData("0123456789abcdef", false)]
    [InlineData("", false)]
    public void JournalKeyFile_HoldsTheDigitsAndNothingElse(string text, bool isTaken)
    {
        var file = Path.GetTempFileName();
        try
        {
            File.WriteAllText(file, text);
            (string, string)[] settings = [("DSN", Dsn), ("Gateway:Connections:default:JournalKeyFile", file)];

            if (isTaken)
                Assert.Equal(32, Read(settings).Dsns["default"].JournalKey!.Bytes.Length);
            else
                Assert.Contains("Gateway__Connections__default__JournalKeyFile", Assert.Throws<StartupException>(() => Read(settings)).Message);
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Theory]
    [InlineData("*", true)]
    [InlineData("https://app.example.org", true)]
    [InlineData("http://localhost:3000", true)]
    [InlineData("https://app.example.org/", false)]
    [InlineData("https://app.example.org/path", false)]
    [InlineData("app.example.org", false)]
    [InlineData("ftp://app.example.org", false)]
    [InlineData("", false)]
    public void AllowedOrigin_IsOneOrAll(string origin, bool isTaken)
    {
        (string, string)[] settings = [("DSN", Dsn), ("Gateway:Sql:AllowedOrigins:0", origin)];

        if (isTaken)
            Assert.Equal([origin], Read(settings).Options.Sql.AllowedOrigins);
        else
            Assert.Contains("Gateway__Sql__AllowedOrigins__0", Assert.Throws<StartupException>(() => Read(settings)).Message);
    }

    [Fact]
    public void UnknownSettingOfSql_IsAFault() =>
        Assert.Contains("Gateway__Sql__Origins", Assert.Throws<StartupException>(() => Read(("DSN", Dsn), ("Gateway:Sql:Origins", "*"))).Message);

    [Theory]
    [InlineData("BodyLimitBytes", "1024", "1023")]
    [InlineData("ResponseLimitBytes", "1024", "1023")]
    [InlineData("RowLimit", "1", "0")]
    [InlineData("DefaultTimeoutMs", "1", "0")]
    [InlineData("MaxTimeoutMs", "300000", "300001")]
    [InlineData("DrainSeconds", "0", "-1")]
    [InlineData("DrainSeconds", "300", "301")]
    [InlineData("ReadinessIntervalMs", "50", "49")]
    [InlineData("ReadinessIntervalMs", "60000", "60001")]
    [InlineData("ReadinessFailures", "1", "0")]
    [InlineData("ReadinessFailures", "100", "101")]
    [InlineData("Connections:default:PoolSize", "1", "0")]
    [InlineData("Connections:default:PoolSize", "1000", "1001")]
    [InlineData("Connections:default:QueueLimit", "0", "-1")]
    [InlineData("Connections:default:QueueLimit", "100000", "100001")]
    public void Range_HasTwoSides(string setting, string within, string beyond)
    {
        Read(("DSN", Dsn), ($"Gateway:{setting}", within));

        var error = Assert.Throws<StartupException>(() => Read(("DSN", Dsn), ($"Gateway:{setting}", beyond)));
        Assert.Contains($"Gateway__{setting.Replace(":", "__")} is {beyond}", error.Message);
    }

    [Theory]
    [InlineData("DSN is not set")]
    [InlineData("Gateway__Connections__a__Dsn is not set", "Gateway:Connections:a:PoolSize", "1")]
    [InlineData("both name the default connection", "DSN", Dsn, "Gateway:Connections:default:Dsn", Dsn)]
    [InlineData("Gateway__Pool is not a setting", "DSN", Dsn, "Gateway:Pool", "1")]
    [InlineData("Gateway__Connections__default__Size is not a setting", "DSN", Dsn, "Gateway:Connections:default:Size", "1")]
    [InlineData("Gateway__Connections__a takes no value", "DSN", Dsn, "Gateway:Connections:a", Dsn)]
    [InlineData("Gateway__Connections__a__Dsn__x is not a setting", "Gateway:Connections:a:Dsn", Dsn, "Gateway:Connections:a:Dsn:x", "1")]
    [InlineData("Gateway__Sql__AllowedOrigins takes no value", "DSN", Dsn, "Gateway:Sql:AllowedOrigins", "*")]
    [InlineData("Gateway__BodyLimitBytes__x is not a setting", "DSN", Dsn, "Gateway:BodyLimitBytes:x", "1")]
    [InlineData("Gateway__RowLimit__x is not a setting", "DSN", Dsn, "Gateway:RowLimit:x", "1")]
    [InlineData("Gateway__BodyLimitBytes", "DSN", Dsn, "Gateway:BodyLimitBytes", "many")]
    [InlineData("is above Gateway__MaxTimeoutMs", "DSN", Dsn, "Gateway:MaxTimeoutMs", "1000")]
    public void Fault_IsNamed(string expected, params string[] settings)
    {
        var error = Assert.Throws<StartupException>(() => Read([.. settings.Chunk(2).Select(pair => (pair[0], pair[1]))]));

        Assert.Contains(expected, error.Message);
    }

    /// <summary>
    /// Only the value of the wrong type is reported: its connection is still there, and no other setting is missing.
    /// </summary>
    [Theory]
    [InlineData("Connections:reports:PoolSize", "abc", "it must be a whole number")]
    [InlineData("Connections:reports:PoolSize", "", "it must be a whole number")]
    [InlineData("Connections:reports:PoolSize", "1.5", "it must be a whole number")]
    [InlineData("Connections:reports:PoolSize", "99999999999", "it must be a whole number")]
    [InlineData("Connections:reports:ReadOnly", "yes", "it must be true or false")]
    [InlineData("Connections:reports:ReuseSessions", "perhaps", "it must be true or false")]
    [InlineData("Issuers:idp:ClockSkewSeconds", "soon", "it must be a whole number")]
    [InlineData("RowLimit", "many", "it must be a whole number")]
    [InlineData("BodyLimitBytes", "4 MiB", "it must be a whole number")]
    [InlineData("Tracing:SqlText", "1", "it must be true or false")]
    public void MistypedValue_IsTheOnlyFault(string setting, string value, string must)
    {
        var error = Assert.Throws<StartupException>(() => Read(
            ("DSN", Dsn), ("Gateway:Connections:reports:Dsn", Dsn), ("Gateway:Issuers:idp:Issuer", "https://idp.example.org"),
            ("Gateway:Issuers:idp:Audience", "gateway"), ("Gateway:Issuers:idp:Jwks", "/keys"), ("Gateway:Callers:app:Subjects:idp", "app"),
            ($"Gateway:{setting}", value)));

        Assert.Equal($"Gateway__{setting.Replace(":", "__")} is \"{value}\": {must}.", error.Message);
    }

    [Fact]
    public void EmptyValueOfAnOptionalSetting_IsUnset()
    {
        var options = Read(("DSN", Dsn), ("Gateway:RowLimit", ""), ("Gateway:Connections:default:ReuseSessions", "")).Options;

        Assert.Equal((null, null), (options.RowLimit, options.Connections["default"].ReuseSessions));
    }

    [Theory]
    [InlineData("PasswordFile")]
    [InlineData("JournalKeyFile")]
    [InlineData("ControlPasswordFile", "ControlDsn", "postgresql://control@db/app")]
    public void EmptyFileName_IsAFault(string setting, params string[] other)
    {
        var others = other.Chunk(2).Select(pair => ($"Gateway:Connections:default:{pair[0]}", pair[1]));

        var error = Assert.Throws<StartupException>(() => Read([("DSN", Dsn), ($"Gateway:Connections:default:{setting}", ""), .. others]));

        Assert.Equal(
            $"Gateway__Connections__default__{setting}: it is set and empty: name the file, or leave the setting out.", error.Message);
    }

    [Theory]
    [InlineData("synchronous", Durability.Synchronous)]
    [InlineData("Synchronous", Durability.Synchronous)]
    [InlineData("local", Durability.Local)]
    public void Durability_IsRead(string value, object durability)
    {
        var options = Read(
            ("DSN", Dsn), ("Gateway:Connections:default:ControlDsn", "postgresql://control@db/app"),
            ("Gateway:Connections:default:Durability", value)).Options;

        Assert.Equal(durability, options.Connections["default"].Durability);
    }

    [Theory]
    [InlineData("is \"synchronus\": it must be local or synchronous", "Durability", "synchronus")]
    [InlineData("is \"1\": it must be local or synchronous", "Durability", "1")]
    [InlineData("needs Gateway__Connections__default__ControlDsn", "Durability", "synchronous")]
    [InlineData("the connection takes none", "Durability", "synchronous", "ReadOnly", "true")]
    [InlineData("add target_session_attrs=primary to Gateway__Connections__default__ControlDsn", "Durability", "synchronous", "ControlDsn", "postgresql://control@a,b/app")]
    public void FaultyDurability_IsAFault(string said, params string[] settings)
    {
        var all = settings.Chunk(2).Select(setting => ($"Gateway:Connections:default:{setting[0]}", setting[1]));

        Assert.Contains(said, Assert.Throws<StartupException>(() => Read([("DSN", Dsn), .. all])).Message);
    }

    /// <summary>It is reported with the other faults, before the log is set up with it.</summary>
    [Theory]
    [InlineData("Default", "Verbos")]
    [InlineData("Default", "")]
    [InlineData("Override:Npgsql", "loud")]
    public void UnknownLogLevel_IsAFaultBesideOthers(string setting, string level)
    {
        var error = Assert.Throws<StartupException>(() => Read(
            ("DSN", Dsn), ($"Serilog:MinimumLevel:{setting}", level), ("Gateway:RowLimit", "many")));

        Assert.Contains($"Serilog__MinimumLevel__{setting.Replace(":", "__")} is \"{level}\": it must be one of Verbose,", error.Message);
        Assert.Contains("Gateway__RowLimit", error.Message);
    }

    [Theory]
    [InlineData("Serilog:MinimumLevel:Default", "warning")]
    [InlineData("Serilog:MinimumLevel", "Debug")]
    [InlineData("Serilog:MinimumLevel:Override:System", "Fatal")]
    public void LogLevel_IsNoFault(string setting, string level)
    {
        var faults = new List<string>();
        LogLevels.Check(new ConfigurationBuilder().AddInMemoryCollection([new(setting, level)]).Build(), faults);

        Assert.Empty(faults);
    }

    [Fact]
    public void ErrorValues_AreShownInDevelopmentOnly()
    {
        (string, string)[] settings = [("DSN", Dsn), ("Gateway:ShowErrorValues", "true")];

        Assert.True(Read(isDevelopment: true, settings).Options.ShowErrorValues);
        Assert.Contains("Gateway__ShowErrorValues is true", Assert.Throws<StartupException>(() => Read(settings)).Message);
        Assert.False(Read(("DSN", Dsn), ("Gateway:ShowErrorValues", "false")).Options.ShowErrorValues);
    }

    [Fact]
    public void SeveralFaults_AreAllReported()
    {
        var error = Assert.Throws<StartupException>(() => Read(
            ("DSN", "host=a user=me colour=red"), ("Gateway:Connections:b:Dsn", "host=a user=me flavour=x"), ("Gateway:BodyLimitBytes", "1")));

        Assert.Contains("DSN: ", error.Message);
        Assert.Contains("colour", error.Message);
        Assert.Contains("Gateway__Connections__b__Dsn: ", error.Message);
        Assert.Contains("flavour", error.Message);
        Assert.Contains("Gateway__BodyLimitBytes", error.Message);
    }

    private static GatewayConfiguration Read(params (string Name, string Value)[] settings) => Read(isDevelopment: false, settings);

    private static GatewayConfiguration Read(bool isDevelopment, params (string Name, string Value)[] settings) =>
        GatewayConfiguration.Read(
            new ConfigurationBuilder()
                .AddInMemoryCollection(settings.ToDictionary(setting => setting.Name, setting => (string?)setting.Value))
                .Build(),
            isDevelopment);
}
