using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Gateway.Api.Callers;
using Gateway.Api.Endpoints;
using Gateway.Contracts;

namespace Gateway.Api.Tests.Endpoints;

/// <summary>Tests the document's description of requests against the code that reads them.</summary>
public sealed class ContractDocumentRequestTests
{
    private const string NoField = "No field of ";

    public static TheoryData<string> Operations => [.. Enum.GetNames<Operation>()];

    /// <summary>
    /// Gets bodies on both sides of each constraint. Each has an activityId, unless it tests that field.
    /// </summary>
    public static TheoryData<string> ExecuteBodies =>
    [
        Body(""), .. OfAnyRequest(Body),
        Body("\"parameters\": []"), Body("\"parameters\": {}"), Body("\"parameters\": null"), Body("\"parameters\": 1"),
        Body("\"parameters\": \"x\""), Body("\"parameters\": true"),
        Body("\"parameterTypes\": []"), Body("\"parameterTypes\": {}"), Body("\"parameterTypes\": null"), Body("\"parameterTypes\": 1"),
        Body("\"parameterTypes\": \"text\""), Body("\"maxRows\": 1"),
        Body("\"rowFormat\": \"object\""), Body("\"rowFormat\": \"array\""), Body("\"rowFormat\": \"Object\""),
        Body("\"rowFormat\": 0"), Body("\"rowFormat\": null"),
        Body("\"expect\": {\"rowCount\": 0}"), Body("\"expect\": {\"rowCount\": -1}"), Body("\"expect\": {}"),
        Body("\"expect\": {\"rowCount\": 1, \"x\": 1}"), Body("\"expect\": null"), Body("\"expect\": 1"),
        "{\"activityId\": \"a\"}",
        "{\"activityId\": \"a\", \"sql\": \"\"}",
        "{\"activityId\": \"a\", \"sql\": null}",
        Tagged(""), Tagged("a b"), Tagged("~!"), Tagged("é"), Tagged("\\u007f"), Tagged(new string('x', 255)),
        Tagged(new string('x', 256)),
    ];

    /// <summary>Same as <see cref="ExecuteBodies"/>, for fields that only a query has or lacks.</summary>
    public static TheoryData<string> QueryBodies =>
    [
        Body("\"maxRows\": 1"), Body("\"maxRows\": 2147483647"), Body("\"maxRows\": 0"), Body("\"maxRows\": -1"), Body("\"maxRows\": 1.5"),
        Body("\"maxRows\": \"1\""), Body("\"maxRows\": null"), Body("\"maxRows\": 2147483648"),
        Body("\"expect\": {\"rowCount\": 1}"), Body("\"delivery\": \"exactly-once\""), Body("\"numbers\": \"string\""),
    ];

    /// <summary>Same as <see cref="ExecuteBodies"/>.</summary>
    public static TheoryData<string> TransactionBodies =>
    [
        Transaction(""), .. OfAnyRequest(Transaction),
        Transaction("\"isolation\": \"read committed\""), Transaction("\"isolation\": \"repeatable read\""),
        Transaction("\"isolation\": \"serializable\""), Transaction("\"isolation\": \"READ COMMITTED\""),
        Transaction("\"isolation\": \"read uncommitted\""), Transaction("\"isolation\": 0"), Transaction("\"isolation\": null"),
        Transaction("\"readOnly\": true"), Transaction("\"readOnly\": false"), Transaction("\"readOnly\": \"true\""),
        Transaction("\"readOnly\": 1"), Transaction("\"readOnly\": null"),
        Transaction("\"deferrable\": true"), Transaction("\"deferrable\": \"no\""), Transaction("\"deferrable\": null"),
        // Fields of a statement, which the request does not have.
        Transaction("\"sql\": \"SELECT 1\""), Transaction("\"parameters\": []"), Transaction("\"rowFormat\": \"array\""),
        Transaction("\"expect\": {\"rowCount\": 1}"),
        "{\"activityId\": \"a\"}",
        Listed(""), Listed(Many(100)), Listed(Many(101)), Listed("1"), Listed("null"), Listed("[]"), Listed("{}"),
        "{\"activityId\": \"a\", \"statements\": null}",
        "{\"activityId\": \"a\", \"statements\": {\"sql\": \"SELECT 1\"}}",
        Listed("{\"sql\": \"SELECT 1\"}, {\"sql\": \"\"}"), Listed("{\"sql\": \"SELECT 1\"}, {\"sql\": null}, {}"),
        Listed("{\"sql\": \"SELECT 1\"}, {\"sqll\": \"SELECT 1\"}"), Listed("{\"sql\": \"SELECT 1\", \"activityId\": \"b\"}"),
        Listed("{\"sql\": \"SELECT 1\", \"parameters\": []}, {\"sql\": \"SELECT 1\", \"parameters\": null}"),
        Listed("{\"sql\": \"SELECT 1\", \"parameterTypes\": []}, {\"sql\": \"SELECT 1\", \"parameterTypes\": 1, \"maxRows\": 1}"),
        Listed("{\"sql\": \"SELECT 1\", \"parameters\": 1}"), Listed("{\"sql\": \"SELECT 1\", \"rowFormat\": \"Array\"}"),
        Listed("{\"sql\": \"SELECT 1\", \"rowFormat\": \"array\", \"expect\": {\"rowCount\": 0}}"),
        Listed("{\"sql\": \"SELECT 1\", \"expect\": {\"rowCount\": -1, \"x\": 1}}, {\"sql\": \"SELECT 1\", \"expect\": {}}"),
    ];

    [Theory]
    [MemberData(nameof(Operations))]
    public void EachDocumentedField_IsReadByItsName(string operation)
    {
        foreach (var field in SchemaOf(operation).Properties)
        {
            var body = JsonNode.Parse(Smallest(operation))!;
            // No field accepts this number.
            body[field] = 1.5;

            var fault = Assert.Single(Faults(body.ToJsonString(), operation));

            Assert.Equal($"/{field}", fault.Pointer);
            Assert.DoesNotContain(NoField, fault.Detail);
        }
    }

    [Theory]
    [MemberData(nameof(Operations))]
    public void EachFieldThatIsRead_IsDocumented(string operation)
    {
        var body = JsonNode.Parse(Smallest(operation))!;
        body["unknown"] = 1;

        var detail = Faults(body.ToJsonString(), operation).Single().Detail;

        Assert.Equal(SchemaOf(operation).Properties.Order(StringComparer.Ordinal), KnownFields(detail));
    }

    [Fact]
    public void EachDocumentedFieldOfAStatement_IsReadByItsNameAndNoOther()
    {
        var schema = ContractSchema.Of(nameof(TransactionStatement));
        foreach (var field in schema.Properties)
        {
            var statement = new JsonObject { ["sql"] = "SELECT 1", [field] = 1.5 };

            var fault = Assert.Single(Faults(Listed($"{{\"sql\": \"SELECT 1\"}}, {statement.ToJsonString()}"), nameof(Operation.Transaction)));

            Assert.Equal($"/statements/1/{field}", fault.Pointer);
            Assert.DoesNotContain(NoField, fault.Detail);
        }
        var unknown = Assert.Single(Faults(Listed("{\"sql\": \"SELECT 1\", \"unknown\": 1}"), nameof(Operation.Transaction)));
        Assert.Equal(schema.Properties.Order(StringComparer.Ordinal), KnownFields(unknown.Detail));
    }

    [Theory]
    [MemberData(nameof(ExecuteBodies))]
    public void ExecuteBody_IsValidToTheDocumentWhereItIsToTheGateway(string body) =>
        AssertSameFaults(body, nameof(Operation.Execute));

    [Theory]
    [MemberData(nameof(QueryBodies))]
    public void QueryBody_IsValidToTheDocumentWhereItIsToTheGateway(string body) =>
        AssertSameFaults(body, nameof(Operation.Query));

    [Theory]
    [MemberData(nameof(TransactionBodies))]
    public void TransactionBody_IsValidToTheDocumentWhereItIsToTheGateway(string body) =>
        AssertSameFaults(body, nameof(Operation.Transaction));

    [Theory]
    [MemberData(nameof(Operations))]
    public void Defaults_AreThoseOfTheGateway(string operation)
    {
        var schema = SchemaOf(operation);
        var isTransaction = operation == nameof(Operation.Transaction);

        var call = Requests.Read(Smallest(operation), Enum.Parse<Operation>(operation));

        Assert.Equal(schema.DefaultOf("connection"), call.Activity.Connection);
        Assert.Equal(schema.DefaultOf("timeoutMs"), $"{call.Budget.TotalMilliseconds}");
        var statement = isTransaction ? ContractSchema.Of(nameof(TransactionStatement)) : schema;
        Assert.Equal(statement.DefaultOf("rowFormat"), Word(call.Statements[0].RowFormat));
        Assert.Equal(schema.DefaultOf("numbers"), Word(call.Numbers));
        if (isTransaction)
        {
            Assert.Equal(schema.DefaultOf("isolation"), Word(Enum.Parse<Isolation>($"{call.Mode.Isolation}")));
            Assert.Equal(schema.DefaultOf("readOnly"), Word(call.Mode.Access == Access.ReadOnly));
            Assert.Equal(schema.DefaultOf("deferrable"), Word(call.Mode.Deferrable));
        }
        if (schema.Properties.Contains("delivery"))
            Assert.Equal(schema.DefaultOf("delivery"), Word(call.RequestHash is null ? Delivery.AtLeastOnce : Delivery.ExactlyOnce));
    }

    [Theory]
    [InlineData(nameof(Operation.Query), "\"attempt\": 1", false)]
    [InlineData(nameof(Operation.Execute), "\"delivery\": \"exactly-once\"", true)]
    [InlineData(nameof(Operation.Execute), "\"delivery\": \"at-least-once\"", false)]
    [InlineData(nameof(Operation.Transaction), "\"delivery\": \"exactly-once\"", true)]
    [InlineData(nameof(Operation.Transaction), "\"delivery\": \"at-least-once\"", false)]
    [InlineData(nameof(Operation.Transaction), "\"readOnly\": true", false)]
    public void OnlyWritesThatAreExactlyOnce_AreRecorded(string operation, string field, bool isRecorded)
    {
        var body = operation == nameof(Operation.Transaction) ? Transaction(field) : Body(field);

        Assert.Equal(isRecorded, Requests.Read(body, Enum.Parse<Operation>(operation)).RequestHash is not null);
    }

    [Fact]
    public void Examples_AreValidRequests()
    {
        foreach (var example in ContractExamples.All)
        {
            var operation = Enum.Parse<Operation>(example.Path.Split('/')[^1], ignoreCase: true).ToString();

            Assert.Empty(SchemaOf(operation).Faults(JsonNode.Parse(example.Body)));
            Assert.Empty(Faults(example.Body, operation));
        }
    }

    [Fact]
    public void NoExampleOfTheDocument_HasAReferenceOfItsOwn()
    {
        var references = ContractExamples.All.Where(example => example.HasReference).ToArray();

        Assert.NotEmpty(references);
        foreach (var example in references)
        {
            var request = Generated.Document["paths"]![example.Path]!["post"]!["requestBody"]!;
            Assert.Contains(example.Body.ReplaceLineEndings("\n"), (string)request["description"]!);
            Assert.DoesNotContain("\"$ref\"", request["content"]!["application/json"]!["examples"]!.ToJsonString());
        }
    }

    [Fact]
    public void Examples_AreInTheDocumentInTheirOrder()
    {
        foreach (var (path, methods) in Generated.Document["paths"]!.AsObject())
        {
            var documented = methods!["post"]?["requestBody"]?["content"]!["application/json"]!["examples"]!.AsObject()
                .Select(example => (example.Key, example.Value!["value"]!.ToJsonString()));

            Assert.Equal(
                ContractExamples.All.Where(example => example.Path == path && !example.HasReference)
                    .Select(example => (example.Name, JsonNode.Parse(example.Body)!.ToJsonString())),
                documented ?? []);
        }
    }

    [Fact]
    public void ExampleAnswers_AreValidAndAllUsed()
    {
        var used = new List<string>();
        foreach (var response in Generated.Operations.SelectMany(operation => operation["responses"]!.AsObject()))
        {
            if (response.Value!["content"]!["application/json"] is not { } answer)
                continue;
            var schema = ContractSchema.Of(((string)answer["schema"]!["$ref"]!).Split('/')[^1]);
            foreach (var (name, example) in answer["examples"]!.AsObject())
            {
                Assert.Empty(schema.Faults(example!["value"]));
                used.Add(name);
            }
        }
        Assert.Equal(ContractExamples.Answers.Keys.Order(StringComparer.Ordinal), used.Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task RequestsFile_HasEachExample()
    {
        var text = (await File.ReadAllTextAsync(Repository.PathOf("src/Api/requests.http"))).ReplaceLineEndings("\n");
        var requests = text.Split("\n###").Select(request => request.Split("\n\n", 2)).Where(parts => parts.Length == 2)
            .Where(parts => parts[1].TrimStart().StartsWith('{'))
            .Select(parts => (parts[0], JsonNode.Parse(parts[1])!.ToJsonString())).ToArray();

        foreach (var example in ContractExamples.All)
        {
            Assert.Contains(requests, request =>
                request.Item1.Contains($"POST {{{{gateway}}}}{example.Path}\n", StringComparison.Ordinal)
                && request.Item2 == JsonNode.Parse(example.Body)!.ToJsonString());
        }
    }

    [Fact]
    public async Task RequestsFile_HasEachOperation()
    {
        var text = await File.ReadAllTextAsync(Repository.PathOf("src/Api/requests.http"));
        foreach (var (path, methods) in Generated.Document["paths"]!.AsObject())
        {
            foreach (var (method, _) in methods!.AsObject())
            {
                var address = Regex.Replace(Regex.Escape(path), @"\\\{\w+}", @"[^/\s]+");
                Assert.Matches($@"(?m)^{method.ToUpperInvariant()} \{{\{{gateway}}}}{address}(\?\S+)?\r?$", text);
            }
        }
    }

    private static IEnumerable<string> OfAnyRequest(Func<string, string> body) =>
    [
        body("\"attempt\": 1"), body("\"attempt\": 0"), body("\"attempt\": 2147483647"), body("\"attempt\": 2147483648"),
        body("\"attempt\": 1.5"), body("\"attempt\": \"1\""), body("\"attempt\": null"),
        body("\"timeoutMs\": 1"), body("\"timeoutMs\": 0"), body("\"timeoutMs\": 300000"), body("\"timeoutMs\": 300001"),
        body("\"connection\": \"other\""), body("\"connection\": 1"), body("\"connection\": null"),
        body("\"delivery\": \"exactly-once\""), body("\"delivery\": \"at-least-once\""), body("\"delivery\": \"once\""),
        body("\"numbers\": \"exact\""), body("\"numbers\": \"string\""), body("\"numbers\": \"strings\""), body("\"numbers\": null"),
        body("\"sqll\": \"x\""), body("\"ActivityId\": \"x\""), body("\"maxrows\": 1"),
    ];

    private static ContractSchema SchemaOf(string operation) => ContractSchema.Of($"{operation}Request");

    private static string Smallest(string operation) => operation == nameof(Operation.Transaction) ? Transaction("") : Body("");

    private static void AssertSameFaults(string body, string operation)
    {
        var toTheDocument = SchemaOf(operation).Faults(JsonNode.Parse(body)).Order(StringComparer.Ordinal);

        var toTheGateway = Faults(body, operation).Select(fault => fault.Pointer).Order(StringComparer.Ordinal);

        Assert.Equal(toTheGateway, toTheDocument);
    }

    private static IEnumerable<string> KnownFields(string detail)
    {
        Assert.StartsWith(NoField, detail);
        return detail[(detail.IndexOf("takes ", StringComparison.Ordinal) + 6)..].TrimEnd('.').Split(", ").Order(StringComparer.Ordinal);
    }

    private static string Word<T>(T value) => JsonSerializer.SerializeToNode(value, typeof(T), ContractJson.Default)!.GetValue<string>();

    private static string Word(bool value) => value ? "true" : "false";

    private static string Body(string more) =>
        $"{{\"activityId\": \"a\", \"sql\": \"SELECT 1\"{(more.Length > 0 ? ", " : "")}{more}}}";

    private static string Transaction(string more) =>
        $"{{\"activityId\": \"a\", \"statements\": [{{\"sql\": \"SELECT 1\"}}]{(more.Length > 0 ? ", " : "")}{more}}}";

    private static string Listed(string statements) => $"{{\"activityId\": \"a\", \"statements\": [{statements}]}}";

    private static string Many(int count) => string.Join(",", Enumerable.Repeat("{\"sql\": \"SELECT 1\"}", count));

    private static string Tagged(string id) => $"{{\"activityId\": \"{id}\", \"sql\": \"SELECT 1\"}}";

    private static IReadOnlyList<RequestFault> Faults(string body, string operation) =>
        Requests.Faults(body, Enum.Parse<Operation>(operation));
}
