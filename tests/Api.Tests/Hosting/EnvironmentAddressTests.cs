using Gateway.Api.Hosting;
using Microsoft.Extensions.Configuration;

namespace Gateway.Api.Tests.Hosting;

public sealed class EnvironmentAddressTests
{
    [Theory]
    [InlineData("", "localhost:8080")]
    [InlineData("ASPNETCORE_URLS=http://+:81", "127.0.0.1:81")]
    [InlineData("ASPNETCORE_URLS=http://127.0.0.1:81/;http://+:82", "127.0.0.1:81")]
    [InlineData("aspnetcore_urls=http://gateway-1.local:81", "gateway-1.local:81")]
    [InlineData("ASPNETCORE_URLS=http://[::]:81,DOTNET_URLS=http://*:82", "127.0.0.1:82")]
    [InlineData("DOTNET_URLS=http://*:82,URLS=http://0.0.0.0:83", "127.0.0.1:83")]
    [InlineData("ASPNETCORE_HTTP_PORTS=84;85", "127.0.0.1:84")]
    [InlineData("ASPNETCORE_HTTP_PORTS=84,DOTNET_HTTP_PORTS=85", "127.0.0.1:85")]
    [InlineData("ASPNETCORE_HTTP_PORTS=84,ASPNETCORE_URLS=http://+:81", "127.0.0.1:81")]
    [InlineData("ASPNETCORE_HTTP_PORTS=84,ASPNETCORE_URLS=", "127.0.0.1:84")]
    [InlineData("ASPNETCORE_URLS=http://+:81,URLS=", "localhost:8080")]
    public void PlainAddress_IsFoundAsByTheGateway(string variables, string expected)
    {
        var environment = Parse(variables);
        Assert.Equal(expected, Show(EnvironmentAddress.Find(environment)));

        // .NET's configuration finds the same, in the order of the gateway's builder.
        var gateway = new ConfigurationManager();
        foreach (var prefix in (string[])["ASPNETCORE_", "DOTNET_", ""])
        {
            gateway.AddInMemoryCollection(environment
                .Where(variable => variable.Key.StartsWith(prefix, StringComparison.OrdinalIgnoreCase))
                .Select(variable => KeyValuePair.Create(variable.Key[prefix.Length..], (string?)variable.Value)));
        }
        gateway.ListenByDefault();
        Assert.Equal(expected, Show(HealthcheckCommand.FindAddress(gateway)));
    }

    [Theory]
    [InlineData("https://localhost:81")]
    [InlineData("http://localhost")]
    [InlineData("http://[::1]:81")]
    [InlineData("http://unix:/run/gateway.sock")]
    [InlineData("http://pipe:/gateway")]
    [InlineData("http://localhost:81/base")]
    [InlineData("http://localhost:65536")]
    [InlineData("nonsense")]
    public void OtherAddress_IsLeftToTheConfiguration(string address) =>
        Assert.Null(EnvironmentAddress.Find(Parse($"ASPNETCORE_URLS={address}")));

    private static Dictionary<string, string> Parse(string variables) => variables
        .Split(',', StringSplitOptions.RemoveEmptyEntries)
        .Select(variable => variable.Split('=', 2))
        .ToDictionary(words => words[0], words => words[1]);

    private static string Show((string Host, int Port)? address) => $"{address?.Host}:{address?.Port}";
}
