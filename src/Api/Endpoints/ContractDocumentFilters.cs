using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using Gateway.Api.Errors;
using Gateway.Contracts;
using Microsoft.OpenApi;
using Swashbuckle.AspNetCore.SwaggerGen;

namespace Gateway.Api.Endpoints;

/// <summary>Adds to the schemas what the contract's types can't express.</summary>
internal sealed class ContractSchemas : ISchemaFilter
{
    public void Apply(IOpenApiSchema schema, SchemaFilterContext context)
    {
        if (schema is not OpenApiSchema described || described.Properties is not { Count: > 0 } properties)
            return;

        var isRequest = context.Type.IsAssignableTo(typeof(ActivityRequest))
            || context.Type == typeof(TransactionStatement) || context.Type == typeof(Expectation);
        if (!isRequest)
        {
            var nullability = new NullabilityInfoContext();
            described.Required = context.Type.GetProperties()
                .Where(member => nullability.Create(member).ReadState == NullabilityState.NotNull)
                .Select(member => JsonNamingPolicy.CamelCase.ConvertName(member.Name))
                .Where(properties.ContainsKey)
                .ToHashSet();
        }
        // Answers leave out members that are null, and requests refuse them.
        foreach (var member in properties.Values.OfType<OpenApiSchema>())
            member.Type &= ~JsonSchemaType.Null;

        foreach (var member in isRequest ? properties.Values.OfType<OpenApiSchema>() : [])
            SayDefault(member);
        if (isRequest && properties.TryGetValue("parameters", out var parameters))
            Complete(Concrete(parameters), new OpenApiSchema());
        if (isRequest && properties.TryGetValue("parameterTypes", out var types))
        {
            Complete(
                Concrete(types),
                new OpenApiSchema { Type = JsonSchemaType.String | JsonSchemaType.Null, MinLength = 1 });
        }
        if (context.Type.IsAssignableTo(typeof(StatementOutcome)))
        {
            described.Required!.Add("rowCount");
            Concrete(properties["rowCount"]).Type |= JsonSchemaType.Null;
            var row = Concrete(Concrete(properties["rows"]).Items!);
            row.Type = null;
            row.OneOf =
            [
                Members("A member for each column.", new OpenApiSchema()),
                Elements("An element for each column.", new OpenApiSchema()),
            ];
        }
        if (context.Type == typeof(ActivityResponse))
        {
            var response = Concrete(properties["response"]);
            (response.Type, response.AdditionalProperties) = (JsonSchemaType.Object, new OpenApiSchema());
        }
        if (context.Type == typeof(Problem))
            Concrete(properties["code"]).Description = CodesInWords(properties["code"].Description);
        if (context.Type == typeof(Expectation))
            Concrete(properties["rowCount"]).Minimum = "0";

        // An unknown field of a request is usually misspelt; an answer may get new members.
        described.AdditionalPropertiesAllowed = !isRequest;
    }

    /// <summary>
    /// States a default in words instead of the keyword: some client generators treat a member with the keyword as
    /// required, and others always send it, which overrides the gateway's configuration.
    /// </summary>
    private static void SayDefault(OpenApiSchema member)
    {
        if (member.Default is not { } value)
            return;
        member.Description = $"{member.Description} By default `{value}`.";
        member.Default = null;
    }

    /// <summary>Describes a field with a value for each placeholder.</summary>
    private static void Complete(OpenApiSchema schema, OpenApiSchema each)
    {
        schema.Type = null;
        schema.OneOf =
        [
            Elements("For `$1…$n`, in their order.", each),
            Members("For `:name`, by name.", each),
            new OpenApiSchema { Type = JsonSchemaType.Null, Description = "As if it were left out." },
        ];
    }

    private static OpenApiSchema Elements(string description, OpenApiSchema each) =>
        new() { Type = JsonSchemaType.Array, Description = description, Items = each };

    private static OpenApiSchema Members(string description, OpenApiSchema each) =>
        new() { Type = JsonSchemaType.Object, Description = description, AdditionalProperties = each };

    private static string CodesInWords(string? description)
    {
        var codes = Enum.GetValues<ProblemCode>()
            .Select(code => $"- {ProblemTable.For(code).Status} {ContractDocumentTexts.Describe(code)}");
        return $"{description} Codes may be added.\n\n{string.Join("\n", codes)}";
    }

    private static OpenApiSchema Concrete(IOpenApiSchema schema) => (OpenApiSchema)schema;
}

/// <summary>Adds an operation's body, headers, problems and examples.</summary>
internal sealed class ContractOperationFilter : IOperationFilter
{
    private const string Json = "application/json";

    public void Apply(OpenApiOperation operation, OperationFilterContext context)
    {
        var contract = ContractOperations.ByName[operation.OperationId!];
        var responses = operation.Responses ??= [];
        AddAnswers(contract, responses, context.Document);
        AddProblems(contract, responses, context);
        operation.Responses = [];
        foreach (var (status, response) in responses.OrderBy(response => response.Key, StringComparer.Ordinal))
            operation.Responses.Add(status, response);
        // An empty list says that no credential is needed; without a list that would be unknown.
        var key = new OpenApiSecuritySchemeReference(ContractDocumentTexts.KeyScheme, context.Document);
        operation.Security = context.ApiDescription.ActionDescriptor.EndpointMetadata.OfType<CallerRequirement>().Any()
            ? [new OpenApiSecurityRequirement { [key] = [] }]
            : [];
        operation.Parameters =
            [.. contract.Parameters.Select(name => new OpenApiParameterReference(name, context.Document))];
        if (contract.Request is { } request)
            AddRequest(operation, request, context);
    }

    /// <summary>
    /// Adds the body. The endpoint has no Accepts metadata, because routing would then refuse other media types itself,
    /// without a problem.
    /// </summary>
    private static void AddRequest(OpenApiOperation operation, Type request, OperationFilterContext context)
    {
        var examples = ContractExamples.All
            .Where(example => example.Path == $"/{context.ApiDescription.RelativePath}").ToArray();
        operation.RequestBody = new OpenApiRequestBody
        {
            Required = true,
            Description = Description([.. examples.Where(example => example.HasReference)]),
            Content = new Dictionary<string, IOpenApiMediaType>
            {
                [Json] = new OpenApiMediaType
                {
                    Schema = context.SchemaGenerator.GenerateSchema(request, context.SchemaRepository),
                    Examples = examples.Where(example => !example.HasReference).ToDictionary(
                        example => example.Name,
                        IOpenApiExample (example) => new OpenApiExample
                        {
                            Summary = example.Summary,
                            Value = JsonNode.Parse(example.Body),
                        }),
                },
            },
        };
    }

    /// <summary>
    /// Returns a description with the examples that contain <c>$ref</c>. They are text, because tools would resolve
    /// each <c>$ref</c> in the document.
    /// </summary>
    private static string Description(IReadOnlyList<ContractExample> shown) => string.Join(
        "\n\n",
        shown.Select(example => $"{example.Summary}:\n\n```json\n{example.Body.ReplaceLineEndings("\n")}\n```")
            .Prepend("What to run and how, in UTF-8. Its faults are reported together, up to a limit."));

    private static void AddAnswers(ContractOperation contract, OpenApiResponses responses, OpenApiDocument document)
    {
        foreach (var (status, description, names) in contract.Answers)
        {
            var response = (OpenApiResponse)responses[status.ToString()];
            response.Description = description;
            ((OpenApiMediaType)response.Content!.Single().Value).Examples = names.ToDictionary(
                name => name,
                IOpenApiExample (name) => new OpenApiExample { Value = ContractExamples.AnswerOf(name) });
            if (contract.Streams)
                AddStreams(response.Content!);
            string[] ofWrites = contract.Writes ? [StatementEndpoints.IdempotentReplayed, StatementEndpoints.Lsn] : [];
            string[] ofFailures = status >= StatusCodes.Status400BadRequest ? ["X-Should-Retry", "Retry-After"] : [];
            response.Headers = Headers(document, [.. ofWrites, .. ofFailures, .. ContractDocumentTexts.HeadersOfAll]);
        }
    }

    private static void AddStreams(IDictionary<string, IOpenApiMediaType> content)
    {
        foreach (var (type, (description, example)) in ContractExamples.Streams)
        {
            content[type] = new OpenApiMediaType
            {
                Schema = new OpenApiSchema { Type = JsonSchemaType.String, Description = description },
                Example = example,
            };
        }
    }

    private static void AddProblems(
        ContractOperation contract, OpenApiResponses responses, OperationFilterContext context)
    {
        context.SchemaGenerator.GenerateSchema(typeof(Problem), context.SchemaRepository);
        var problem = new OpenApiSchemaReference(nameof(Problem), context.Document);
        var byStatus = contract.Codes.Order()
            .GroupBy(code => ProblemTable.For(code).Status)
            .OrderBy(group => group.Key);
        foreach (var codes in byStatus)
        {
            var retryable = codes.Any(code => ProblemTable.For(code).Retryable);
            string[] ofRetryable = retryable ? ["Retry-After"] : [];
            string[] ofCredentials =
                codes.Contains(ProblemCode.Unauthenticated) ? [ContractDocumentTexts.Challenge] : [];
            responses.Add(codes.Key.ToString(), new OpenApiResponse
            {
                Description = string.Join("\n", codes.Select(code => $"- {ContractDocumentTexts.Describe(code)}")),
                Headers = Headers(
                    context.Document,
                    [.. ofCredentials, "X-Should-Retry", .. ofRetryable, .. ContractDocumentTexts.HeadersOfAll]),
                Content = new Dictionary<string, IOpenApiMediaType>
                {
                    ["application/problem+json"] = new OpenApiMediaType
                    {
                        Schema = problem,
                        Examples = codes.Select(FailureForm.NameOf).ToDictionary(
                            name => name,
                            IOpenApiExample (name) => new OpenApiExampleReference(name, context.Document)),
                    },
                },
            });
        }
    }

    private static Dictionary<string, IOpenApiHeader> Headers(OpenApiDocument document, IEnumerable<string> names) =>
        names.ToDictionary(name => name, IOpenApiHeader (name) => new OpenApiHeaderReference(name, document));
}

/// <summary>Adds the shared components, and sorts the document.</summary>
internal sealed class ContractComponents : IDocumentFilter
{
    public void Apply(OpenApiDocument document, DocumentFilterContext context)
    {
        // The tags have a useful order instead of the alphabetical one.
        var order = ContractDocumentTexts.Tags.Select(tag => tag.Name).ToList();
        var paths = document.Paths
            .OrderBy(path => order.IndexOf(path.Value.Operations!.Values.First().Tags!.First().Name))
            .ToArray();
        document.Paths = [];
        foreach (var (path, item) in paths)
            document.Paths.Add(path, item);

        document.Tags = new HashSet<OpenApiTag>(ContractDocumentTexts.Tags);

        var components = document.Components ??= new OpenApiComponents();
        components.Parameters = ContractDocumentTexts.Parameters.ToDictionary(
            parameter => parameter.Key, IOpenApiParameter (parameter) => parameter.Value);
        components.Headers = ContractDocumentTexts.AnswerHeaders.ToDictionary(
            header => header.Key, IOpenApiHeader (header) => header.Value);
        components.SecuritySchemes = new Dictionary<string, IOpenApiSecurityScheme>
        {
            [ContractDocumentTexts.KeyScheme] = ContractDocumentTexts.Key,
        };
        components.Examples = ContractOperations.Codes.ToDictionary(
            FailureForm.NameOf,
            IOpenApiExample (code) => new OpenApiExample
            {
                Summary = ProblemTable.For(code).Title,
                Value = ContractExamples.ProblemOf(code),
            });
    }
}
