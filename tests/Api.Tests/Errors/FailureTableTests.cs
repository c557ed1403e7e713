using System.Text.RegularExpressions;
using Gateway.Api.Errors;
using Gateway.Contracts;

namespace Gateway.Api.Tests.Errors;

public sealed partial class FailureTableTests
{
    public static TheoryData<ProblemCode> Codes => [.. Enum.GetValues<ProblemCode>()];

    [Theory]
    [MemberData(nameof(Codes))]
    public void EachCode_IsRetryableJustWhereEnginesRetryItsStatus(ProblemCode code)
    {
        var answer = FailureTable.For(code);

        Assert.Equal(answer.Status is 408 or 409 or 429 or >= 500, answer.Retryable);
    }

    /// <summary>The table in docs/errors.md is this one, word for word.</summary>
    [Fact]
    public void Documentation_HasTheSameTable()
    {
        var documented = DocumentedRow().Matches(File.ReadAllText(Repository.PathOf("docs/errors.md"))).Select(row => row.Value).ToArray();

        var expected = FailureTable.Answers.Select(row =>
            $"| `{FailureForm.NameOf(row.Key)}` | {row.Value.Status} | {(row.Value.Retryable ? "yes" : "no")} | {row.Value.Title} |");
        Assert.Equal(expected, documented);
    }

    [Theory]
    [InlineData("23505", ProblemCode.SqlError)]
    [InlineData("25006", ProblemCode.ReadOnly)]
    [InlineData("40001", ProblemCode.Conflict)]
    [InlineData("40P01", ProblemCode.Conflict)]
    [InlineData("40002", ProblemCode.SqlError)]
    [InlineData("55P03", ProblemCode.Conflict)]
    [InlineData("55000", ProblemCode.SqlError)]
    [InlineData("57014", ProblemCode.DeadlineExceeded)]
    [InlineData("57P01", ProblemCode.DatabaseUnavailable)]
    [InlineData("57P02", ProblemCode.DatabaseUnavailable)]
    [InlineData("57P03", ProblemCode.DatabaseUnavailable)]
    [InlineData("08006", ProblemCode.DatabaseUnavailable)]
    [InlineData("53300", ProblemCode.DatabaseUnavailable)]
    [InlineData("XX000", ProblemCode.SqlError)]
    [InlineData("ABCDE", ProblemCode.SqlError)]
    public void SqlState_HasItsCode(string sqlState, ProblemCode code) =>
        Assert.Equal(code, PostgresFailure.Classify(sqlState));

    [GeneratedRegex(@"^\| `\w+` \| \d+ \| (yes|no) \| .* \|$", RegexOptions.Multiline)]
    private static partial Regex DocumentedRow();
}
