using System.Text.Json.Nodes;
using Gateway.Api.Endpoints;

namespace Gateway.Api.PostgresTests;

/// <summary>Tests that the document's examples run unchanged against the demo data, and run twice.</summary>
public sealed class ContractExamplesTests(DemoFixture gateway) : IClassFixture<DemoFixture>
{
    public static TheoryData<string, string> Names =>
        [.. ContractExamples.All.Select(example => (example.Path, example.Name))];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Example_IsAnsweredAsDocumented(string path, string name)
    {
        var example = ContractExamples.All.Single(example => (example.Path, example.Name) == (path, name));

        for (var run = 0; run < 2; run++)
        {
            var answer = await gateway.Client.PostAsync(path.Replace("/v1/", ""), example.Body);
            Assert.True((int)answer.Status == example.ExpectedStatus, answer.Text);
        }
    }

    [Fact]
    public async Task ExactlyOnceExample_IsAnsweredFromItsRecordTheSecondTime()
    {
        foreach (var example in ContractExamples.All.Where(example => example.Name is "exactlyOnce" or "update" or "order" or "reference"))
        {
            var first = await gateway.Client.PostAsync(example.Path.Replace("/v1/", ""), example.Body);
            var second = await gateway.Client.PostAsync(example.Path.Replace("/v1/", ""), example.Body);

            Assert.Equal("true", second.Headers["Idempotent-Replayed"]);
            Assert.Equal(first.Text, second.Text);
        }
    }

    /// <summary>The answers of the other examples contain IDs, which depend on earlier requests.</summary>
    [Theory]
    [InlineData("/v1/execute", "update")]
    [InlineData("/v1/transaction", "readOnly")]
    public async Task DocumentedAnswer_IsWhatTheExampleIsAnsweredWith(string path, string name)
    {
        var example = ContractExamples.All.Single(example => (example.Path, example.Name) == (path, name));

        var answer = await gateway.Client.PostAsync(path.Replace("/v1/", ""), example.Body);

        Assert.Equal(ContractExamples.AnswerOf(name).ToJsonString(), JsonNode.Parse(answer.Text)!.ToJsonString());
    }

    [Fact]
    public async Task SwaggerUi_IsServedWithAllThatItLoads()
    {
        var page = await gateway.Client.Http.GetStringAsync("/swagger/index.html");

        Assert.Contains("swagger-ui-bundle.js", page);
        Assert.DoesNotContain("https://", page);
        foreach (var file in new[] { "swagger-ui-bundle.js", "swagger-ui.css", "index.js" })
            Assert.NotEmpty(await gateway.Client.Http.GetByteArrayAsync($"/swagger/{file}"));
        var committed = await File.ReadAllTextAsync(Repository.PathOf("openapi.yaml"));
        Assert.Equal(committed, await gateway.Client.Http.GetStringAsync("/openapi.yaml"));
    }
}
