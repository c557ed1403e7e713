using System.Net;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Gateway.Api.Endpoints;
using Microsoft.AspNetCore.Builder;

namespace Gateway.Api.Tests.Endpoints;

/// <summary>Tests the document and Swagger UI over HTTP.</summary>
public sealed class ContractDocumentServingTests : IAsyncLifetime
{
    private readonly WebApplication _gateway = ContractDocument.Compose();
    private readonly HttpClient _client = new();

    public async ValueTask InitializeAsync()
    {
        _gateway.Urls.Add("http://127.0.0.1:0");
        await _gateway.StartAsync();
        _client.BaseAddress = new Uri(_gateway.Urls.First());
    }

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        await _gateway.DisposeAsync();
    }

    [Theory]
    [InlineData("/openapi.json", "application/json")]
    [InlineData("/openapi.yaml", "application/yaml")]
    public async Task Document_IsServedAsItIsPrinted(string path, string type)
    {
        using var answer = await _client.GetAsync(path);

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal(type, answer.Content.Headers.ContentType?.MediaType);
        Assert.Equal(
            type == "application/json" ? Generated.Text.Json : Generated.Text.Yaml,
            await answer.Content.ReadAsByteArrayAsync());
    }

    [Fact]
    public async Task SwaggerUi_ShowsTheDocumentAndNamesNoOtherHost()
    {
        var page = await _client.GetStringAsync("/swagger");
        var script = await _client.GetStringAsync("/swagger/index.js");

        Assert.Contains("<title>The Gateway</title>", page);
        Assert.DoesNotContain("//", page);
        var settings = JsonNode.Parse(Regex.Match(script, "configObject = ({.*});").Groups[1].Value)!;
        Assert.Equal("../openapi.json", (string?)Assert.Single(settings["urls"]!.AsArray())!["url"]);
        Assert.Null(settings["validatorUrl"]);
        Assert.DoesNotContain("://", settings.ToJsonString());
    }
}
