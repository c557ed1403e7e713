using System.Diagnostics;
using System.Net;
using Gateway.Api.PostgresTests.Faults;

namespace Gateway.Api.PostgresTests;

/// <summary>
/// Tests promise 1, the deadline: whatever the SQL or the server does, the caller has its answer by deadline + 500 ms,
/// and the backend is free or gone by deadline + 1 s. There is only one session, so that the next request shows the
/// state that the last one left.
/// </summary>
[Collection(TimingCollection.Name)]
public sealed class DeadlineTests(GatewayFixture fixture, ITestOutputHelper output)
{
    private const int Budget = 400;

    /// <summary>Enough for a busy machine, and far less than the 20 seconds that the statements take.</summary>
    private const int AnswerGrace = 3000;

    /// <summary>A timer's clock has a resolution of a few milliseconds, and may be early by that.</summary>
    private const int TimerGrain = 10;

    /// <inheritdoc cref="AnswerGrace"/>
    private const int BackendGrace = 10_000;

    /// <summary>A loop that runs much longer than the promise, and still ends if the gateway does not end it.</summary>
    private const string EndsSomeDay = "clock_timestamp() < stop";

    public static TheoryData<string, string> Statements => new()
    {
        { "sleeps", "SELECT pg_sleep(20)" },
        { "switches statement_timeout off", "SELECT set_config('statement_timeout', '0', false), pg_sleep(20)" },
        { "switches statement_timeout off in a block", "DO $$ BEGIN SET statement_timeout = 0; PERFORM pg_sleep(20); END $$" },
        { "catches the cancel", Catching("PERFORM pg_sleep(20)") },
        { "catches the cancel, computing", Catching($"WHILE {EndsSomeDay} LOOP i := i + 1; END LOOP") },
        { "computes", $"DO $$ {Declare} BEGIN WHILE {EndsSomeDay} LOOP i := i + 1; END LOOP; END $$" },
        { "computes without a pause to look at", "SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b" },
        { "dribbles rows", "SELECT g, pg_sleep(0.2) FROM generate_series(1, 100) g" },
        { "dribbles rows that fill buffers", "SELECT repeat('x', 9000), pg_sleep(0.2) FROM generate_series(1, 100) g" },
        { "waits for an advisory lock", "SELECT pg_advisory_xact_lock(hashtext('deadline'))" },
        { "waits for a session's advisory lock", "SELECT pg_advisory_lock(hashtext('deadline'))" },
    };

    private static string Declare => "DECLARE i bigint := 0; stop timestamptz := clock_timestamp() + interval '20 s';";

    [Theory]
    [MemberData(nameof(Statements))]
    public async Task StatementThatOutlivesTheBudget_EndsWithIt(string what, string sql)
    {
        await using var backends = await Backends.WatchAsync(fixture.Dsn);
        await using var gateway = await StartAsync(backends, fixture.Dsn);
        await backends.ExecuteAsync("SELECT pg_advisory_lock(hashtext('deadline'))");

        var run = await RunAsync(gateway, "query", sql);

        AssertDeadlineExceeded(run);
        await AssertFreeAsync(backends, run, what);
        await AssertWorksAsync(gateway);
    }

    [Theory]
    [InlineData("UPDATE locked_rows SET n = n + 1 RETURNING n")]
    [InlineData("LOCK TABLE locked_rows")]
    public async Task LockThatAnotherSessionHolds_IsWaitedForUntilTheDeadline(string sql)
    {
        await fixture.ExecuteAsync("CREATE TABLE IF NOT EXISTS locked_rows AS SELECT 0 AS n");
        await using var backends = await Backends.WatchAsync(fixture.Dsn);
        await using var gateway = await StartAsync(backends, fixture.Dsn);
        await backends.ExecuteAsync("BEGIN; SELECT * FROM locked_rows FOR UPDATE");

        var run = await RunAsync(gateway, "execute", sql);

        AssertDeadlineExceeded(run);
        await AssertFreeAsync(backends, run, sql);
        await backends.ExecuteAsync("COMMIT");
        Assert.Equal(0, await backends.ReadAsync<int>("SELECT n FROM locked_rows"));
        await AssertWorksAsync(gateway);
    }

    /// <summary>
    /// Statements of a constraint trigger at COMMIT. A cancel can come too late there: it may be caught, and the commit
    /// succeed. So any answer is right that claims no more than is true.
    /// </summary>
    [Theory]
    [InlineData("sleeps", "PERFORM pg_sleep(20)")]
    [InlineData("catches_cancels", "WHILE clock_timestamp() < stop LOOP BEGIN PERFORM pg_sleep(20); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP")]
    [InlineData("commits_when_cancelled", "BEGIN PERFORM pg_sleep(20); EXCEPTION WHEN query_canceled THEN NULL; END")]
    [InlineData("commits_late", "BEGIN PERFORM pg_sleep(20); EXCEPTION WHEN query_canceled THEN PERFORM pg_sleep(0.2); END")]
    [InlineData("computes", "WHILE clock_timestamp() < stop LOOP i := i + 1; END LOOP")]
    public async Task TriggerAtCommitThatOutlivesTheBudget_IsAnsweredByWhatIsTrue(string what, string body)
    {
        await fixture.ExecuteAsync(
            $"""
            CREATE TABLE at_commit_{what} (a int);
            CREATE FUNCTION at_commit_{what}() RETURNS trigger LANGUAGE plpgsql AS $$ {Declare} BEGIN {body}; RETURN NULL; END $$;
            CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON at_commit_{what} DEFERRABLE INITIALLY DEFERRED
                FOR EACH ROW EXECUTE FUNCTION at_commit_{what}();
            """);
        await using var backends = await Backends.WatchAsync(fixture.Dsn);
        await using var gateway = await StartAsync(backends, fixture.Dsn);

        var run = await RunAsync(gateway, "execute", $"INSERT INTO at_commit_{what} VALUES (1)");

        AssertInTime(run);
        await AssertFreeAsync(backends, run, what);
        AssertTrue(run.Answer, await backends.ReadAsync<long>($"SELECT count(*) FROM at_commit_{what}"), "deadline_exceeded");
        await AssertWorksAsync(gateway);
    }

    [Theory]
    [InlineData("SELECT pg_sleep(20)", "active", Direction.Both)]
    [InlineData("SELECT pg_sleep(20)", "active", Direction.ToClient)]
    [InlineData("INSERT INTO silent VALUES (1)", "idle in transaction", Direction.Both)]
    public async Task ServerThatFallsSilentInAStatement_IsGivenUpAndItsBackendEnded(string sql, string state, Direction direction)
    {
        await fixture.ExecuteAsync("CREATE TABLE IF NOT EXISTS silent (a int)");
        await using var backends = await Backends.WatchAsync(fixture.Dsn);
        await using var proxy = FaultProxy.Start(fixture.Dsn);
        await using var gateway = await StartAsync(backends, proxy.Dsn);
        // The statement must reach the server; only the answer is lost.
        proxy.SetExisting(new BlackHole(Direction.ToClient));

        var running = RunAsync(gateway, "execute", sql);
        await backends.UntilAsync(state);
        proxy.SetExisting(new BlackHole(direction));
        var run = await running;

        AssertDeadlineExceeded(run);
        await AssertFreeAsync(backends, run, sql);
        Assert.Equal(0, await backends.ReadAsync<long>("SELECT count(*) FROM silent"));
        await AssertWorksAsync(gateway);
    }

    /// <summary>
    /// If nothing reaches the server any more, its backend can't be ended. The caller still gets its answer.
    /// </summary>
    [Fact]
    public async Task ServerThatNothingReachesAnyMore_IsGivenUpInTime()
    {
        await using var backends = await Backends.WatchAsync(fixture.Dsn);
        await using var proxy = FaultProxy.Start(fixture.Dsn);
        await using var gateway = await StartAsync(backends, proxy.Dsn);

        var running = RunAsync(gateway, "query", "SELECT pg_sleep(20)");
        await backends.UntilAsync("active");
        proxy.Set(new BlackHole());
        AssertDeadlineExceeded(await running);
        AssertDeadlineExceeded(await RunAsync(gateway, "query", "SELECT 1"));

        proxy.Set(Fault.None);
        await AssertWorksAsync(gateway);
        await backends.TerminateAsync();
    }

    [Theory]
    [InlineData(Direction.Both)]
    [InlineData(Direction.ToClient)]
    public async Task ServerThatDoesNotAnswerAtConnect_IsGivenUpInTime(Direction direction)
    {
        await using var backends = await Backends.WatchAsync(fixture.Dsn);
        await using var proxy = FaultProxy.Start(fixture.Dsn);
        await using var gateway = await StartAsync(backends, proxy.Dsn);
        await backends.TerminateAsync();
        proxy.SetUpcoming(new BlackHole(direction));

        AssertDeadlineExceeded(await RunAsync(gateway, "execute", "SELECT 1"));

        proxy.SetUpcoming(Fault.None);
        await AssertWorksAsync(gateway);
    }

    [Fact]
    public async Task RequestThatWaitsForASession_IsAnsweredInTimeAndDoesNotRun()
    {
        await fixture.ExecuteAsync("CREATE SEQUENCE queued");
        await using var backends = await Backends.WatchAsync(fixture.Dsn);
        await using var gateway = await StartAsync(backends, fixture.Dsn);

        await using var turnstile = await Turnstile.CloseAsync(fixture.Dsn);
        var first = RunAsync(gateway, "query", $"SELECT 1 FROM {turnstile.Pass}", 20_000);
        await turnstile.HoldsAsync(1);
        var second = await RunAsync(gateway, "execute", "SELECT nextval('queued')");

        AssertDeadlineExceeded(second);
        await turnstile.OpenAsync();
        (await first).Answer.Expect(HttpStatusCode.OK);
        await AssertWorksAsync(gateway);
        Assert.False(await backends.ReadAsync<bool>("SELECT is_called FROM queued"));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task AnswerToCommitThatIsLost_IsAnsweredAsUnknown(bool reset)
    {
        var table = $"in_doubt_{reset}";
        await fixture.ExecuteAsync($"CREATE TABLE {table} (a int)");
        await using var backends = await Backends.WatchAsync(fixture.Dsn);
        await using var proxy = FaultProxy.Start(fixture.Dsn);
        await using var gateway = await StartAsync(backends, proxy.Dsn);
        proxy.SetExisting(new DropCommitAnswer(reset));

        var run = await RunAsync(gateway, "execute", $"INSERT INTO {table} VALUES (1)");

        AssertInTime(run);
        Assert.Equal(1, proxy.CommitAnswersDropped);
        Assert.Equal("unknown", run.Answer.ExpectProblem(503, "outcome_unknown").GetProperty("committed").GetString());
        await AssertFreeAsync(backends, run, "COMMIT");
        Assert.Equal(1, await backends.ReadAsync<long>($"SELECT count(*) FROM {table}"));
        await AssertWorksAsync(gateway);
    }

    private static string Catching(string body) =>
        $"DO $$ {Declare} BEGIN WHILE {EndsSomeDay} LOOP BEGIN {body}; EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END $$";

    /// <summary>
    /// Starts a gateway with one open session. One deadline has already passed in it: the first one in a process waits
    /// for the JIT compiler, on a busy machine longer than for the database.
    /// </summary>
    private static async Task<RunningGateway> StartAsync(Backends backends, string dsn)
    {
        var gateway = await RunningGateway.StartAsync(
            $"--DSN={backends.Named(dsn)}", "--Gateway:Connections:default:PoolSize=1", "--Gateway:ReadinessIntervalMs=60000");
        (await RunAsync(gateway, "execute", "SELECT pg_sleep(20)", 50)).Answer.ExpectProblem(504, "deadline_exceeded");
        await AssertWorksAsync(gateway);
        return gateway;
    }

    private static async Task<Run> RunAsync(RunningGateway gateway, string endpoint, string sql, int timeoutMs = Budget)
    {
        object request = endpoint == "query"
            ? new { activityId = "deadline", sql, timeoutMs }
            : new { activityId = "deadline", sql, timeoutMs, delivery = "at-least-once" };
        var clock = Stopwatch.StartNew();
        var answer = await gateway.Client.PostAsync(endpoint, request);
        return new Run(answer, clock.Elapsed, clock);
    }

    private void AssertInTime(Run run)
    {
        output.WriteLine($"answered after {run.Elapsed.TotalMilliseconds:0} ms: {run.Answer.Text}");
        Assert.True(
            run.Elapsed.TotalMilliseconds <= Budget + AnswerGrace,
            $"The answer took {run.Elapsed.TotalMilliseconds:0} ms with a budget of {Budget} ms: {run.Answer.Text}");
    }

    private void AssertDeadlineExceeded(Run run)
    {
        AssertInTime(run);
        var problem = run.Answer.ExpectProblem(504, "deadline_exceeded");
        Assert.Equal("no", problem.GetProperty("committed").GetString());
        Assert.True(run.Elapsed.TotalMilliseconds >= Budget - TimerGrain, $"The answer came after {run.Elapsed.TotalMilliseconds:0} ms.");
    }

    private async Task AssertFreeAsync(Backends backends, Run run, string what)
    {
        var (since, stillBusy) = await backends.UntilFreeAsync(run.Clock);
        output.WriteLine($"free after {since.TotalMilliseconds:0} ms");
        Assert.True(
            since.TotalMilliseconds <= Budget + BackendGrace,
            $"{what}: the backend was busy until {since.TotalMilliseconds:0} ms with a budget of {Budget} ms; busy then: {stillBusy}");
    }

    /// <summary>Asserts that the answer claims no more than the data show when nothing runs any more.</summary>
    private static void AssertTrue(Answer answer, long rows, string codeWhenNotCommitted)
    {
        if (answer.Status == HttpStatusCode.OK)
        {
            Assert.Equal(1, rows);
            return;
        }
        switch (answer.Json.GetProperty("committed").GetString())
        {
            case "no":
                answer.ExpectProblem(504, codeWhenNotCommitted);
                Assert.True(rows == 0, $"It is said not to be committed, and it is: {answer.Text}");
                break;
            case "unknown":
                answer.ExpectProblem(503, "outcome_unknown");
                break;
            default:
                Assert.Fail($"It is neither said to be committed nor not: {answer.Text}");
                break;
        }
    }

    /// <summary>Asserts that the next request works at once, without waiting for leftovers of the last one.</summary>
    private static async Task AssertWorksAsync(RunningGateway gateway)
    {
        var answer = await gateway.Client.PostAsync(
            "query", new { activityId = "after", sql = "SELECT 1 AS n", rowFormat = "array", timeoutMs = 2000 });
        Assert.Equal(1, answer.Expect(HttpStatusCode.OK).GetProperty("rows")[0][0].GetInt32());
    }

    /// <param name="Answer">The answer.</param>
    /// <param name="Elapsed">The time from before the request was sent until its answer was read.</param>
    /// <param name="Clock">Runs since before the request was sent.</param>
    private sealed record Run(Answer Answer, TimeSpan Elapsed, Stopwatch Clock);
}
