using System.Diagnostics;
using System.Text.Json;
using Gateway.Api.Endpoints;
using Gateway.Api.Errors;
using Gateway.Api.Neon;

namespace Gateway.Api.Tests.Endpoints;

/// <summary>
/// Tests requests with as many faults as fit. The cost is measured in allocated bytes, which no other process can
/// change: eight times the size must cost about eight times as much. It was once 64 times.
/// </summary>
public sealed class ManyFaultsTests
{
    /// <summary>
    /// The bytes that shared pools may allocate for the first large body; a quadratic cost would be thousands of times
    /// that.
    /// </summary>
    private const long PoolGrowth = 1 << 20;

    private const int Few = 1_000;
    private const int Times = 8;
    private const double MostGrowth = 1.5 * Times;

    [Theory]
    [InlineData(nameof(Operation.Query), """{FAULTS}""", "\"f#\": 1")]
    [InlineData(nameof(Operation.Query), """{"activityId": "a", "sql": "SELECT 1", FAULTS}""", "\"attempt\": #")]
    [InlineData(nameof(Operation.Query), """{FAULTS}""", "\"\\ud800#\": 1")]
    [InlineData(nameof(Operation.Execute), """{"activityId": "a", "sql": "SELECT 1", "expect": {FAULTS}}""", "\"f#\": 1")]
    [InlineData(nameof(Operation.Execute), """{"activityId": "a", "sql": "SELECT 1", "parameters": {FAULTS}}""", "\"f#\": 1")]
    [InlineData(nameof(Operation.Execute), """{"activityId": "a", "sql": "SELECT 1", "parameters": {FAULTS}}""", "\"\\ud800#\": 1")]
    [InlineData(nameof(Operation.Execute), """{"activityId": "a", "sql": "SELECT :x", "parameters": {FAULTS}}""", "\"x\": #")]
    [InlineData(nameof(Operation.Execute), """{"activityId": "a", "sql": "SELECT FAULTS", "parameters": {"x": 1}}""", ":f#")]
    [InlineData(nameof(Operation.Execute), """{"activityId": "a", "sql": "SELECT FAULTS", "parameters": {}, "parameterTypes": {}}""", ":f#")]
    [InlineData(nameof(Operation.Execute), """{"activityId": "a", "sql": "SELECT $COUNT", "parameters": [FAULTS]}""", "1")]
    [InlineData(nameof(Operation.Execute), """{"activityId": "a", "sql": "SELECT $COUNT", "parameters": [FAULTS]}""", "\"\\u0000\"")]
    [InlineData(nameof(Operation.Execute), """{"activityId": "a", "sql": "SELECT $COUNT", "parameters": [FAULTS]}""", "\"\\ud800\"")]
    [InlineData(nameof(Operation.Execute), """{"activityId": "a", "sql": "SELECT $COUNT", "parameterTypes": [FAULTS]}""", "1")]
    [InlineData(nameof(Operation.Execute), """{"activityId": "a", "sql": "SELECT 1", "parameterTypes": {FAULTS}}""", "\"f#\": \"int\"")]
    [InlineData(nameof(Operation.Transaction), """{"activityId": "a", "statements": [{"sql": "SELECT 1"}, {"sql": "SELECT $COUNT", "parameters": [FAULTS]}]}""", "{\"$ref\": \"#\"}")]
    [InlineData(nameof(Operation.Transaction), """{"activityId": "a", "statements": [{"sql": "SELECT 1", FAULTS}]}""", "\"f#\": 1")]
    [InlineData(null, """{"query": "SELECT $COUNT", "params": [FAULTS]}""", "\"\\ud800\"")]
    [InlineData(null, """{"query": "SELECT 1", FAULTS, "arrayMode": 1}""", "\"\\ud800#\": 1")]
    [InlineData(null, """{"query": "SELECT $COUNT", "params": [FAULTS]}""", "[\"\\u0000\", [\"\\u0000\"]]")]
    public void MoreFaults_CostInProportion(string? operation, string body, string fault)
    {
        Measure(operation, body, fault, 10);

        var few = Measure(operation, body, fault, Few);
        var many = Measure(operation, body, fault, Few * Times);

        Assert.True(many < (MostGrowth * few) + PoolGrowth, $"{Few} cost {few} bytes and {Few * Times} cost {many}.");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(49)]
    [InlineData(50)]
    [InlineData(51)]
    [InlineData(16_000)]
    public void MoreThanAreKept_AreCounted(int count)
    {
        var failure = Refuse(nameof(Operation.Query), Body("""{"activityId": "a", "sql": "SELECT 1", FAULTS}""", "\"f#\": 1", count));

        var problem = JsonDocument.Parse(ProblemAnswer.Instance.BodyOf(failure, null)).RootElement;
        var more = problem.TryGetProperty("moreErrors", out var rest) ? rest.GetInt32() : 0;
        Assert.Equal(count, problem.GetProperty("errors").GetArrayLength() + more);
        Assert.Equal(count == 1, problem.GetProperty("detail").GetString() != $"The request has {count} faults.");
        Assert.Equal("/f0", problem.GetProperty("errors")[0].GetProperty("pointer").GetString());

        var message = JsonDocument.Parse(new SqlError().BodyOf(failure, null)).RootElement.GetProperty("message").GetString()!;
        Assert.Equal(count > 10, message.EndsWith($" And {count - 10} more.", StringComparison.Ordinal));
    }

    /// <summary>Returns the bytes that are allocated to read the body and to answer it.</summary>
    private static long Measure(string? operation, string body, string fault, int count)
    {
        var text = Body(body, fault, count);
        var before = GC.GetAllocatedBytesForCurrentThread();
        var failure = Refuse(operation, text);
        FailureForm form = operation is null ? new SqlError() : ProblemAnswer.Instance;
        form.BodyOf(failure, null);
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }

    private static Failure Refuse(string? operation, string body)
    {
        try
        {
            if (operation is not null)
            {
                Requests.Read(body, Enum.Parse<Operation>(operation));
            }
            else
            {
                using var document = JsonDocument.Parse(body);
                SqlRequestReader.Read(document.RootElement, arrayMode: false);
            }
        }
        catch (Failure failure)
        {
            return failure;
        }
        throw new UnreachableException("The request has faults.");
    }

    private static string Body(string body, string fault, int count) => body
        .Replace("FAULTS", string.Join(", ", Enumerable.Range(0, count).Select(index => fault.Replace("#", index.ToString()))))
        .Replace("COUNT", count.ToString());
}
