using System.Text.RegularExpressions;
using Gateway.Api.Errors;
using Gateway.Contracts;
using Npgsql;

namespace Gateway.Api.Tests.Errors;

public sealed partial class ProblemTableTests
{
    public static TheoryData<ProblemCode> Codes => [.. Enum.GetValues<ProblemCode>()];

    [Theory]
    [MemberData(nameof(Codes))]
    public void EachCode_IsRetryableJustWhereEnginesRetryItsStatus(ProblemCode code)
    {
        var answer = ProblemTable.For(code);

        Assert.Equal(answer.Status is 408 or 409 or 429 or >= 500, answer.Retryable);
    }

    /// <summary>The table in docs/errors.md equals this one, word for word.</summary>
    [Fact]
    public void Documentation_HasTheSameTable()
    {
        var documented = DocumentedRow().Matches(File.ReadAllText(Repository.PathOf("docs/errors.md"))).Select(row => row.Value).ToArray();

        var expected = ProblemTable.Kinds.Select(row =>
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
    [InlineData("57000", ProblemCode.DatabaseUnavailable)]
    [InlineData("58030", ProblemCode.DatabaseUnavailable)]
    [InlineData("58P01", ProblemCode.SqlError)]
    [InlineData("25P03", ProblemCode.SqlError)]
    [InlineData("XX000", ProblemCode.SqlError)]
    [InlineData("XX001", ProblemCode.DatabaseUnavailable)]
    [InlineData("ABCDE", ProblemCode.SqlError)]
    public void SqlState_HasItsCode(string sqlState, ProblemCode code) =>
        Assert.Equal(code, PostgresFailure.Classify(new PostgresException("", "ERROR", "ERROR", sqlState)));

    /// <summary>
    /// A fault of the server itself may be gone at the next attempt, so the engine sends the activity again.
    /// </summary>
    [Theory]
    [InlineData("23505", ProblemCode.SqlError)]
    [InlineData("25006", ProblemCode.ReadOnly)]
    [InlineData("25P03", ProblemCode.DeadlineExceeded)]
    [InlineData("25P04", ProblemCode.DeadlineExceeded)]
    [InlineData("40001", ProblemCode.Conflict)]
    [InlineData("57014", ProblemCode.DeadlineExceeded)]
    [InlineData("57P01", ProblemCode.DatabaseUnavailable)]
    [InlineData("57P04", ProblemCode.DatabaseUnavailable)]
    [InlineData("57P05", ProblemCode.DatabaseUnavailable)]
    [InlineData("53100", ProblemCode.DatabaseUnavailable)]
    [InlineData("58030", ProblemCode.DatabaseUnavailable)]
    [InlineData("58P01", ProblemCode.DatabaseUnavailable)]
    [InlineData("XX000", ProblemCode.DatabaseUnavailable)]
    [InlineData("XX002", ProblemCode.DatabaseUnavailable)]
    public void SqlStateThatEndsTheSession_HasItsCode(string sqlState, ProblemCode code)
    {
        foreach (var severity in new[] { "FATAL", "PANIC" })
            Assert.Equal(code, PostgresFailure.Classify(new PostgresException("", "in the server's language", severity, sqlState)));
    }

    /// <summary>The table of SQLSTATEs in docs/errors.md equals the one in the code, row by row.</summary>
    [Fact]
    public void Documentation_HasTheSameSqlStates()
    {
        var documented = DocumentedStates().Matches(File.ReadAllText(Repository.PathOf("docs/errors.md")))
            .SelectMany(row => SqlState().Matches(row.Groups["states"].Value).Select(state =>
                (state.Groups["state"].Value, row.Groups["lives"].Value, row.Groups["ended"].Value)));

        Assert.Equal(
            PostgresFailure.Codes.Select(row =>
                (row.Key, FailureForm.NameOf(row.Value.SessionLives), FailureForm.NameOf(row.Value.SessionEnded))).Order(),
            documented.Order());
    }

    [GeneratedRegex(@"^\| (?<states>(class )?[0-9A-Z]{2,5}\b[^|]*) \| `(?<lives>\w+)` \| `(?<ended>\w+)` \|$", RegexOptions.Multiline)]
    private static partial Regex DocumentedStates();

    [GeneratedRegex(@"\b(class )?(?<state>[0-9A-Z]{5}|(?<=class )[0-9A-Z]{2})\b")]
    private static partial Regex SqlState();

    [GeneratedRegex(@"^\| `\w+` \| \d+ \| (yes|no) \| .* \|$", RegexOptions.Multiline)]
    private static partial Regex DocumentedRow();
}
