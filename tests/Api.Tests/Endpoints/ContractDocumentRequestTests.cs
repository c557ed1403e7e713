using System.Text.Json;
using System.Text.Json.Nodes;
using Gateway.Api.Connections;
using Gateway.Api.Endpoints;
using Gateway.Api.Errors;
using Gateway.Api.Execution;
using Gateway.Api.Telemetry;
using Gateway.Contracts;
using Microsoft.Extensions.Primitives;

namespace Gateway.Api.Tests.Endpoints;

/// <summary>What the document says of a request, against the code that reads one.</summary>
public sealed class ContractDocumentRequestTests
{
    private const string NoField = "No field of this request";

    public static TheoryData<string, bool> Requests => new()
    {
        { nameof(QueryRequest), false },
        { nameof(ExecuteRequest), true },
    };

    /// <summary>Bodies on both sides of each constraint; each has an activityId unless it is about that.</summary>
    public static TheoryData<string> Bodies =>
    [
        Body(""),
        Body("\"attempt\": 1"), Body("\"attempt\": 0"), Body("\"attempt\": 2147483647"), Body("\"attempt\": 2147483648"),
        Body("\"attempt\": 1.5"), Body("\"attempt\": \"1\""), Body("\"attempt\": null"),
        Body("\"timeoutMs\": 1"), Body("\"timeoutMs\": 0"), Body("\"timeoutMs\": 300000"), Body("\"timeoutMs\": 300001"),
        Body("\"connection\": \"other\""), Body("\"connection\": 1"), Body("\"connection\": null"),
        Body("\"parameters\": []"), Body("\"parameters\": {}"), Body("\"parameters\": null"), Body("\"parameters\": 1"),
        Body("\"parameters\": \"x\""), Body("\"parameters\": true"),
        Body("\"rowFormat\": \"object\""), Body("\"rowFormat\": \"array\""), Body("\"rowFormat\": \"Object\""),
        Body("\"rowFormat\": 0"), Body("\"rowFormat\": null"),
        Body("\"expect\": {\"rowCount\": 0}"), Body("\"expect\": {\"rowCount\": -1}"), Body("\"expect\": {}"),
        Body("\"expect\": {\"rowCount\": 1, \"x\": 1}"), Body("\"expect\": null"), Body("\"expect\": 1"),
        Body("\"delivery\": \"exactly-once\""), Body("\"delivery\": \"at-least-once\""), Body("\"delivery\": \"once\""),
        Body("\"sqll\": \"x\""), Body("\"ActivityId\": \"x\""),
        "{\"activityId\": \"a\"}",
        "{\"activityId\": \"a\", \"sql\": \"\"}",
        "{\"activityId\": \"a\", \"sql\": null}",
        Tagged(""), Tagged("a b"), Tagged("~!"), Tagged("é"), Tagged("\\u007f"), Tagged(new string('x', 255)),
        Tagged(new string('x', 256)),
    ];

    [Theory]
    [MemberData(nameof(Requests))]
    public void EachDocumentedField_IsReadByItsName(string schema, bool writes)
    {
        foreach (var field in ContractSchema.Of(schema).Properties)
        {
            var body = JsonNode.Parse(Body(""))!;
            // No field takes a boolean.
            body[field] = true;

            var fault = Assert.Single(Faults(body.ToJsonString(), writes));

            Assert.Equal($"/{field}", fault.Pointer);
            Assert.DoesNotContain(NoField, fault.Detail);
        }
    }

    [Theory]
    [MemberData(nameof(Requests))]
    public void EachFieldThatIsRead_IsDocumented(string schema, bool writes)
    {
        var detail = Faults(Body("\"unknown\": 1"), writes).Single().Detail;

        Assert.StartsWith(NoField, detail);
        Assert.Equal(
            ContractSchema.Of(schema).Properties.Order(StringComparer.Ordinal),
            detail[(detail.IndexOf("takes ", StringComparison.Ordinal) + 6)..].TrimEnd('.').Split(", ").Order(StringComparer.Ordinal));
    }

    [Theory]
    [MemberData(nameof(Bodies))]
    public void Body_IsValidToTheDocumentWhereItIsToTheGateway(string body)
    {
        var toTheDocument = ContractSchema.Of(nameof(ExecuteRequest)).Faults(JsonNode.Parse(body)).Order(StringComparer.Ordinal);

        var toTheGateway = Faults(body, writes: true).Select(fault => fault.Pointer).Order(StringComparer.Ordinal);

        Assert.Equal(toTheGateway, toTheDocument);
    }

    [Fact]
    public void Defaults_AreThoseOfTheGateway()
    {
        var schema = ContractSchema.Of(nameof(ExecuteRequest));

        var call = Read("{\"activityId\": \"a\", \"sql\": \"SELECT 1\"}", writes: true);

        Assert.Equal((string?)schema.Property("connection")["default"], call.Connection);
        Assert.Equal((double)schema.Property("timeoutMs")["default"]!, call.Budget.TotalMilliseconds);
        Assert.Equal((string?)schema.Property("rowFormat")["default"], Word(call.RowFormat));
        Assert.Equal((string?)schema.Property("delivery")["default"], Word(call.Delivery));
    }

    [Fact]
    public void Examples_AreValidRequests()
    {
        foreach (var example in ContractExamples.All)
        {
            var writes = example.Path == "/v1/execute";
            var schema = ContractSchema.Of(writes ? nameof(ExecuteRequest) : nameof(QueryRequest));

            Assert.Empty(schema.Faults(JsonNode.Parse(example.Body)));
            Assert.Empty(Faults(example.Body, writes));
        }
    }

    [Fact]
    public void Examples_AreInTheDocumentInTheirOrder()
    {
        foreach (var (path, methods) in Generated.Document["paths"]!.AsObject())
        {
            var documented = methods!["post"]?["requestBody"]!["content"]!["application/json"]!["examples"]!.AsObject()
                .Select(example => (example.Key, example.Value!["value"]!.ToJsonString()));

            Assert.Equal(
                ContractExamples.All.Where(example => example.Path == path)
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

    private static string Word<T>(T value) => JsonSerializer.SerializeToNode(value, typeof(T), ContractJson.Default)!.GetValue<string>();

    private static string Body(string more) =>
        $"{{\"activityId\": \"a\", \"sql\": \"SELECT 1\"{(more.Length > 0 ? ", " : "")}{more}}}";

    private static string Tagged(string id) => $"{{\"activityId\": \"{id}\", \"sql\": \"SELECT 1\"}}";

    private static IReadOnlyList<RequestFault> Faults(string body, bool writes)
    {
        try
        {
            Read(body, writes);
            return [];
        }
        catch (Failure failure)
        {
            return failure.Faults!;
        }
    }

    private static StatementCall Read(string body, bool writes)
    {
        using var document = JsonDocument.Parse(body);
        return RequestReader.Read(
            document.RootElement, StringValues.Empty, writes ? Access.ReadWrite : Access.ReadOnly, new GatewayOptions(),
            new RequestRecord(TimeProvider.System));
    }
}
