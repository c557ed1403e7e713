using System.Net;
using Gateway.Api.Dsns;
using Gateway.Api.Journal;
using Gateway.Api.Postgres;
using Gateway.Api.PostgresTests.Faults;
using Npgsql;

namespace Gateway.Api.PostgresTests;

/// <summary>Tests that expired records are deleted, and nothing else.</summary>
public sealed class PurgeTests(GatewayFixture gateway) : IAsyncLifetime
{
    private const string Eager = "--Gateway:PurgeIntervalMs=50";
    private const string Expired = "SELECT count(*) FROM gateway_journal_records.activity WHERE expires_at <= now()";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private string _dsn = "";
    private Backends _server = null!;

    public async ValueTask InitializeAsync()
    {
        // A new database, because this test must not count the records of others.
        _dsn = await gateway.CreateDatabaseAsync();
        _server = await Backends.WatchAsync(_dsn);
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task ExpiredRecords_GoAndOthersStay()
    {
        await InsertAsync("expired", 4500, "-1 second");
        await InsertAsync("kept", 10, "1 hour");

        await using var one = await StartAsync(Eager);
        await using var two = await StartAsync(Eager);
        await UntilAsync(0, Expired);

        Assert.Equal(10, await _server.ReadAsync<long>("SELECT count(*) FROM gateway_journal_records.activity"));
        (await one.Client.FindActivityAsync("expired/1")).ExpectProblem(404, "activity_not_found");
        (await two.Client.FindActivityAsync("kept/1")).Expect(HttpStatusCode.OK);
    }

    [Fact]
    public async Task RecordPastItsRetention_GoesAndTheActivityRunsAgain()
    {
        await _server.ExecuteAsync("CREATE TABLE purged (n int)");
        await using var one = await StartAsync(Eager, "--Gateway:RetentionSeconds=1");
        var request = new { activityId = "purged", sql = "INSERT INTO purged VALUES (1)" };

        (await one.Client.PostAsync("execute", request)).Expect(HttpStatusCode.OK);
        await UntilAsync(0, "SELECT count(*) FROM gateway_journal_records.activity");
        (await one.Client.FindActivityAsync("purged")).ExpectProblem(404, "activity_not_found");
        var again = await one.Client.PostAsync("execute", request);

        Assert.Equal("false", again.Headers["Idempotent-Replayed"]);
        Assert.Equal(2, await _server.ReadAsync<long>("SELECT count(*) FROM purged"));
    }

    [Fact]
    public async Task ActivityThatRunsLongerThanItsRetention_CompletesWithARecord()
    {
        await _server.ExecuteAsync("CREATE TABLE outlasting (n int)");
        await using var runs = await StartAsync("--Gateway:RetentionSeconds=1", "--Gateway:PurgeIntervalMs=86400000");
        await using var turnstile = await Turnstile.CloseAsync(_dsn);
        var sql = $"INSERT INTO outlasting SELECT 1 FROM {turnstile.Pass}";
        Task<Answer> SendAsync(int timeoutMs) =>
            runs.Client.PostAsync("execute", new { activityId = "outlasting", timeoutMs, sql });
        var running = SendAsync(60_000);
        await turnstile.HoldsAsync(1);

        await using (await StartAsync(Eager))
        {
            await Task.Delay(TimeSpan.FromSeconds(1.5), TestContext.Current.CancellationToken);
            // The purge runs, and does not delete that record.
            await InsertAsync("bystander", 1, "-1 second");
            await UntilAsync(0, Expired);
            (await SendAsync(1000)).ExpectProblem(409, "activity_in_flight");
        }
        await turnstile.OpenAsync();

        (await running).Expect(HttpStatusCode.OK);
        Assert.Equal((await running).Text, (await SendAsync(60_000)).Text);
        Assert.Equal(1, await _server.ReadAsync<long>("SELECT count(*) FROM outlasting"));
    }

    [Fact]
    public async Task RecordThatAnotherTransactionHolds_IsPassedOver()
    {
        await InsertAsync("held", 1, "-1 hour");
        await InsertAsync("free", 50, "-1 second");
        await using var holder = await Backends.WatchAsync(_dsn);
        await holder.ExecuteAsync("BEGIN");
        await holder.ExecuteAsync("SELECT FROM gateway_journal_records.activity WHERE activity_id = 'held/1' FOR UPDATE");

        await using var one = await StartAsync(Eager);
        await UntilAsync(1, Expired);
        Assert.Equal("held/1", await _server.ReadAsync<string>("SELECT min(activity_id) FROM gateway_journal_records.activity"));

        await holder.ExecuteAsync("COMMIT");
        await UntilAsync(0, Expired);
    }

    [Fact]
    public async Task PurgesAtOnce_NeitherFailNorCountTwice()
    {
        await InsertAsync("at-once", 4000, "-1 second");

        var deleted = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => Task.Run(PurgeAllAsync)));

        Assert.Equal(4000, deleted.Sum());
        Assert.Equal(0, await _server.ReadAsync<long>(Expired));
        Assert.True(deleted.Count(count => count > 0) > 1, "One of them did it all: they were not at it at once.");
    }

    [Fact]
    public async Task KeyThatIsADayOld_IsReplacedAndTakenForADayMore()
    {
        await using var one = await StartAsync();
        (await one.Client.PostAsync("execute", new { activityId = "key", sql = "SELECT 1 AS a" })).Expect(HttpStatusCode.OK);
        await _server.ExecuteAsync("UPDATE gateway_journal_records.key SET made_at = now() - interval '25 hours'");

        await using var two = await StartAsync();
        (await two.Client.PostAsync("execute", new { activityId = "key/2", sql = "SELECT 1 AS a" })).Expect(HttpStatusCode.OK);
        Assert.Equal(2, await _server.ReadAsync<long>("SELECT count(*) FROM gateway_journal_records.key"));
        (await one.Client.PostAsync("execute", new { activityId = "key/3", sql = "SELECT 1 AS a" })).Expect(HttpStatusCode.OK);

        await _server.ExecuteAsync("UPDATE gateway_journal_records.key SET made_at = made_at - interval '25 hours'");
        await using var three = await StartAsync();
        (await three.Client.PostAsync("execute", new { activityId = "key/4", sql = "SELECT 1 AS a" })).Expect(HttpStatusCode.OK);
        Assert.Equal(2, await _server.ReadAsync<long>("SELECT count(*) FROM gateway_journal_records.key"));
    }

    /// <summary>A gateway uses its key for an hour after another gateway has got a new one.</summary>
    [Fact]
    public async Task ActivityThatRunsByTheKeyBefore_IsSeenByWhoHasTheNewOne()
    {
        await using var one = await StartAsync();
        await using var turnstile = await Turnstile.CloseAsync(_dsn);
        (await one.Client.PostAsync("execute", new { activityId = "first", sql = "SELECT 1 AS a" })).Expect(HttpStatusCode.OK);
        await _server.ExecuteAsync("UPDATE gateway_journal_records.key SET made_at = now() - interval '25 hours'");
        await using var two = await StartAsync();
        (await two.Client.PostAsync("execute", new { activityId = "second", sql = "SELECT 1 AS a" })).Expect(HttpStatusCode.OK);

        var running = one.Client.PostAsync("execute", new { activityId = "by-the-old", sql = $"SELECT 1 AS a FROM {turnstile.Pass}" });
        await turnstile.HoldsAsync(1);

        Assert.Equal("running", (await two.Client.FindActivityAsync("by-the-old")).Expect(HttpStatusCode.OK).GetProperty("status").GetString());
        await turnstile.OpenAsync();
        (await running).Expect(HttpStatusCode.OK);
        Assert.Equal(2, await _server.ReadAsync<long>("SELECT count(*) FROM gateway_journal_records.key"));
    }

    [Fact]
    public async Task KeyThatIsGone_CostsTheSessionAndNotTheRequest()
    {
        await using var one = await StartAsync();
        (await one.Client.PostAsync("execute", new { activityId = "gone", sql = "SELECT 1 AS a" })).Expect(HttpStatusCode.OK);
        await _server.ExecuteAsync("DELETE FROM gateway_journal_records.key");

        (await one.Client.PostAsync("execute", new { activityId = "gone/2", sql = "SELECT 1 AS a" })).Expect(HttpStatusCode.OK);
        await _server.ExecuteAsync("DELETE FROM gateway_journal_records.key");
        (await one.Client.FindActivityAsync("gone/2")).Expect(HttpStatusCode.OK);
    }

    [Fact]
    public async Task DatabaseWithoutAJournal_IsLeftAlone()
    {
        await using var bare = await gateway.StartGatewayAsync($"--DSN={await gateway.CreateDatabaseWithoutJournalAsync()}", Eager);

        for (var request = 0; request < 5; request++)
        {
            await Task.Delay(50, TestContext.Current.CancellationToken);
            Assert.Equal(1, (await bare.Client.QueryValueAsync("SELECT 1")).GetInt32());
        }
    }

    private Task<RunningGateway> StartAsync(params string[] settings) => gateway.StartGatewayAsync([$"--DSN={_dsn}", .. settings]);

    private Task InsertAsync(string name, int records, string expires) => _server.ExecuteAsync(
        "INSERT INTO gateway_journal_records.activity (caller, connection, activity_id, request_hash, expires_at, answer) "
        + $"SELECT 'loopback', 'default', '{name}/' || g, '\\x00', now() + interval '{expires}', '{{}}' FROM generate_series(1, {records}) g");

    private Task<long> UntilAsync(long count, string sql) =>
        Poll.ReadAsync(() => _server.ReadAsync<long>(sql), now => now == count);

    private async Task<int> PurgeAllAsync()
    {
        await using var source = SessionSource.Plain(NpgsqlDataSource.Create(_dsn));
        var journal = new ActivityJournal(
            new ControlSessions(source, TimeProvider.System), Dsn.Parse(_dsn).Username!, journalKey: null, TimeSpan.Zero,
            TimeProvider.System);
        var all = 0;
        while (await journal.PurgeAsync(50, Patience, CancellationToken.None) is > 0 and var deleted)
            all += deleted;
        return all;
    }
}
