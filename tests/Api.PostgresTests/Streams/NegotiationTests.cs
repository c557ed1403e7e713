using System.Text.Json;

namespace Gateway.Api.PostgresTests.Streams;

/// <summary>Tests the format of a query's answer, which its Accept header chooses.</summary>
public sealed class NegotiationTests(GatewayFixture fixture)
{
    [Theory]
    [InlineData(null, StreamForms.Json)]
    [InlineData("", StreamForms.Json)]
    [InlineData("*/*", StreamForms.Json)]
    [InlineData("application/json", StreamForms.Json)]
    [InlineData("application/*", StreamForms.Json)]
    [InlineData("image/png", StreamForms.Json)]
    [InlineData("not a type", StreamForms.Json)]
    [InlineData(";;,,/;q=x", StreamForms.Json)]
    [InlineData("application/x-ndjson", StreamForms.Ndjson)]
    [InlineData("Application/X-NDJSON; charset=utf-8", StreamForms.Ndjson)]
    [InlineData("text/csv", StreamForms.Csv)]
    [InlineData("text/csv; header=present", StreamForms.Csv)]
    [InlineData("text/csv, application/json", StreamForms.Csv)]
    [InlineData("application/json, text/csv", StreamForms.Json)]
    [InlineData("text/csv;q=0.5, application/x-ndjson", StreamForms.Ndjson)]
    [InlineData("text/csv;q=0.5, application/json;q=0.6", StreamForms.Json)]
    [InlineData("text/csv;q=0.5, */*;q=0.1", StreamForms.Csv)]
    [InlineData("application/x-ndjson;q=0", StreamForms.Json)]
    [InlineData("application/x-ndjson;q=0, text/csv;q=0.001", StreamForms.Csv)]
    [InlineData("image/png, text/csv;q=0.2", StreamForms.Csv)]
    [InlineData("application/problem+json, application/x-ndjson;q=0.9", StreamForms.Ndjson)]
    public async Task Query_IsAnsweredInTheFormThatItsCallerLikesBest(string? accept, string form)
    {
        var answer = await PostAsync("query", new { activityId = "a", sql = "SELECT 1 AS n" }, accept);

        Assert.Equal(form, answer.MediaType);
        Assert.Equal(
            form switch
            {
                StreamForms.Csv => "n\r\n1\r\n",
                StreamForms.Ndjson => "{\"columns\":[{\"name\":\"n\",\"type\":\"integer\"}]}\n{\"n\":1}\n{\"end\":{\"rowCount\":1,\"truncated\":false}}\n",
                _ => """{"activityId":"a","command":"SELECT","rowCount":1,"truncated":false,"columns":[{"name":"n","type":"integer"}],"rows":[{"n":1}]}""",
            },
            answer.Text);
    }

    [Theory]
    [InlineData(StreamForms.Ndjson)]
    [InlineData(StreamForms.Csv)]
    public async Task WhatMayWrite_IsAnsweredInJson(string accept)
    {
        var execute = await PostAsync("execute", new { activityId = $"{accept}-1", sql = "SELECT 1 AS n" }, accept);
        var transaction = await PostAsync("transaction", new { activityId = $"{accept}-2", statements = new[] { new { sql = "SELECT 1 AS n" } } }, accept);
        var activity = await PostAsync("execute", new { activityId = $"{accept}-1", sql = "SELECT 1 AS n" }, accept);

        foreach (var answer in new[] { execute, transaction, activity })
        {
            Assert.Equal(StreamForms.Json, answer.MediaType);
            Assert.Equal(JsonValueKind.Object, answer.Json.ValueKind);
        }
    }

    [Theory]
    [InlineData(StreamForms.Ndjson)]
    [InlineData(StreamForms.Csv)]
    public async Task Problem_IsAProblemWhateverIsAccepted(string accept)
    {
        (await PostAsync("query", new { activityId = "a", sql = "SELECT 1", unknown = 1 }, accept)).ExpectProblem(400, "invalid_request");
        (await PostAsync("query", new { activityId = "a", sql = "SELECT 1", connection = "nowhere" }, accept)).ExpectProblem(404, "connection_not_found");
        (await PostAsync("execute", new { activityId = "a", sql = "SELECT 1/0" }, accept)).ExpectProblem(422, "sql_error");
    }

    private Task<Answer> PostAsync(string endpoint, object request, string? accept) => fixture.Client.PostAsync(
        endpoint, JsonSerializer.SerializeToUtf8Bytes(request), accept is null ? [] : [("Accept", accept)]);
}
