using System.Net;
using Gateway.Api.PostgresTests.Faults;

namespace Gateway.Api.PostgresTests.ExactlyOnce;

/// <summary>
/// Tests that the server ends the session by a FATAL or a PANIC, with any SQLSTATE: before COMMIT there is no effect,
/// and at COMMIT the outcome is unknown.
/// </summary>
public sealed class EndedSessionTests(GatewayFixture fixture)
{
    /// <summary>
    /// The SQLSTATEs of a failing server, of a server's timeouts, and of a caller's own error with
    /// <c>exit_on_error</c>.
    /// </summary>
    private static readonly string[] States =
    [
        "58030", "53100", "53200", "XX000", "XX001", "25P03", "25P04", "57P01", "57P02", "57P04", "57P05", "57014", "08006", "F0000",
        "23505", "40001", "42501", "25006", "GJ001", "GJ002", "P0001",
    ];

    [Theory]
    [InlineData("FATAL")]
    [InlineData("PANIC")]
    public async Task AtCommitWhichWentThrough_TheAnswerIsTheRecord(string severity)
    {
        await using var effects = await Effects.CreateAsync(fixture);
        await using var proxy = FaultProxy.Start(effects.Dsn);
        await using var gateway = await StartAsync(proxy);
        var retrying = new Retrying([gateway.Client]);

        foreach (var (number, state) in States.Index())
        {
            var activity = Activity.Execute($"{severity}/{state}", Effects.Insert, new[] { $"{severity}/{state}" });
            // Now a session is idle. The next request uses it and gets the error, and the one after it does not.
            await gateway.Client.QueryAsync("SELECT 1");
            proxy.SetExisting(new EndInstead("COMMIT", severity, state));

            var answer = await gateway.Client.PostAsync(activity.Endpoint, activity.Request);

            Assert.Equal(number + 1, proxy.AnswersReplaced);
            proxy.SetExisting(Fault.None);
            answer.Expect(HttpStatusCode.OK);
            Assert.Equal("true", answer.Headers["Idempotent-Replayed"]);
            Assert.Equal(1, await effects.CountAsync(activity));
            await retrying.AssertReplayedAsync(activity, answer);
        }
        Assert.Equal(States.Length, await effects.RunsAsync());
    }

    [Fact]
    public async Task AtCommitWhereNothingCanBeFoundOut_TheOutcomeIsUnknownUntilItIsSentAgain()
    {
        await using var effects = await Effects.CreateAsync(fixture);
        await using var proxy = FaultProxy.Start(effects.Dsn);
        await using var gateway = await StartAsync(proxy);
        var retrying = new Retrying([gateway.Client]);

        foreach (var state in new[] { "58030", "XX000", "25P03", "57P01", "23505" })
        {
            var activity = Activity.Execute($"lost/{state}", Effects.Insert, new[] { $"lost/{state}" }, timeoutMs: 700);
            await gateway.Client.QueryAsync("SELECT 1");
            proxy.SetExisting(new EndInstead("COMMIT", "FATAL", state));
            proxy.SetUpcoming(new Reset());

            var lost = await gateway.Client.PostAsync(activity.Endpoint, activity.Request);

            proxy.Set(Fault.None);
            Assert.Equal("unknown", lost.ExpectProblem(503, "outcome_unknown").GetProperty("committed").GetString());
            Assert.Equal(1, await effects.CountAsync(activity));
            Assert.Equal("true", (await retrying.RunAsync(activity)).Headers["Idempotent-Replayed"]);
            Assert.Equal(1, await effects.CountAsync(activity));
        }
    }

    [Fact]
    public async Task AtCommitWithoutARecord_TheOutcomeIsUnknown()
    {
        await using var effects = await Effects.CreateAsync(fixture);
        await using var proxy = FaultProxy.Start(effects.Dsn);
        await using var gateway = await StartAsync(proxy);

        foreach (var state in States)
        {
            var activity = Activity.Execute($"once/{state}", Effects.Insert, new[] { $"once/{state}" }, Activity.AtLeastOnce);
            await gateway.Client.QueryAsync("SELECT 1");
            proxy.SetExisting(new EndInstead("COMMIT", "FATAL", state));

            var answer = await gateway.Client.PostAsync(activity.Endpoint, activity.Request);

            proxy.SetExisting(Fault.None);
            Assert.Equal("unknown", answer.ExpectProblem(503, "outcome_unknown").GetProperty("committed").GetString());
            Assert.Equal(1, await effects.CountAsync(activity));
        }
    }

    [Theory]
    [InlineData("58030", 503, "database_unavailable")]
    [InlineData("53100", 503, "database_unavailable")]
    [InlineData("XX000", 503, "database_unavailable")]
    [InlineData("57P04", 503, "database_unavailable")]
    [InlineData("25P03", 504, "deadline_exceeded")]
    [InlineData("25P04", 504, "deadline_exceeded")]
    [InlineData("23505", 422, "sql_error")]
    public async Task BeforeCommit_NothingIsKeptAndItIsSentAgain(string state, int status, string code)
    {
        await using var effects = await Effects.CreateAsync(fixture);
        await using var proxy = FaultProxy.Start(effects.Dsn);
        await using var gateway = await StartAsync(proxy);
        var retrying = new Retrying([gateway.Client]);
        var activity = Activity.Execute("ended", Effects.Insert, new[] { "ended" });
        await gateway.Client.QueryAsync("SELECT 1");
        proxy.SetExisting(new EndInstead("INSERT", "FATAL", state));

        var ended = await gateway.Client.PostAsync(activity.Endpoint, activity.Request);

        proxy.SetExisting(Fault.None);
        var problem = ended.ExpectProblem(status, code);
        Assert.Equal(("no", state), (problem.GetProperty("committed").GetString(), problem.GetProperty("sqlState").GetString()));
        Assert.Equal("false", (await retrying.RunAsync(activity)).Headers["Idempotent-Replayed"]);
        Assert.Equal(1, await effects.CountAsync(activity));
    }

    /// <summary>
    /// The server that a lost answer is settled on may not have the journal yet. That settles nothing.
    /// </summary>
    [Fact]
    public async Task JournalThatIsNotThereWhileInDoubt_SettlesNothing()
    {
        await using var effects = await Effects.CreateAsync(fixture);
        await using var proxy = FaultProxy.Start(effects.Dsn);
        await using var gateway = await StartAsync(proxy);
        var activity = Activity.Execute("taken-over", Effects.Insert, new[] { "taken-over" }, timeoutMs: 1000);
        await gateway.Client.QueryAsync("SELECT 1");
        var hold = new HoldAt(Boundary.CommitSent);
        proxy.SetExisting(hold);
        var sending = gateway.Client.PostAsync(activity.Endpoint, activity.Request);
        await hold.ReachedAsync();
        await GatewayFixture.ExecuteAsync(effects.Dsn, "ALTER SCHEMA gateway_journal RENAME TO not_yet");
        proxy.SetUpcoming(Fault.None);
        hold.Drop();

        var lost = await sending;

        Assert.Equal("unknown", lost.ExpectProblem(503, "outcome_unknown").GetProperty("committed").GetString());
        Assert.Equal(1, await effects.CountAsync(activity));
        await GatewayFixture.ExecuteAsync(effects.Dsn, "ALTER SCHEMA not_yet RENAME TO gateway_journal");
        // A gateway looks for a missing journal only a few times per second.
        var settled = await Answer.UntilAsync(
            () => gateway.Client.PostAsync(activity.Endpoint, activity.Request), answer => answer.Status == HttpStatusCode.OK);
        Assert.Equal("true", settled.Headers["Idempotent-Replayed"]);
        Assert.Equal(1, await effects.CountAsync(activity));
    }

    /// <summary>The server really ends the session, because of the caller's own error.</summary>
    [Fact]
    public async Task ExitOnErrorOfTheCallers_IsItsOwnErrorAndNothingIsKept()
    {
        await using var effects = await Effects.CreateAsync(fixture);
        await using var gateway = await RunningGateway.StartAsync($"--DSN={effects.Dsn}", "--Gateway:Connections:default:PoolSize=1");
        foreach (var sql in new[]
        {
            "ALTER TABLE effect ADD UNIQUE (activity, run)",
            "ALTER TABLE effect ADD CONSTRAINT late UNIQUE (run) DEFERRABLE INITIALLY DEFERRED",
        })
        {
            await GatewayFixture.ExecuteAsync(effects.Dsn, sql);
        }
        const string Twice =
            "DO $$ BEGIN SET exit_on_error = on; PERFORM nextval('run'); INSERT INTO effect VALUES ('{0}', -1), ('{1}', -1); END $$";

        var before = await effects.RunsAsync();
        var atOnce = await gateway.Client.PostAsync("execute", new { activityId = "at-once", sql = string.Format(Twice, "a", "a") });
        var late = await gateway.Client.PostAsync("execute", new { activityId = "late", sql = string.Format(Twice, "a", "b") });
        var twice = await gateway.Client.PostAsync(
            "execute", new { activityId = "late", sql = string.Format(Twice, "a", "b"), delivery = "at-least-once" });
        var next = await gateway.Client.PostAsync("execute", new { activityId = "late", sql = "SELECT 1" });

        foreach (var refused in new[] { atOnce, late })
        {
            var problem = refused.ExpectProblem(422, "sql_error");
            Assert.Equal(("no", "23505"), (problem.GetProperty("committed").GetString(), problem.GetProperty("sqlState").GetString()));
        }
        Assert.Equal("unknown", twice.ExpectProblem(503, "outcome_unknown").GetProperty("committed").GetString());
        // Settling takes a claim, and not another run of the statement.
        Assert.Equal(before + 3, await effects.RunsAsync());
        Assert.Equal("false", next.Headers["Idempotent-Replayed"]);
        Assert.Equal(0, await effects.CountAsync(Activity.Execute("a", "")));
        Assert.Equal(0, await effects.CountAsync(Activity.Execute("b", "")));
    }

    private static Task<RunningGateway> StartAsync(FaultProxy proxy) =>
        RunningGateway.StartAsync($"--DSN={proxy.Dsn}", "--Gateway:Connections:default:PoolSize=1");
}
