using Gateway.Api.Configuration;
using Gateway.Api.Hosting;
using Microsoft.Extensions.Configuration;

namespace Gateway.Api.Tests.Hosting;

public sealed class HealthcheckCommandTests
{
    [Theory]
    [InlineData("http://localhost:8080", "localhost", 8080)]
    [InlineData("http://+:8080", "127.0.0.1", 8080)]
    [InlineData("http://*:81", "127.0.0.1", 81)]
    [InlineData("http://0.0.0.0:8080", "127.0.0.1", 8080)]
    [InlineData("http://[::]:8080", "127.0.0.1", 8080)]
    [InlineData("http://[::1]:8080", "[::1]", 8080)]
    [InlineData("http://10.0.0.1:8080;http://localhost:9", "10.0.0.1", 8080)]
    [InlineData("http://+", "127.0.0.1", 80)]
    public void Address_IsAskedFromItsOwnMachine(string urls, string host, int port) =>
        Assert.Equal((host, port), Find(urls));

    [Theory]
    [InlineData("", "is empty")]
    [InlineData(";", "is empty")]
    [InlineData("nonsense", "not valid")]
    [InlineData("https://localhost:8443", "speaks HTTP over TCP")]
    [InlineData("http://unix:/run/gateway.sock", "speaks HTTP over TCP")]
    public void AddressThatCannotBeAsked_IsNamed(string urls, string expected) =>
        Assert.Contains(expected, Assert.Throws<StartupException>(() => Find(urls)).Message);

    [Fact]
    public void Port_IsAskedWhereThereIsNoAddress() => Assert.Equal(
        ("127.0.0.1", 8081),
        HealthcheckCommand.FindAddress(new ConfigurationBuilder()
            .AddInMemoryCollection(new Dictionary<string, string?> { ["HTTP_PORTS"] = "8081;8082" })
            .Build()));

    private static (string Host, int Port) Find(string urls) => HealthcheckCommand.FindAddress(
        new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?> { ["urls"] = urls }).Build());
}
