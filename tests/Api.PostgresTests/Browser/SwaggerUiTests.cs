using System.Text.Json.Nodes;
using Gateway.Api.Endpoints;

namespace Gateway.Api.PostgresTests.Browser;

/// <summary>
/// Tests Swagger UI in Chromium. playwright-core from npm drives it; Microsoft.Playwright is fifty times larger,
/// because it contains a Node.js for every platform.
/// </summary>
public sealed class SwaggerUiTests(DemoFixture gateway) : SwaggerUiPage(gateway.Address), IClassFixture<DemoFixture>
{
    [Fact]
    public async Task Page_ListsEveryOperationOfTheContract()
    {
        var visit = await VisitAsync();

        var contract = JsonNode.Parse(await gateway.Client.Http.GetStringAsync("/openapi.json"))!;
        var operations =
            from path in contract["paths"]!.AsObject()
            from operation in path.Value!.AsObject()
            select new SwaggerUiOperation(operation.Key.ToUpperInvariant(), path.Key, (string)operation.Value!["operationId"]!);
        Assert.Equal(operations, visit.Operations);
    }

    [Fact]
    public async Task FirstExampleOfQuery_ShowsItsRows()
    {
        var visit = await VisitAsync(new { operation = "query" });

        var trial = Assert.Single(visit.Trials);
        Assert.Equal(200, trial.Status);
        Assert.Equal(
            ["ada@example.org", "alan@example.org", "grace@example.org"],
            trial.Json.GetProperty("rows").EnumerateArray().Select(row => row.GetProperty("email").GetString()).Take(3));
    }

    [Fact]
    public async Task FirstExampleOfExecuteTwice_ShowsThatItIsReplayed()
    {
        var visit = await VisitAsync(new { operation = "execute" }, new { operation = "execute" });

        Assert.Equal([200, 200], visit.Trials.Select(trial => trial.Status));
        Assert.Equal(["false", "true"], visit.Trials.Select(trial => trial.Headers["idempotent-replayed"]));
        Assert.Equal(visit.Trials[0].Text, visit.Trials[1].Text);
    }

    [Fact]
    public async Task OtherExample_ChangesTheBodyAndTheAnswer()
    {
        var visit = await VisitAsync(new { operation = "query" }, Example("query", "arrayRows"));

        AssertSent("query", "users", visit.Trials[0]);
        AssertSent("query", "arrayRows", visit.Trials[1]);
        var row = visit.Trials[1].Json.GetProperty("rows")[0];
        Assert.Equal("""[1,"ada@example.org",["analyst","poet"]]""", Compact(row.GetRawText()));
    }

    [Theory]
    [InlineData("query", "readOnly", "read_only")]
    [InlineData("transaction", "expectation", "expectation_failed")]
    public async Task ExampleOfAnError_ShowsItsProblem(string operation, string example, string code)
    {
        var visit = await VisitAsync(Example(operation, example));

        var trial = Assert.Single(visit.Trials);
        AssertSent(operation, example, trial);
        Assert.Equal(422, trial.Status);
        Assert.Equal(code, trial.Json.GetProperty("code").GetString());
        Assert.Equal("application/problem+json", trial.Headers["content-type"]);
        Assert.Equal("false", trial.Headers["x-should-retry"]);
    }

    [Fact]
    public async Task OtherMediaType_IsAskedForAndShown()
    {
        var visit = await VisitAsync(new { operation = "query", accept = "text/csv" });

        var trial = Assert.Single(visit.Trials);
        Assert.StartsWith("text/csv", trial.Headers["content-type"]);
        Assert.StartsWith("id,email,", trial.Text);
    }

    [Fact]
    public async Task BehindAPrefix_TriesItThere()
    {
        var visit = await VisitPageAsync("/database/gateway/swagger/index.html", new { operation = "query" });

        Assert.Equal(200, Assert.Single(visit.Trials).Status);
    }

    private static object Example(string operation, string name) => new { operation, example = Find(operation, name).Summary };

    private static ContractExample Find(string operation, string name) =>
        ContractExamples.All.Single(example => (example.Path, example.Name) == ($"/v1/{operation}", name));

    private static void AssertSent(string operation, string example, SwaggerUiTrial trial) =>
        Assert.Equal(Compact(Find(operation, example).Body), Compact(trial.Request));

    private static string Compact(string json) => JsonNode.Parse(json)!.ToJsonString();
}
