using System.Net;
using Gateway.Api.Journal;
using Gateway.Api.Postgres;
using Gateway.Api.PostgresTests.Faults;
using Npgsql;

namespace Gateway.Api.PostgresTests;

/// <summary>
/// Tests a server that becomes a standby, and is promoted again, as in a failover behind one address: a request that
/// needs the primary is to be sent again, and everything else is served.
/// </summary>
public sealed class StandbyTests(StandbyTests.RestartedServer shared) : IClassFixture<StandbyTests.RestartedServer>, IAsyncLifetime
{
    private const string Insert = "INSERT INTO effects VALUES ('a')";

    private readonly LocalPostgresServer _server = shared.Server;
    private string _dsn = "";

    public async ValueTask InitializeAsync()
    {
        await PromoteAsync();
        var database = $"standby_{Guid.NewGuid():N}";
        await GatewayFixture.ExecuteAsync(_server.Dsn, $"CREATE DATABASE {database}");
        _dsn = $"{_server.Dsn[..^_server.Database.Length]}{database}";
        await GatewayFixture.ExecuteAsync(_dsn, "CREATE TABLE effects (id text)");
    }

    public ValueTask DisposeAsync() => default;

    [Theory]
    [InlineData("execute", $$"""{"activityId": "a", "sql": "{{Insert}}"}""")]
    [InlineData("execute", $$"""{"activityId": "a", "sql": "{{Insert}}", "attempt": 2}""")]
    [InlineData("execute", $$"""{"activityId": "a", "sql": "{{Insert}}", "delivery": "at-least-once"}""")]
    [InlineData("transaction", $$"""{"activityId": "a", "statements": [{"sql": "{{Insert}}"}, {"sql": "SELECT 1"}]}""")]
    public async Task Write_IsUnavailableAndTakesEffectAfterThePromotion(string endpoint, string body)
    {
        await InstallJournalAsync();
        await using var gateway = await StartAsync();
        // The session and the journal's key are known from the time before.
        await RecordAsync(gateway);
        await BecomeStandbyAsync();

        for (var time = 0; time < 2; time++)
        {
            var problem = (await gateway.Client.PostAsync(endpoint, body)).ExpectProblem(503, "database_unavailable");
            Assert.Contains("standby", problem.GetProperty("detail").GetString());
            Assert.Equal("no", problem.GetProperty("committed").GetString());
        }
        await PromoteAsync();

        (await gateway.Client.PostAsync(endpoint, body)).Expect(HttpStatusCode.OK);
        Assert.Equal(1, await CountEffectsAsync(gateway));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task RecordedActivity_IsFoundAndAnsweredWithItsRecord(int attempt)
    {
        await InstallJournalAsync();
        await using var gateway = await StartAsync();
        const string Sql = $"{Insert} RETURNING id";
        var first = await gateway.Client.PostAsync("execute", new { activityId = "a", sql = Sql });
        first.Expect(HttpStatusCode.OK);
        await BecomeStandbyAsync();

        var again = await gateway.Client.PostAsync("execute", new { activityId = "a", sql = Sql, attempt });
        var other = await gateway.Client.PostAsync(
            "execute", new { activityId = "a", sql = $"{Sql} /* other */", attempt });
        var found = await gateway.Client.FindActivityAsync("a");

        again.Expect(HttpStatusCode.OK);
        Assert.Equal(first.Text, again.Text);
        Assert.Equal("true", again.Headers["Idempotent-Replayed"]);
        other.ExpectProblem(422, "activity_mismatch");
        Assert.Equal("completed", found.Expect(HttpStatusCode.OK).GetProperty("status").GetString());
        (await gateway.Client.FindActivityAsync("b")).ExpectProblem(404, "activity_not_found");
    }

    [Fact]
    public async Task CommitWhoseAnswerWasLost_IsSettledOnTheStandby()
    {
        await InstallJournalAsync();
        await using var proxy = FaultProxy.Start(_dsn);
        await using var gateway = await RunningGateway.StartAsync($"--DSN={proxy.Dsn}");
        // Now a session is idle. The next request loses its answer in it, and can't open another one.
        await gateway.Client.QueryAsync("SELECT 1");
        proxy.SetExisting(new DropCommitAnswer(Reset: true));
        proxy.SetUpcoming(new Reset());

        var running = gateway.Client.PostAsync(
            "execute", new { activityId = "a", sql = Insert, timeoutMs = 30_000 });
        await Poll.UntilAsync(() => proxy.CommitAnswersDropped == 1);
        await BecomeStandbyAsync();
        proxy.Set(Fault.None);

        var answer = await running;
        answer.Expect(HttpStatusCode.OK);
        Assert.Equal("true", answer.Headers["Idempotent-Replayed"]);
        Assert.Equal(1, await CountEffectsAsync(gateway));
    }

    [Fact]
    public async Task Read_IsServed()
    {
        await InstallJournalAsync();
        await using var gateway = await StartAsync();
        await BecomeStandbyAsync();

        for (var time = 0; time < 3; time++)
            Assert.Equal(0, await CountEffectsAsync(gateway));
        Assert.True((await gateway.Client.QueryValueAsync("SELECT pg_is_in_recovery()")).GetBoolean());
    }

    /// <summary>Without a journal, or without a key of it, a standby can't tell that the primary has none.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task NoJournalOnStandby_IsUnavailableUntilThePrimaryHasNone(bool isInstalled)
    {
        if (isInstalled)
            await InstallJournalAsync();
        await BecomeStandbyAsync();
        await using var gateway = await StartAsync();
        var request = new { activityId = "a", sql = Insert };

        (await gateway.Client.PostAsync("execute", request)).ExpectProblem(503, "database_unavailable");
        await PromoteAsync();
        var after = await Answer.UntilAsync(
            () => gateway.Client.PostAsync("execute", request),
            answer => answer.Status != HttpStatusCode.ServiceUnavailable);

        if (isInstalled)
            after.Expect(HttpStatusCode.OK);
        else
            after.ExpectProblem(422, "journal_missing");
    }

    [Theory]
    [InlineData("serializable", "SELECT count(*) FROM effects", "0A000")]
    [InlineData("read committed", "SELECT pg_current_wal_lsn()", "55000")]
    [InlineData("read committed", "SELECT pg_current_xact_id()", "25006")]
    public async Task ReadThatNeedsThePrimary_IsUnavailableUnlessTheConnectionIsReadOnly(
        string isolation, string sql, string sqlState)
    {
        var body = new { activityId = "a", readOnly = true, isolation, statements = new[] { new { sql } } };
        await InstallJournalAsync();
        await BecomeStandbyAsync();
        await using var gateway = await StartAsync();
        await using var replica = await StartAsync("--Gateway:Connections:default:ReadOnly=true");

        (await gateway.Client.PostAsync("transaction", body)).ExpectProblem(503, "database_unavailable");
        var problem = (await replica.Client.PostAsync("transaction", body)).Expect((HttpStatusCode)422);
        Assert.Equal(sqlState, problem.GetProperty("sqlState").GetString());

        await PromoteAsync();
        (await gateway.Client.PostAsync("transaction", body)).Expect(HttpStatusCode.OK);
    }

    [Theory]
    [InlineData("SELECT currval('numbers')", "55000")]
    [InlineData("SELECT count(*) FROM effects GROUP BY id FOR SHARE", "0A000")]
    public async Task ReadThatIsWrong_FailsAsOnThePrimary(string sql, string sqlState)
    {
        await GatewayFixture.ExecuteAsync(_dsn, "CREATE SEQUENCE numbers");
        await BecomeStandbyAsync();
        await using var gateway = await StartAsync();

        var problem = (await gateway.Client.PostAsync("query", new { activityId = "a", sql }))
            .ExpectProblem(422, "sql_error");

        Assert.Equal(sqlState, problem.GetProperty("sqlState").GetString());
    }

    [Fact]
    public async Task Ready_SaysThatTheServerIsAStandby()
    {
        await InstallJournalAsync();
        await using var gateway = await StartAsync("--Gateway:ReadinessIntervalMs=100");
        await RecordAsync(gateway);
        await BecomeStandbyAsync();
        await using var replica = await StartAsync("--Gateway:Connections:default:ReadOnly=true");

        await ReadyAsync(gateway, "the server is a standby, and takes no writes", "standby");
        await ReadyAsync(replica, null, null);

        await PromoteAsync();
        await ReadyAsync(gateway, null, "ok");
    }

    [Fact]
    public async Task Purge_DeletesNothingAndDoesNotFail()
    {
        await InstallJournalAsync();
        await using var gateway = await StartAsync();
        await RecordAsync(gateway);
        await GatewayFixture.ExecuteAsync(
            _dsn, "UPDATE gateway_journal_records.activity SET expires_at = now() - interval '1 hour'");
        await BecomeStandbyAsync();

        await using var source = SessionSource.Plain(NpgsqlDataSource.Create(Dsns.Dsn.Parse(_dsn).ConnectionString));
        var journal = new ActivityJournal(
            new ControlSessions(source, TimeProvider.System), _server.Username, journalKey: null,
            TimeSpan.FromDays(1), TimeProvider.System);

        Assert.Equal(
            0, await journal.PurgeAsync(10, TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken));
    }

    /// <summary>Records an activity. Then the gateway has an idle session, and the journal has a key.</summary>
    private static async Task RecordAsync(RunningGateway gateway) =>
        (await gateway.Client.PostAsync("execute", new { activityId = "before", sql = "SELECT 1" }))
        .Expect(HttpStatusCode.OK);

    private Task InstallJournalAsync() =>
        GatewayFixture.InstallJournalAsync(_dsn, _server.Username, JournalGuard.None);

    private Task<RunningGateway> StartAsync(params string[] settings) =>
        RunningGateway.StartAsync([$"--DSN={_dsn}", .. settings]);

    /// <summary>
    /// Restarts the server as a standby that has all of its primary's data. Without a primary it only waits.
    /// </summary>
    private async Task BecomeStandbyAsync()
    {
        // The program runs in the server's data folder.
        await GatewayFixture.ExecuteAsync(_dsn, "COPY (SELECT) TO PROGRAM 'cat > standby.signal'");
        await _server.RestartAsync(ct: TestContext.Current.CancellationToken);
    }

    private Task PromoteAsync() =>
        GatewayFixture.ExecuteAsync(_server.Dsn, "SELECT pg_promote() WHERE pg_is_in_recovery()");

    private static async Task<long> CountEffectsAsync(RunningGateway gateway) =>
        (await gateway.Client.QueryValueAsync("SELECT count(*)::int FROM effects")).GetInt64();

    /// <summary>Waits until readiness has this detail, and this state of the journal.</summary>
    private static Task ReadyAsync(RunningGateway gateway, string? detail, string? journal) =>
        Poll.UntilAsync(async () =>
        {
            var ready = await gateway.Client.GetAsync("/healthz/ready");
            var entry = ready.Json.GetProperty("connections").GetProperty("default");
            return Text("detail") == detail && Text("journal") == journal;

            string? Text(string name) => entry.TryGetProperty(name, out var member) ? member.GetString() : null;
        });

    /// <summary>Provides a server that the tests restart and promote, each with its own database.</summary>
    public sealed class RestartedServer : IAsyncLifetime
    {
        public LocalPostgresServer Server { get; private set; } = null!;

        public async ValueTask InitializeAsync() => Server = await LocalPostgresServer.StartTemporaryAsync();

        public ValueTask DisposeAsync() => Server.DisposeAsync();
    }
}
