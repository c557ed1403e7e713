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
/// The OpenAPI document, made from the endpoints and the contract's types, and Swagger UI. <c>openapi.yaml</c> is what
/// <see cref="PrintAsync"/> prints.
/// </summary>
internal static class ContractDocument
{
    /// <summary>The document's name within Swashbuckle; no address shows it.</summary>
    public const string Name = "v1";

    private const string SwaggerPrefix = "swagger";

    public static void AddContractDocument(this IServiceCollection services)
    {
        services.AddEndpointsApiExplorer();
        // The types are described as ContractJson writes them, whatever the application's own JSON options are.
        services.AddSingleton<ISerializerDataContractResolver>(
            new JsonSerializerDataContractResolver(ContractJson.Default.Options));
        services.AddSwaggerGen(document =>
        {
            document.SwaggerDoc(Name, ContractDocumentTexts.Info);
            document.AddServer(ContractDocumentTexts.Server);
            document.UseInlineDefinitionsForEnums();
            document.IncludeXmlComments(typeof(Problem).Assembly);
            // After the comments, which it completes.
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
        // It would look at every request.
        gateway.UseWhen(http => http.Request.Path.StartsWithSegments($"/{SwaggerPrefix}"), swagger => swagger.UseSwaggerUI(Show));
    }

    /// <summary>
    /// Prints the document as YAML, with no settings and no database:
    /// <c>dotnet run --no-launch-profile --project src/Api -- openapi &gt; openapi.yaml</c>.
    /// </summary>
    public static async Task<int> PrintAsync()
    {
        await using var gateway = Compose();
        await using var output = Console.OpenStandardOutput();
        await output.WriteAsync(gateway.Services.GetRequiredService<ContractText>().Yaml);
        return 0;
    }

    /// <summary>The endpoints with nothing behind them: enough to describe, and needing no settings.</summary>
    internal static WebApplication Compose()
    {
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions
        {
            ContentRootPath = AppContext.BaseDirectory,
            // Development would make each service to see whether it can be made, and these can't.
            EnvironmentName = Environments.Production,
        });
        // Standard output is the document's.
        builder.Logging.ClearProviders();
        // That handlers get them as services, and not from the body, shows in their registration alone.
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
        // Endpoints can be described from here on; otherwise it would take a start.
        gateway.UseEndpoints(_ => { });
        return gateway;
    }

    private static void Show(SwaggerUIOptions ui)
    {
        ui.RoutePrefix = SwaggerPrefix;
        // Relative, so that it holds behind a proxy's prefix too.
        ui.SwaggerEndpoint("../openapi.json", ContractDocumentTexts.Info.Title);
        ui.DocumentTitle = ContractDocumentTexts.Info.Title;
        ui.EnableTryItOutByDefault();
        ui.DisplayRequestDuration();
        ui.DisplayOperationId();
        // A badge would send the document's address to a host outside.
        ui.EnableValidator(null);
    }
}

/// <summary>The document as it is sent: made once, since only another build has another.</summary>
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
/// YAML that readers of version 1.1 understand alike, which take a bare <c>no</c> for false: many of the tools that make
/// clients are such readers.
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
