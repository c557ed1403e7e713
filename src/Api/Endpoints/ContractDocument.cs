using System.Text;
using Gateway.Api.Configuration;
using Gateway.Api.Connections;
using Gateway.Api.Execution;
using Gateway.Api.Telemetry;
using Gateway.Contracts;
using Microsoft.OpenApi;
using Swashbuckle.AspNetCore.Swagger;
using Swashbuckle.AspNetCore.SwaggerGen;
using Swashbuckle.AspNetCore.SwaggerUI;

namespace Gateway.Api.Endpoints;

/// <summary>
/// Makes the OpenAPI document from the endpoints and the contract's types, and serves Swagger UI.
/// <see cref="PrintAsync"/> prints the file <c>openapi.yaml</c>.
/// </summary>
internal static class ContractDocument
{
    /// <summary>The document's name inside Swashbuckle; no URL contains it.</summary>
    public const string Name = "v1";

    private const string SwaggerPrefix = "swagger";

    public static void AddContractDocument(this IServiceCollection services)
    {
        services.AddEndpointsApiExplorer();
        // The types are described as ContractJson writes them, independent of the application's own JSON options.
        services.AddSingleton<ISerializerDataContractResolver>(
            new JsonSerializerDataContractResolver(ContractJson.Default.Options));
        services.AddSwaggerGen(document =>
        {
            document.SwaggerDoc(Name, ContractDocumentTexts.Info);
            document.AddServer(ContractDocumentTexts.Server);
            document.UseInlineDefinitionsForEnums();
            document.IncludeXmlComments(typeof(Problem).Assembly);
            // Must follow the XML comments, which it completes.
            document.SchemaFilter<ContractSchemas>();
            document.OperationFilter<ContractOperationFilter>();
            document.DocumentFilter<ContractComponents>();
        });
        services.AddSingleton(provider => ContractText.Write(provider.GetRequiredService<ISwaggerProvider>()));
    }

    public static void MapContractDocument(this WebApplication gateway)
    {
        gateway.MapGet("/openapi.json", (ContractText text) => TypedResults.Bytes(text.Json, "application/json"))
            .ExcludeFromDescription();
        gateway.MapGet("/openapi.yaml", (ContractText text) => TypedResults.Bytes(text.Yaml, "application/yaml"))
            .ExcludeFromDescription();
        // Only for its own paths: otherwise it would inspect every request.
        gateway.UseWhen(
            http => http.Request.Path.StartsWithSegments($"/{SwaggerPrefix}"), swagger => swagger.UseSwaggerUI(Show));
    }

    /// <summary>
    /// Prints the document as YAML. Needs no settings and no database:
    /// <c>dotnet run --no-launch-profile --project src/Api -- openapi &gt; openapi.yaml</c>.
    /// </summary>
    public static async Task<int> PrintAsync()
    {
        await using var gateway = Compose();
        await using var output = Console.OpenStandardOutput();
        await output.WriteAsync(gateway.Services.GetRequiredService<ContractText>().Yaml);
        return 0;
    }

    /// <summary>Builds an application with the endpoints only: enough for the document, and without settings.</summary>
    internal static WebApplication Compose()
    {
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions
        {
            ContentRootPath = AppContext.BaseDirectory,
            // In Development the host would check that each service can be created; here they can't.
            EnvironmentName = Environments.Production,
        });
        // Standard output contains the document only.
        builder.Logging.ClearProviders();
        // Their registration tells the API explorer that these parameters are services, and not the body.
        builder.Services.AddSingleton(TimeProvider.System);
        builder.Services.AddSingleton<GatewayOptions>();
        builder.Services.AddSingleton<ConnectionRegistry>();
        builder.Services.AddSingleton<StatementPath>();
        builder.Services.AddSingleton<MetricsPage>();
        builder.Services.AddSingleton<RequestsInFlight>();
        builder.Services.AddContractDocument();

        var gateway = builder.Build();
        gateway.UseRouting();
        Program.MapEndpoints(gateway);
        // Makes the endpoints known to the API explorer; otherwise the application would have to start.
        gateway.UseEndpoints(_ => { });
        return gateway;
    }

    private static void Show(SwaggerUIOptions ui)
    {
        ui.RoutePrefix = SwaggerPrefix;
        // Relative, so that it also works behind a proxy with a path prefix.
        ui.SwaggerEndpoint("../openapi.json", ContractDocumentTexts.Info.Title);
        ui.DocumentTitle = ContractDocumentTexts.Info.Title;
        ui.EnableTryItOutByDefault();
        ui.DisplayRequestDuration();
        ui.DisplayOperationId();
        // The validator badge would send the document's URL to an external host.
        ui.EnableValidator(null);
    }
}

/// <summary>Represents the serialized document. It is made once, since it only changes with the build.</summary>
internal sealed record ContractText(byte[] Json, byte[] Yaml)
{
    public static ContractText Write(ISwaggerProvider provider)
    {
        var document = provider.GetSwagger(ContractDocument.Name);
        return new ContractText(
            Write(document, text => new OpenApiJsonWriter(text)), Write(document, text => new PlainYamlWriter(text)));
    }

    private static byte[] Write(OpenApiDocument document, Func<TextWriter, IOpenApiWriter> open)
    {
        using var text = new StringWriter { NewLine = "\n" };
        document.SerializeAsV31(open(text));
        return Encoding.UTF8.GetBytes(text.ToString().ReplaceLineEndings("\n").TrimEnd('\n') + "\n");
    }
}

/// <summary>
/// Writes YAML that YAML 1.1 readers understand too: they read a plain <c>no</c> as false, and many client generators
/// are such readers.
/// </summary>
internal sealed class PlainYamlWriter : OpenApiYamlWriter
{
    private static readonly HashSet<string> Booleans =
        new(["y", "n", "yes", "no", "on", "off", "true", "false"], StringComparer.OrdinalIgnoreCase);

    public PlainYamlWriter(TextWriter text)
        : base(text) => UseLiteralStyle = true;

    public override void WriteValue(string value)
    {
        if (Booleans.Contains(value))
            WriteRaw($"'{value}'");
        else
            base.WriteValue(value);
    }
}
