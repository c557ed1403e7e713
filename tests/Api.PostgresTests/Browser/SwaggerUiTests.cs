using System.Text.Json.Nodes;
using Gateway.Api.Endpoints;

namespace Gateway.Api.PostgresTests.Browser;

/// <summary>
/// Tests Swagger UI in Chromium. playwright-core from npm drives it; Microsoft.Playwright is fifty times larger,
/// because it contains a Node.js for every platform.
/// </summary>
public sealed class SwaggerUiTests(SwaggerUiTour tour) : IClassFixture<SwaggerUiTour>
{
    [Fact]
    public async Task Page_ListsEveryOperationOfTheContract()
    {
        var contract = JsonNode.Parse(await tour.Gateway.Client.Http.GetStringAsync("/openapi.json"))!;
        var operations =
            from path in contract["paths"]!.AsObject()
            from operation in path.Value!.AsObject()
            select new SwaggerUiOperation(operation.Key.ToUpperInvariant(), path.Key, (string)operation.Value!["operationId"]!);
        Assert.Equal(operations, tour.Visit.Operations);
    }

    [Fact]
    public void FirstExampleOfQuery_ShowsItsRows()
    {
        var trial = tour.Find("query");

        SwaggerUiTour.AssertSent("query", "users", trial);
        Assert.Equal(200, trial.Status);
        Assert.Equal(
            ["ada@example.org", "alan@example.org", "grace@example.org"],
            trial.Json.GetProperty("rows").EnumerateArray().Select(row => row.GetProperty("email").GetString()).Take(3));
    }

    [Fact]
    public void FirstExampleOfExecuteTwice_ShowsThatItIsReplayed()
    {
        var (first, again) = (tour.Find("execute"), tour.Find("execute again"));

        Assert.Equal([200, 200], [first.Status, again.Status]);
        Assert.Equal(["false", "true"], [first.Headers["idempotent-replayed"], again.Headers["idempotent-replayed"]]);
        Assert.Equal(first.Text, again.Text);
    }

    [Fact]
    public void OtherExample_ChangesTheBodyAndTheAnswer()
    {
        var trial = tour.Find("arrayRows");

        SwaggerUiTour.AssertSent("query", "arrayRows", trial);
        var row = trial.Json.GetProperty("rows")[0];
        Assert.Equal("""[1,"ada@example.org",["analyst","poet"]]""", SwaggerUiTour.Compact(row.GetRawText()));
    }

    [Theory]
    [InlineData("query", "readOnly", "read_only")]
    [InlineData("transaction", "expectation", "expectation_failed")]
    public void ExampleOfAnError_ShowsItsProblem(string operation, string example, string code)
    {
        var trial = tour.Find(example);

        SwaggerUiTour.AssertSent(operation, example, trial);
        Assert.Equal(422, trial.Status);
        Assert.Equal(code, trial.Json.GetProperty("code").GetString());
        Assert.Equal("application/problem+json", trial.Headers["content-type"]);
        Assert.Equal("false", trial.Headers["x-should-retry"]);
    }

    [Fact]
    public void OtherMediaType_IsAskedForAndShown()
    {
        var trial = tour.Find("csv");

        Assert.StartsWith("text/csv", trial.Headers["content-type"]);
        Assert.StartsWith("id,email,", trial.Text);
    }
}

/// <summary>
/// Makes one visit for all tests of a gateway's page: to start Chromium and to load the page takes most of the time.
/// </summary>
public sealed class SwaggerUiTour(GatewayFixture server) : IAsyncLifetime
{
    /// <summary>The steps, by the names of their trials.</summary>
    private static readonly (string Name, object Step)[] Steps =
    [
        ("query", new { operation = "query" }),
        ("execute", new { operation = "execute" }),
        ("execute again", new { operation = "execute" }),
        ("arrayRows", Example("query", "arrayRows")),
        ("readOnly", Example("query", "readOnly")),
        ("expectation", Example("transaction", "expectation")),
        ("csv", new { operation = "query", example = Find("query", "users").Summary, accept = "text/csv" }),
    ];

    internal DemoFixture Gateway { get; } = new(server);

    internal SwaggerUiVisit Visit { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        await Gateway.InitializeAsync();
        Visit = await SwaggerUiVisit.MakeAsync(new Uri(Gateway.Address, "/swagger"), [.. Steps.Select(step => step.Step)]);
    }

    public ValueTask DisposeAsync() => Gateway.DisposeAsync();

    /// <summary>Returns the trial of a step.</summary>
    internal SwaggerUiTrial Find(string name) => Visit.Trials[Array.FindIndex(Steps, step => step.Name == name)];

    internal static void AssertSent(string operation, string example, SwaggerUiTrial trial) =>
        Assert.Equal(Compact(Find(operation, example).Body), Compact(trial.Request));

    internal static string Compact(string json) => JsonNode.Parse(json)!.ToJsonString();

    private static object Example(string operation, string name) => new { operation, example = Find(operation, name).Summary };

    private static ContractExample Find(string operation, string name) =>
        ContractExamples.All.Single(example => (example.Path, example.Name) == ($"/v1/{operation}", name));
}
