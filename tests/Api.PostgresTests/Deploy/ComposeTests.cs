using System.Text.Json.Nodes;
using Gateway.Api.Callers;
using Gateway.Api.Configuration;
using Gateway.Api.Dsns;
using Gateway.Api.Hosting;
using Microsoft.Extensions.Configuration;

namespace Gateway.Api.PostgresTests.Deploy;

/// <summary>Tests what compose.yaml says, without Docker. <c>tests/Image.Tests</c> brings it up.</summary>
public sealed class ComposeTests : IDisposable
{
    private readonly string _secrets = Directory.CreateTempSubdirectory("gateway-compose-").FullName;

    public void Dispose() => Directory.Delete(_secrets, recursive: true);

    [Fact]
    public async Task File_IsWhatComposeTakes()
    {
        var (code, faults) = await Manifests.CheckTextAsync("compose", await ReadTextAsync());

        Assert.True(code == 0, faults);
    }

    [Theory]
    [InlineData("depends_on:", "depend_on:")]
    [InlineData("read_only: true", "read_only: [yes]")]
    [InlineData("condition: service_healthy", "condition: service_well")]
    public async Task Fault_IsFound(string written, string faulty)
    {
        var (code, faults) = await Manifests.CheckTextAsync("compose", (await ReadTextAsync()).Replace(written, faulty));

        Assert.True(code == 1, faults);
        Assert.Contains("/services/", faults);
    }

    [Theory]
    [InlineData("gateway")]
    [InlineData("journal")]
    public async Task SettingsAndSecrets_AreTheApplications(string name)
    {
        var service = (await ReadAsync())["services"]![name]!;
        await MakePasswordsAsync();

        var mount = Assert.Single(service["volumes"]!.AsArray())!.GetValue<string>().Split(':');
        var folder = Path.Combine(_secrets, mount[0]["secrets-".Length..]);
        var settings = new ConfigurationManager();
        foreach (var (setting, value) in service["environment"]!.AsObject())
            settings[setting.Replace("__", ":")] = value!.GetValue<string>().Replace(mount[1], folder);
        settings.AddSecretsFolder();

        // Reports each unknown and each missing setting.
        var read = GatewayConfiguration.Read(settings);
        var dsn = read.Dsns[GatewayOptions.DefaultConnection].Value;
        var password = await File.ReadAllTextAsync(Path.Combine(_secrets, "postgres/gateway.password"), TestContext.Current.CancellationToken);
        Assert.Equal(("postgres", 5432, "gateway", "app", password), (dsn.Host, dsn.Port, dsn.Username, dsn.Database, dsn.Password));
        var control = read.Dsns[GatewayOptions.DefaultConnection].Control!.Value;
        password = await File.ReadAllTextAsync(Path.Combine(_secrets, "postgres/control.password"), TestContext.Current.CancellationToken);
        Assert.Equal(("postgres", "gateway_control", "app", password), (control.Host, control.Username, control.Database, control.Password));
        Assert.Equal(name == "journal", settings["ADMIN_DSN"] is { } admin && Dsn.Parse(admin).Username == "postgres");
        var key = await File.ReadAllTextAsync(Path.Combine(_secrets, "caller/key"), TestContext.Current.CancellationToken);
        Assert.Equal(ApiKey.WriteHash(key), settings["Gateway:Callers:demo:Keys:0"]);
        if (name == "gateway")
        {
            var grace = int.Parse(service["stop_grace_period"]!.GetValue<string>().TrimEnd('s'), System.Globalization.CultureInfo.InvariantCulture);
            Assert.True(1000 * grace > read.Options.MaxTimeoutMs);
        }
    }

    [Fact]
    public async Task Passwords_AreMadeOnceAndForNobodyElse()
    {
        var first = await MakePasswordsAsync();
        var second = await MakePasswordsAsync();

        Assert.Equal(first, second);
        Assert.Matches("Bearer: gw_[A-Za-z0-9_-]{43}$", first.Trim());
        await using var open = new ClientProcess(_secrets, "find", [".", "-mindepth", "1", "-perm", "/077"]);
        Assert.Equal((0, ""), (await open.WaitForExitAsync(), open.Output));
        Assert.False(File.Exists(Path.Combine(_secrets, "gateway/ADMIN_DSN")));
    }

    [Fact]
    public async Task Services_AreOpenToThisMachineOnly()
    {
        var services = (await ReadAsync())["services"]!.AsObject();

        foreach (var (name, service) in services)
        {
            Assert.All(service!["ports"]?.AsArray() ?? [], port => Assert.StartsWith("127.0.0.1:", port!.GetValue<string>()));
            Assert.DoesNotMatch(":latest|^[^:]+$", service["image"]!.GetValue<string>());
            if (name is "gateway" or "journal")
            {
                Assert.True(service["read_only"]!.GetValue<bool>());
                Assert.Equal("ALL", service["cap_drop"]![0]!.GetValue<string>());
                Assert.Equal("no-new-privileges:true", service["security_opt"]![0]!.GetValue<string>());
            }
            foreach (var path in service["volumes"]?.AsArray().Select(volume => volume!.GetValue<string>().Split(':')[0]) ?? [])
                Assert.True(!path.StartsWith('.') || File.Exists(Repository.PathOf(path)), path);
        }
        Assert.Equal("127.0.0.1:${GATEWAY_PORT:-8080}:8080", services["gateway"]!["ports"]![0]!.GetValue<string>());
    }

    private static Task<string> ReadTextAsync() => File.ReadAllTextAsync(Repository.PathOf("compose.yaml"), TestContext.Current.CancellationToken);

    private static async Task<JsonNode> ReadAsync() => Assert.Single(await Manifests.ReadAsync("compose.yaml"));

    private async Task<string> MakePasswordsAsync()
    {
        await using var passwords = new ClientProcess(Repository.Root, "sh", ["deploy/compose/passwords.sh", _secrets]);
        var code = await passwords.WaitForExitAsync();
        Assert.True(code == 0, passwords.Errors);
        return passwords.Output;
    }
}
