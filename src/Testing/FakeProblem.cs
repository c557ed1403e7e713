using System.Text.Json;
using Gateway.Client;
using Gateway.Contracts;

namespace Gateway.Testing;

/// <summary>Makes the exceptions of a client, for a <see cref="FakeGatewayClient"/> to throw.</summary>
public static class FakeProblem
{
    private const string Detail = "The test says so.";

    /// <summary>
    /// Returns what a client throws for a problem. Status, title and <c>Retryable</c> are those of the code.
    /// </summary>
    /// <param name="code">The code.</param>
    /// <param name="detail">What happened.</param>
    /// <param name="committed">Whether the request took effect.</param>
    /// <param name="attempt">The number of the last try.</param>
    public static GatewayException Of(
        ProblemCode code, string detail = Detail, Committed committed = Committed.No, int attempt = 1) =>
        new(Describe(code, detail) with { Committed = committed }, attempt);

    /// <summary>Returns what a client throws for an error of PostgreSQL that a retry can't fix.</summary>
    /// <param name="sqlState">PostgreSQL's code, such as <c>23505</c> for a violated UNIQUE.</param>
    /// <param name="constraint">The constraint that was violated.</param>
    /// <param name="attempt">The number of the last try.</param>
    public static GatewayException SqlError(string sqlState, string? constraint = null, int attempt = 1) =>
        new(Describe(ProblemCode.SqlError, Detail) with { SqlState = sqlState, Constraint = constraint }, attempt);

    private static Problem Describe(ProblemCode code, string detail)
    {
        var answer = ProblemTable.For(code);
        return new Problem
        {
            Type = $"/problems/{JsonNamingPolicy.SnakeCaseLower.ConvertName(code.ToString())}",
            Title = answer.Title,
            Status = answer.Status,
            Code = code,
            Detail = detail,
            Retryable = answer.Retryable,
            Committed = Committed.No,
        };
    }
}
