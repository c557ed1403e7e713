using System.Net;
using Npgsql;

namespace Gateway.Api.PostgresTests.Replication;

/// <summary>
/// Tests writes whose COMMIT waits for a synchronous standby that does not come. PostgreSQL would end the wait for any
/// cancel, and keep the effect without the standby; so the gateway sends none, and answers for no effect that could be
/// lost.
/// </summary>
public sealed class SyncReplicationTests : IAsyncLifetime
{
    private const string Effects = "SELECT count(*) FROM effects";

    private const string Waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";

    private LocalPostgresServer _server = null!;
    private string _dsn = "";
    private LoginRole _role = null!;

    public async ValueTask InitializeAsync()
    {
        _server = await LocalPostgresServer.StartTemporaryAsync();
        _dsn = Dsns.Dsn.Parse(_server.Dsn).ConnectionString;
        await GatewayFixture.ExecuteAsync(_dsn, "CREATE TABLE effects (id text)");
        await GatewayFixture.ExecuteAsync(_dsn, "CREATE TABLE probe ()");
        // It ends with the server.
        _role = await LoginRole.CreateAsync(_dsn, "");
        await _role.InstallJournalAsync();
        await GatewayFixture.ExecuteAsync(_dsn, $"GRANT ALL ON effects TO {_role.Name}");
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task CommitThatWaitsForAStandby_IsNotEndedAndNotAnswered()
    {
        await using var gateway = await RunningGateway.StartAsync($"--DSN={_role.Dsn}", _role.ControlSetting);
        await StopConfirmingAsync();

        var first = await SendAsync(gateway.Client, "a");
        // By then the gateway has also cut the connection that it had abandoned.
        var cut = Task.Delay(TimeSpan.FromSeconds(12), TestContext.Current.CancellationToken);
        var again = await SendAsync(gateway.Client, "a");
        var cancelled = await gateway.Client.CancelActivityAsync("a");
        await cut;

        foreach (var answer in new[] { first, again })
        {
            Assert.True(answer.Json.GetProperty("retryable").GetBoolean(), answer.Text);
            Assert.Equal("unknown", answer.Json.GetProperty("committed").GetString());
        }
        Assert.Equal("running", cancelled.Expect(HttpStatusCode.OK).GetProperty("status").GetString());
        Assert.Equal(1, await ReadAsync(Waiting));
        Assert.Equal(0, await ReadAsync(Effects));

        await ConfirmAsync();
        var confirmed = await SendAsync(gateway.Client, "a");
        confirmed.Expect(HttpStatusCode.OK);
        Assert.Equal("true", confirmed.Headers["Idempotent-Replayed"]);
        Assert.Equal(1, await ReadAsync(Effects));
    }

    /// <summary>The sessions that wait count as sessions of the pool, so that they do not fill the server.</summary>
    [Fact]
    public async Task SessionsThatWait_KeepTheirPlaces()
    {
        await using var gateway = await RunningGateway.StartAsync(
            $"--DSN={_role.Dsn}", _role.ControlSetting, "--Gateway:Connections:default:PoolSize=3");
        await StopConfirmingAsync();

        var sent = Enumerable.Range(0, 10).Select(n => SendAsync(gateway.Client, $"{n}")).ToArray();
        await Poll.UntilAsync(async () => await ReadAsync(Waiting) == 3);
        var answers = await Task.WhenAll(sent);

        Assert.All(answers, answer => Assert.True(answer.Json.GetProperty("retryable").GetBoolean(), answer.Text));
        Assert.Equal(3, await ReadAsync(Waiting));

        await ConfirmAsync();
        foreach (var n in Enumerable.Range(0, 10))
            (await SendAsync(gateway.Client, $"{n}", timeoutMs: 30_000)).Expect(HttpStatusCode.OK);
        Assert.Equal(10, await ReadAsync("SELECT count(DISTINCT id) FROM effects"));
        Assert.Equal(10, await ReadAsync(Effects));
    }

    private static Task<Answer> SendAsync(GatewayClient client, string id, int timeoutMs = 5000) =>
        client.PostAsync("execute", new { activityId = id, timeoutMs, sql = "INSERT INTO effects VALUES ($1)", parameters = new[] { id } });

    /// <summary>Lets commits wait for a standby that there is not, and waits until they do.</summary>
    private async Task StopConfirmingAsync()
    {
        await SetStandbyAsync("absent");
        await Poll.UntilAsync(async () =>
        {
            await using var session = await GatewayFixture.OpenAsync(_dsn);
            await using var write = new NpgsqlCommand("INSERT INTO probe DEFAULT VALUES", session);
            var writing = write.ExecuteNonQueryAsync();
            await Poll.UntilAsync(async () => writing.IsCompleted || await ReadAsync(Waiting) == 1);
            var waits = !writing.IsCompleted;
            await ReadAsync("SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
            await writing;
            return waits;
        });
    }

    private async Task ConfirmAsync()
    {
        await SetStandbyAsync("");
        await Poll.UntilAsync(async () => await ReadAsync(Waiting) == 0);
    }

    private async Task SetStandbyAsync(string name)
    {
        await GatewayFixture.ExecuteAsync(_dsn, $"ALTER SYSTEM SET synchronous_standby_names = '{name}'");
        await GatewayFixture.ExecuteAsync(_dsn, "SELECT pg_reload_conf()");
    }

    private async Task<long> ReadAsync(string sql)
    {
        await using var session = await GatewayFixture.OpenAsync(_dsn);
        await using var command = new NpgsqlCommand(sql, session);
        return (long)(await command.ExecuteScalarAsync())!;
    }
}
