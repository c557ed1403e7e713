using System.Text.Json.Nodes;
using Gateway.Api.Endpoints;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;

namespace Gateway.Api.Tests.Endpoints;

/// <summary>Makes the document, once for all tests.</summary>
internal static class Generated
{
    public static ContractText Text { get; } = Make();
    public static JsonNode Document { get; } = JsonNode.Parse(Text.Json)!;

    public static IEnumerable<JsonNode> Operations =>
        Document["paths"]!.AsObject().SelectMany(path => path.Value!.AsObject()).Select(method => method.Value!);

    public static ContractText Make()
    {
        using var gateway = (IDisposable)ContractDocument.Compose();
        return ((WebApplication)gateway).Services.GetRequiredService<ContractText>();
    }
}
