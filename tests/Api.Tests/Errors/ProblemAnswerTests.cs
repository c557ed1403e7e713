using System.Text.Json;
using Gateway.Api.Errors;
using Gateway.Contracts;

namespace Gateway.Api.Tests.Errors;

public sealed class ProblemAnswerTests
{
    [Fact]
    public void SmallProblem_HasJustWhatIsKnown()
    {
        var json = Serialize(new Failure(ProblemCode.SqlError, "division by zero") { Refusal = new PostgresRefusal("22012") });

        Assert.Equal(
            """{"type":"/problems/sql_error","title":"PostgreSQL refused the statement","status":422,"code":"sql_error",""" +
            "\"detail\":\"division by zero\",\"sqlState\":\"22012\",\"retryable\":false,\"committed\":\"no\",\"activityId\":\"a\"}",
            json.GetRawText());
    }

    [Theory]
    [InlineData("x")]
    [InlineData("\"")]
    [InlineData("\u0001")]
    [InlineData("€")]
    [InlineData("😀")]
    public void LongTexts_AreCutToTheLimitBetweenCharacters(string character)
    {
        var text = string.Concat(Enumerable.Repeat(character, 10_000));
        var json = Serialize(new Failure(ProblemCode.SqlError, text) { Refusal = new PostgresRefusal("P0001") { Hint = text } });

        Assert.EndsWith("…", json.GetProperty("detail").GetString());
        Assert.DoesNotContain('\uFFFD', json.GetProperty("detail").GetString()!);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(10)]
    [InlineData(1000)]
    public void ManyFaults_AreKeptAsFarAsTheyFitAndTheRestIsCounted(int count)
    {
        var faults = Enumerable.Range(0, count).Select(n => new RequestFault($"/field{n}", new string('x', 150))).ToArray();

        var json = Serialize(Failure.Invalid(faults));

        var kept = json.GetProperty("errors").GetArrayLength();
        var more = json.TryGetProperty("moreErrors", out var rest) ? rest.GetInt32() : 0;
        Assert.Equal(count, kept + more);
        Assert.True(kept >= Math.Min(count, 5));
    }

    private static JsonElement Serialize(Failure failure)
    {
        var body = ProblemAnswer.Serialize(ProblemAnswer.Describe(failure, ProblemTable.For(failure.Code), "a"));
        Assert.InRange(body.Length, 1, ProblemAnswer.LargestProblemBytes);
        return JsonDocument.Parse(body).RootElement;
    }
}
