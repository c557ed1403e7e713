using Gateway.Api.Errors;
using Gateway.Api.Execution;
using Gateway.Api.Postgres;
using Gateway.Contracts;
using Npgsql;

namespace Gateway.Api.Tests.Execution;

/// <summary>
/// After which failures a call runs again, and which of them leave open what became of an earlier run.
/// </summary>
public sealed class AttemptsTests
{
    public static TheoryData<ProblemCode> Codes => [.. Enum.GetValues<ProblemCode>()];

    /// <summary>Nothing that happens before the claim, on whichever server, tells what became of a COMMIT.</summary>
    [Theory]
    [MemberData(nameof(Codes))]
    public async Task FailureBeforeTheClaimWhileInDoubt_RunsAgainAndSettlesNothing(ProblemCode code)
    {
        using var deadline = Deadline();
        var attempts = new Attempts(deadline, TimeProvider.System);
        Assert.True(await attempts.GoOnAsync(new CommitInDoubtException(new NpgsqlException())));

        Assert.True(attempts.IsInDoubtAfter(new Failure(code, "of a run without the claim")));
        Assert.True(await attempts.GoOnAsync(new Failure(code, "of a run without the claim")));
        Assert.True(attempts.NeedsNewSession);
    }

    [Theory]
    [InlineData(ProblemCode.SqlError)]
    [InlineData(ProblemCode.ReadOnly)]
    [InlineData(ProblemCode.ActivityMismatch)]
    [InlineData(ProblemCode.ResultTooLarge)]
    public async Task RefusalOfARunThatHadTheClaim_IsTheAnswer(ProblemCode code)
    {
        using var deadline = Deadline();
        var attempts = new Attempts(deadline, TimeProvider.System);
        Assert.True(await attempts.GoOnAsync(new CommitInDoubtException(new NpgsqlException())));

        attempts.KnowsOutcome = true;

        Assert.False(await attempts.GoOnAsync(new Failure(code, "")));
        Assert.False(attempts.IsInDoubtAfter(new Failure(code, "")));
    }

    [Theory]
    [MemberData(nameof(Codes))]
    public async Task FailureWithoutDoubt_RunsAgainOnlyWhereItWasAConflict(ProblemCode code)
    {
        using var deadline = Deadline();
        var attempts = new Attempts(deadline, TimeProvider.System);
        var failure = new Failure(code, "") { Refusal = new PostgresRefusal(PostgresErrorCodes.SerializationFailure) };

        Assert.Equal(code == ProblemCode.Conflict, await attempts.GoOnAsync(failure));
        Assert.False(attempts.IsInDoubtAfter(failure));
    }

    /// <summary>The next runs need nothing but the claim, until one of them gets it or finds the record.</summary>
    [Fact]
    public async Task RefusalAtCommit_IsRemembered()
    {
        using var deadline = Deadline();
        var attempts = new Attempts(deadline, TimeProvider.System);
        var refusal = new Failure(ProblemCode.SqlError, "what the server said");

        Assert.Null(attempts.Refusal);
        await attempts.GoOnAsync(new CommitInDoubtException(new NpgsqlException()) { Refusal = refusal });
        await attempts.GoOnAsync(new Failure(ProblemCode.ActivityInFlight, ""));

        Assert.Same(refusal, attempts.Refusal);
    }

    private static Deadline Deadline() =>
        new(TimeSpan.FromMinutes(1), TimeSpan.Zero, TimeProvider.System, CancellationToken.None);
}
