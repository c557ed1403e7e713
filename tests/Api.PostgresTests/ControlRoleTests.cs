using System.Net;
using Gateway.Api.Journal;
using Npgsql;

namespace Gateway.Api.PostgresTests;

/// <summary>Tests the work of the control role, and that it is limited.</summary>
public sealed class ControlRoleTests(GatewayFixture server) : IAsyncLifetime
{
    /// <summary>The sessions of a replica for each connection, as in docs/database-roles.md.</summary>
    private const int Sessions = 6;

    private string _database = "";
    private LoginRole _role = null!;
    private NpgsqlConnection _admin = null!;

    public async ValueTask InitializeAsync()
    {
        _database = await server.CreateDatabaseWithoutJournalAsync();
        _role = await LoginRole.CreateAsync(_database, "");
        await _role.InstallJournalAsync();
        _admin = await GatewayFixture.OpenAsync(_database);
    }

    public async ValueTask DisposeAsync()
    {
        await _admin.DisposeAsync();
        await _role.DisposeAsync();
    }

    /// <summary>Every look-up waits for a lock, so the maximum number of them runs at the same time.</summary>
    [Fact]
    public async Task MoreLookUpsThanPlaces_WaitOrAreRefusedAndKeepNothingElseWaiting()
    {
        await using var gateway = await StartAsync("--Gateway:ReadinessIntervalMs=50", "--Gateway:ReadinessFailures=1");
        await using var holder = await GatewayFixture.OpenAsync(_database);
        await using var transaction = await holder.BeginTransactionAsync(TestContext.Current.CancellationToken);
        await using (var hold = new NpgsqlCommand("LOCK TABLE gateway_journal_records.activity", holder))
            await hold.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);

        var lookUps = Enumerable.Range(0, 300).Select(number => gateway.Client.FindActivityAsync($"looked-up/{number}")).ToArray();
        // Some are refused at once; the others hold all places.
        (await await Task.WhenAny(lookUps)).ExpectProblem(503, "saturated");
        await UntilAsync(2, "wait_event_type = 'Lock'");
        for (var look = 0; look < 20; look++)
        {
            Assert.Equal(1, (await gateway.Client.QueryValueAsync("SELECT 1")).GetInt32());
            Assert.Equal(HttpStatusCode.OK, (await gateway.Client.GetAsync("/healthz/ready")).Status);
            Assert.InRange(await CountAsync("true"), 1, Sessions);
        }
        await transaction.RollbackAsync(TestContext.Current.CancellationToken);

        var answers = await Task.WhenAll(lookUps);
        Assert.All(answers, answer => Assert.Contains((int)answer.Status, new[] { 404, 503 }));
        Assert.Contains(answers, answer => answer.Status == HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task ManyCancels_TakeTurns()
    {
        await using var gateway = await StartAsync();

        var cancels = Enumerable.Range(0, 60).Select(number => gateway.Client.CancelActivityAsync($"cancelled/{number}")).ToArray();
        var most = 0L;
        while (!Task.WhenAll(cancels).IsCompleted)
            most = Math.Max(most, await CountAsync("true"));

        Assert.InRange(most, 1, Sessions);
        Assert.All(await Task.WhenAll(cancels), answer => Assert.Equal(HttpStatusCode.NotFound, answer.Status));
    }

    /// <summary>A session of callers' SQL with the name of a cancel announces no cancel.</summary>
    [Fact]
    public async Task NameOfACancel_IsOfTheControlRolesSessionsOnly()
    {
        await using var gateway = await StartAsync();
        var activity = new ActivityIdentity("loopback", "default", "named");
        await using var forger = await ForgeAsync($"'{activity.CancelName}'");

        var ended = await gateway.Client.PostAsync("execute", new
        {
            activityId = activity.ActivityId,
            sql = "DO $$ BEGIN RAISE 'as by a cancel' USING ERRCODE = 'query_canceled'; END $$",
        });

        ended.ExpectProblem(504, "deadline_exceeded");
    }

    /// <summary>
    /// A caller's SQL can see the names of its role's sessions, and can give its own session any name.
    /// </summary>
    [Fact]
    public async Task NameOfARunningActivity_MakesNoOtherSessionRunIt()
    {
        await using var gateway = await StartAsync();
        await using var turnstile = await Turnstile.CloseAsync(_database);
        var victim = gateway.Client.PostAsync("query", new { activityId = "victim", sql = $"SELECT 1 AS a FROM {turnstile.Pass}" });
        await turnstile.HoldsAsync(1);
        // Each keeps its transaction open during the test.
        await using var copied = await ForgeAsync("(SELECT application_name FROM pg_stat_activity WHERE application_name LIKE '%:victim:%')");
        var unkeyed = new ActivityIdentity("loopback", "default", "never-sent").TagFor("gateway", key: null, backend: default);
        await using var made = await ForgeAsync($"'{unkeyed}'");

        var found = (await gateway.Client.FindActivityAsync("victim")).Expect(HttpStatusCode.OK);
        Assert.Equal("running", found.GetProperty("status").GetString());
        await turnstile.OpenAsync();
        (await victim).Expect(HttpStatusCode.OK);

        foreach (var id in new[] { "victim", "never-sent" })
        {
            (await gateway.Client.FindActivityAsync(id)).ExpectProblem(404, "activity_not_found");
            (await gateway.Client.CancelActivityAsync(id)).ExpectProblem(404, "activity_not_found");
        }
        foreach (var forger in new[] { copied, made })
        {
            await using var alive = new NpgsqlCommand("SELECT current_setting('application_name') LIKE 'gateway:%'", forger);
            Assert.Equal(true, await alive.ExecuteScalarAsync(TestContext.Current.CancellationToken));
        }
    }

    /// <summary>
    /// A transaction that a killed gateway has left, whose SQL has switched off PostgreSQL's own timeouts.
    /// </summary>
    [Fact]
    public async Task TransactionOlderThanTheLongestBudget_IsEnded()
    {
        await using var gateway = await StartAsync("--Gateway:MaxTimeoutMs=1000", "--Gateway:DefaultTimeoutMs=1000");
        await using var orphan = await GatewayFixture.OpenAsync(_role.Dsn);
        await using (var begin = new NpgsqlCommand("BEGIN", orphan))
            await begin.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
        await using var sleep = new NpgsqlCommand("SELECT set_config('client_connection_check_interval', '0', true), pg_sleep(600)", orphan);

        var end = await Assert.ThrowsAsync<PostgresException>(() =>
            sleep.ExecuteNonQueryAsync(TestContext.Current.CancellationToken).WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken));

        Assert.Equal(PostgresErrorCodes.AdminShutdown, end.SqlState);
        (await gateway.Client.QueryAsync("SELECT 1")).GetRawText();
    }

    private Task<RunningGateway> StartAsync(params string[] settings) =>
        RunningGateway.StartAsync([$"--DSN={_role.Dsn}", _role.ControlSetting, .. settings]);

    /// <summary>Opens a transaction of the callers' role in a session with the given name.</summary>
    private async Task<NpgsqlConnection> ForgeAsync(string name)
    {
        var session = await GatewayFixture.OpenAsync(_role.Dsn);
        await using var begin = new NpgsqlCommand("BEGIN", session);
        await begin.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
        await using var forge = new NpgsqlCommand($"SELECT set_config('application_name', {name}, false)", session);
        Assert.IsType<string>(await forge.ExecuteScalarAsync(TestContext.Current.CancellationToken));
        return session;
    }

    private async Task<long> CountAsync(string condition)
    {
        await using var count = new NpgsqlCommand(
            $"SELECT count(*) FROM pg_stat_activity WHERE usename = '{_role.ControlName}' AND {condition}", _admin);
        return (long)(await count.ExecuteScalarAsync(TestContext.Current.CancellationToken))!;
    }

    private Task UntilAsync(long count, string condition) =>
        Poll.UntilAsync(async () => await CountAsync(condition) >= count);
}
