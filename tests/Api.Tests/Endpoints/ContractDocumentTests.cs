using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using Gateway.Api.Endpoints;
using Gateway.Api.Errors;
using Gateway.Contracts;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http.Metadata;
using Microsoft.AspNetCore.Mvc.ApiExplorer;
using Microsoft.AspNetCore.Mvc.ModelBinding;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Gateway.Api.Tests.Endpoints;

/// <summary>Tests the document against the code that it describes, and against its committed copy.</summary>
public sealed class ContractDocumentTests
{
    private const string Command = "dotnet run --no-launch-profile --project src/Api -- openapi > openapi.yaml";

    [Fact]
    public async Task CommittedDocument_IsWhatTheApplicationSays()
    {
        var committed = await File.ReadAllTextAsync(Repository.PathOf("openapi.yaml"));

        var generated = System.Text.Encoding.UTF8.GetString(Generated.Text.Yaml).ReplaceLineEndings();

        Assert.True(committed.ReplaceLineEndings() == generated, $"openapi.yaml is out of date; regenerate it: {Command}");
    }

    [Fact]
    public void MadeAgainWithinARequestsTrace_IsTheSame()
    {
        using var trace = new Activity("request").SetIdFormat(ActivityIdFormat.W3C).Start();

        var again = Generated.Make();

        Assert.Equal(Generated.Text.Json, again.Json);
        Assert.Equal(Generated.Text.Yaml, again.Yaml);
    }

    [Fact]
    public void YamlReadAsVersion11_SaysWhatTheJsonSays() =>
        Assert.Equal(Normal(Generated.Document), Normal(ContractFiles.ReadYaml(Generated.Text.Yaml)));

    [Fact]
    public void Paths_AreThoseThatThereAre() =>
        Assert.Equal(
            [
                "/v1/query", "/v1/execute", "/v1/transaction", "/v1/activities/{activityId}", "/v1/activities/{activityId}/cancel",
                "/healthz/live", "/healthz/startup", "/healthz/ready", "/metrics",
            ],
            Generated.Document["paths"]!.AsObject().Select(path => path.Key));

    [Fact]
    public void Parameters_AreThoseThatTheEndpointsRead()
    {
        using var gateway = (IDisposable)ContractDocument.Compose();
        var descriptions = ((WebApplication)gateway).Services.GetRequiredService<IApiDescriptionGroupCollectionProvider>()
            .ApiDescriptionGroups.Items.SelectMany(group => group.Items).ToArray();

        Assert.NotEmpty(descriptions);
        foreach (var description in descriptions)
        {
            var read = description.ParameterDescriptions
                .Where(parameter => parameter.Source == BindingSource.Path || parameter.Source == BindingSource.Query)
                .Select(parameter => (parameter.Source.Id.ToLowerInvariant(), parameter.Name, parameter.DefaultValue as string));

            var operation = Generated.Document["paths"]![$"/{description.RelativePath}"]![description.HttpMethod!.ToLowerInvariant()]!;
            var documented = (operation["parameters"]?.AsArray() ?? [])
                .Select(reference => Generated.Document["components"]!["parameters"]![((string)reference!["$ref"]!).Split('/')[^1]]!)
                .Where(parameter => (string?)parameter["in"] != "header")
                .Select(parameter => ((string)parameter["in"]!, (string)parameter["name"]!, (string?)parameter["schema"]!["default"]));
            Assert.Equal(read, documented);
        }
    }

    [Fact]
    public void EachOperation_IsAnsweredWithItsCodesUnderTheirStatuses()
    {
        foreach (var operation in Generated.Operations)
        {
            var name = (string)operation["operationId"]!;
            var documented = operation["responses"]!.AsObject()
                .Where(response => response.Value!["content"]!["application/problem+json"] is not null)
                .SelectMany(response => response.Value!["content"]!["application/problem+json"]!["examples"]!.AsObject()
                    .Select(example => $"{response.Key} {example.Key}"));

            var listed = ContractOperations.ByName[name].Codes
                .Select(code => $"{ProblemTable.For(code).Status} {FailureForm.NameOf(code)}");

            Assert.Equal(listed.Order(StringComparer.Ordinal), documented.Order(StringComparer.Ordinal));
        }
        Assert.Equal(
            ContractOperations.ByName.Keys.Order(StringComparer.Ordinal),
            Generated.Operations.Select(operation => (string)operation["operationId"]!).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void EachProblemAnswer_DescribesItsCodesAndSaysWhetherToRetry()
    {
        foreach (var (status, response) in Generated.Operations.SelectMany(operation => operation["responses"]!.AsObject()))
        {
            if (response!["content"]!["application/problem+json"] is not { } problem)
                continue;
            var headers = response["headers"]!.AsObject().Select(header => header.Key).ToArray();
            var retryable = ProblemTable.Kinds.Values.First(answer => answer.Status.ToString() == status).Retryable;

            Assert.Equal("#/components/schemas/Problem", (string?)problem["schema"]!["$ref"]);
            Assert.Contains("X-Should-Retry", headers);
            Assert.Equal(retryable, headers.Contains("Retry-After"));
            foreach (var (code, _) in problem["examples"]!.AsObject())
                Assert.Contains($"`{code}`", (string)response["description"]!);
        }
    }

    [Fact]
    public void OperationsThatWantACaller_AskForItsKeyAndMayRefuseIt()
    {
        foreach (var (path, item) in Generated.Document["paths"]!.AsObject())
        {
            foreach (var (_, operation) in item!.AsObject())
            {
                var wanted = path.StartsWith("/v1/", StringComparison.Ordinal);
                var security = operation!["security"]!.AsArray();

                Assert.Equal(wanted, security.Count == 1 && security[0]!["key"] is not null);
                Assert.Equal(wanted, security.Count > 0);
                Assert.Equal(wanted, operation["responses"]!["401"]?["headers"]?["WWW-Authenticate"] is not null);
                Assert.Equal(wanted, operation["responses"]!["403"] is not null);
            }
        }
        var scheme = Generated.Document["components"]!["securitySchemes"]!["key"]!;
        Assert.Equal(("http", "bearer"), ((string?)scheme["type"], (string?)scheme["scheme"]));
    }

    [Fact]
    public void ProblemsOfOneStatus_AgreeOnRetrying() =>
        Assert.All(
            ProblemTable.Kinds.Values.GroupBy(answer => answer.Status),
            answers => Assert.Single(answers.Select(answer => answer.Retryable).Distinct()));

    [Fact]
    public void ExampleProblems_AreAsTheTableOfFailuresSays()
    {
        var examples = Generated.Document["components"]!["examples"]!.AsObject();
        foreach (var code in ContractOperations.Codes)
        {
            var problem = examples[FailureForm.NameOf(code)]!["value"]!;
            var answer = ProblemTable.For(code);

            Assert.Empty(ContractSchema.Of(nameof(Problem)).Faults(problem));
            Assert.Equal(FailureForm.NameOf(code), (string?)problem["code"]);
            Assert.Equal($"/problems/{FailureForm.NameOf(code)}", (string?)problem["type"]);
            Assert.Equal((answer.Status, answer.Retryable, answer.Title),
                ((int)problem["status"]!, (bool)problem["retryable"]!, (string)problem["title"]!));
        }
        Assert.Equal(ContractOperations.Codes.Count(), examples.Count);
    }

    [Fact]
    public void ProblemsCode_ListsEveryCodeThatThereIs()
    {
        var code = ContractSchema.Of(nameof(Problem)).Property("code");

        var listed = code["enum"]!.AsArray().Select(word => (string)word!).ToArray();

        Assert.Equal(Enum.GetValues<ProblemCode>().Select(FailureForm.NameOf), listed);
        Assert.Equal(ProblemTable.Kinds.Keys.Order().Select(FailureForm.NameOf), listed);
        Assert.All(listed, word => Assert.Contains($"`{word}`", (string)code["description"]!));
    }

    [Fact]
    public void EachType_HasTheMembersThatItIsWrittenWith()
    {
        foreach (var (name, schema) in Generated.Document["components"]!["schemas"]!.AsObject())
        {
            var type = typeof(Problem).Assembly.GetType($"Gateway.Contracts.{name}", throwOnError: true)!;
            var written = ContractJson.Default.GetTypeInfo(type)!.Properties
                .Where(property => property.Get is not null).Select(property => property.Name);

            Assert.Equal(
                written.Order(StringComparer.Ordinal),
                schema!["properties"]!.AsObject().Select(property => property.Key).Order(StringComparer.Ordinal));
        }
    }

    [Fact]
    public void EverythingOfTheContract_IsDescribed()
    {
        var components = Generated.Document["components"]!;
        foreach (var (name, schema) in components["schemas"]!.AsObject())
        {
            Assert.False(string.IsNullOrWhiteSpace((string?)schema!["description"]), name);
            foreach (var (property, described) in schema["properties"]!.AsObject())
                Assert.False(string.IsNullOrWhiteSpace((string?)described!["description"]), $"{name}.{property}");
        }
        foreach (var header in components["headers"]!.AsObject().Concat(components["parameters"]!.AsObject()))
            Assert.False(string.IsNullOrWhiteSpace((string?)header.Value!["description"]), header.Key);
    }

    [Fact]
    public void Endpoints_LeaveTheMediaTypeToTheGateway()
    {
        using var gateway = (IDisposable)ContractDocument.Compose();

        var endpoints = ((IEndpointRouteBuilder)gateway).DataSources.SelectMany(source => source.Endpoints).ToArray();

        // With that metadata, routing would answer 415 itself, without a problem.
        Assert.NotEmpty(endpoints);
        Assert.All(endpoints, endpoint => Assert.Null(endpoint.Metadata.GetMetadata<IAcceptsMetadata>()));
    }

    private static string Normal(JsonNode node) => JsonSerializer.Serialize(node);
}
