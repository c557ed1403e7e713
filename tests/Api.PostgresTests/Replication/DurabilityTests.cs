using System.Net;
using Gateway.Api.Configuration;
using Gateway.Api.Errors;
using Gateway.Api.Postgres;
using Gateway.Api.PostgresTests.Faults;
using Gateway.Contracts;
using Npgsql;

namespace Gateway.Api.PostgresTests.Replication;

/// <summary>
/// Tests a connection whose durability is synchronous: it answers for no effect that only the primary has, whatever the
/// SQL, the role or an operator has set.
/// </summary>
[Collection(ReplicatedCollection.Name)]
public sealed class DurabilityTests(ReplicatedServer servers) : IAsyncLifetime
{
    private const string Setting = "--Gateway:Connections:default:Durability=synchronous";

    private const string Waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";

    private LoginRole _role = null!;
    private RunningGateway? _gateway;

    public async ValueTask InitializeAsync()
    {
        _role = await LoginRole.CreateAsync(servers.Dsn, "");
        await _role.InstallJournalAsync();
        await GatewayFixture.ExecuteAsync(servers.Dsn, "TRUNCATE gateway_journal_records.activity");
        await GatewayFixture.ExecuteAsync(servers.Dsn, $"GRANT pg_read_all_stats TO {_role.ControlName}");
        await GatewayFixture.ExecuteAsync(servers.Dsn, "DROP TABLE IF EXISTS effects");
        await GatewayFixture.ExecuteAsync(servers.Dsn, "CREATE TABLE effects (id text)");
        await GatewayFixture.ExecuteAsync(servers.Dsn, $"GRANT ALL ON effects TO {_role.Name}");
        await servers.SetSynchronousAsync(ReplicatedServer.StandbyName);
    }

    public async ValueTask DisposeAsync()
    {
        if (_gateway is not null)
            await _gateway.DisposeAsync();
        await servers.Standby.StartAgainAsync();
        await servers.SetSynchronousAsync("");
        await _role.DisposeAsync();
    }

    [Fact]
    public async Task Write_IsServedWhileAStandbyConfirms()
    {
        var client = await StartAsync();

        (await InsertAsync(client, "a")).Expect(HttpStatusCode.OK);
        (await InsertAsync(client, "a")).Expect(HttpStatusCode.OK);
        (await InsertAsync(client, "b", "at-least-once")).Expect(HttpStatusCode.OK);
        (await client.TransactionAsync("c", "INSERT INTO effects VALUES ('c')")).Expect(HttpStatusCode.OK);

        Assert.Equal(3, await CountAsync());
        Assert.Equal("ok", await ReadyAsync(client));
    }

    /// <summary>As Patroni does when the standby is gone.</summary>
    [Fact]
    public async Task WithoutASynchronousStandby_WritesAreRefusedAndReadsServed()
    {
        var client = await StartAsync("--Gateway:ReadinessIntervalMs=100");
        (await InsertAsync(client, "before")).Expect(HttpStatusCode.OK);
        await servers.SetSynchronousAsync("");
        await Poll.UntilAsync(async () => await ReadyAsync(client) == "no_standby");

        Answer[] answers =
        [
            await InsertAsync(client, "a"), await InsertAsync(client, "b", "at-least-once"),
            await InsertAsync(client, "before"),
        ];
        foreach (var answer in answers)
        {
            var problem = answer.ExpectProblem(503, "database_unavailable");
            Assert.Contains("No synchronous standby", problem.GetProperty("detail").GetString());
            Assert.Equal("no", problem.GetProperty("committed").GetString());
        }
        await client.QueryAsync("SELECT 1");
        (await client.FindActivityAsync("before")).ExpectProblem(503, "outcome_unknown");
        Assert.Equal(1, await CountAsync());

        await servers.SetSynchronousAsync(ReplicatedServer.StandbyName);
        await Poll.UntilAsync(async () => await ReadyAsync(client) == "ok");
        (await InsertAsync(client, "a")).Expect(HttpStatusCode.OK);
        Assert.Equal("true", (await InsertAsync(client, "before")).Headers["Idempotent-Replayed"]);
        (await client.FindActivityAsync("before")).Expect(HttpStatusCode.OK);
    }

    /// <summary>The check that readiness goes by is older than the change.</summary>
    [Theory]
    [InlineData("exactly-once")]
    [InlineData("at-least-once")]
    public async Task StandbyThatHasJustGone_NothingIsCommitted(string delivery)
    {
        var client = await StartAsync("--Gateway:ReadinessIntervalMs=60000");
        await servers.SetSynchronousAsync("");

        var problem = (await InsertAsync(client, "a", delivery)).ExpectProblem(503, "database_unavailable");

        Assert.Equal("no", problem.GetProperty("committed").GetString());
        Assert.Equal(0, await CountAsync());
    }

    /// <summary>The server waits for more standbys than there are.</summary>
    [Theory]
    [InlineData("ANY 2 (standby, other)")]
    [InlineData("FIRST 2 (standby, other)")]
    [InlineData("2 (standby, other)")]
    [InlineData("other")]
    public async Task TooFewStandbys_AreNone(string names)
    {
        await GatewayFixture.ExecuteAsync(servers.Dsn, $"ALTER SYSTEM SET synchronous_standby_names = '{names}'");
        await GatewayFixture.ExecuteAsync(servers.Dsn, "SELECT pg_reload_conf()");
        var client = await StartAsync("--Gateway:ReadinessIntervalMs=100");

        await Poll.UntilAsync(async () => await ReadyAsync(client) == "no_standby");
        (await InsertAsync(client, "a")).ExpectProblem(503, "database_unavailable");
    }

    /// <summary>
    /// The role's default, and what the SQL does by itself, in a function and in a deferred trigger: each would make
    /// COMMIT return before the standby has the effect.
    /// </summary>
    [Fact]
    public async Task CommitWaitsForTheStandby_WhateverIsSet()
    {
        const string Off = "set_config('synchronous_commit', 'off', ";
        await GatewayFixture.ExecuteAsync(servers.Dsn, $"ALTER ROLE {_role.Name} SET synchronous_commit = 'off'");
        await GatewayFixture.ExecuteAsync(
            servers.Dsn,
            $"CREATE OR REPLACE FUNCTION turn_off() RETURNS text LANGUAGE sql AS $$ SELECT {Off}true) $$; "
            + "CREATE OR REPLACE FUNCTION turn_off_late() RETURNS trigger LANGUAGE plpgsql AS $$ "
            + $"BEGIN PERFORM {Off}true); RETURN NULL; END $$; "
            + "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON effects DEFERRABLE INITIALLY DEFERRED "
            + "FOR EACH ROW WHEN (NEW.id = 'late') EXECUTE FUNCTION turn_off_late()");
        string[] forms =
        [
            "INSERT INTO effects VALUES ('plain')",
            $"INSERT INTO effects SELECT 'session' FROM {Off}false)",
            $"INSERT INTO effects SELECT 'transaction' FROM {Off}true)",
            "INSERT INTO effects SELECT 'function' FROM turn_off()",
            "INSERT INTO effects VALUES ('late')",
        ];
        var client = await StartAsync("--Gateway:ReadinessIntervalMs=60000");
        await servers.Standby.StopAsync();

        string[] deliveries = ["exactly-once", "at-least-once"];
        var sent = forms.Index().SelectMany(form => deliveries.Select(delivery => client.PostAsync(
            "execute", new { activityId = $"{form.Index}", delivery, timeoutMs = 2000, sql = form.Item })));
        foreach (var answer in await Task.WhenAll(sent))
            Assert.Equal("unknown", answer.ExpectProblem(503, "outcome_unknown").GetProperty("committed").GetString());

        // Nothing is visible, so nothing can be answered by a retry.
        Assert.Equal(2 * forms.Length, await ReplicatedServer.ReadAsync<long>(servers.Dsn, Waiting));
        Assert.Equal(0, await CountAsync());
        await servers.Standby.StartAgainAsync();
        await Poll.UntilAsync(async () => await CountAsync() == 2 * forms.Length);
        foreach (var (index, sql) in forms.Index())
        {
            var again = await client.PostAsync("execute", new { activityId = $"{index}", sql });
            again.Expect(HttpStatusCode.OK);
            Assert.Equal("true", again.Headers["Idempotent-Replayed"]);
        }
    }

    /// <summary>Patroni ends the wait when it gives the standby up: COMMIT succeeds, without it.</summary>
    [Fact]
    public async Task CommitWhoseWaitIsEnded_IsNotAnsweredUntilAStandbyHasIt()
    {
        var client = await StartAsync("--Gateway:ReadinessIntervalMs=60000");
        await servers.Standby.StopAsync();
        var writing = InsertAsync(client, "a", timeoutMs: 3000);
        await Poll.UntilAsync(async () => await ReplicatedServer.ReadAsync<long>(servers.Dsn, Waiting) == 1);
        await servers.SetSynchronousAsync("");
        await Poll.UntilAsync(async () => await CountAsync() == 1);

        var problem = (await writing).ExpectProblem(503, "outcome_unknown");
        Assert.Contains(
            "could not find out in time that a synchronous standby has it", problem.GetProperty("detail").GetString());
        Assert.Equal("unknown", problem.GetProperty("committed").GetString());
        // The record can be found, and is not told either.
        (await InsertAsync(client, "a", timeoutMs: 300)).ExpectProblem(503, "outcome_unknown");
        (await InsertAsync(client, "a", timeoutMs: 300, attempt: 2)).ExpectProblem(503, "outcome_unknown");

        await servers.Standby.StartAgainAsync();
        await servers.SetSynchronousAsync(ReplicatedServer.StandbyName);
        var replay = await InsertAsync(client, "a", attempt: 2);
        replay.Expect(HttpStatusCode.OK);
        Assert.Equal("true", replay.Headers["Idempotent-Replayed"]);
        Assert.Equal(1, await CountAsync());
    }

    /// <summary>The control role's server can't be asked for a while after COMMIT.</summary>
    [Fact]
    public async Task PrimaryThatCantBeAsked_IsAskedAgainUntilTheDeadline()
    {
        await using var proxy = FaultProxy.Start(_role.ControlDsn);
        var client = await StartAsync(
            "--Gateway:ReadinessIntervalMs=60000", $"--Gateway:Connections:default:ControlDsn={proxy.Dsn}");
        await servers.Standby.StopAsync();
        var writing = InsertAsync(client, "a", timeoutMs: 30_000);
        await Poll.UntilAsync(async () => await ReplicatedServer.ReadAsync<long>(servers.Dsn, Waiting) == 1);
        proxy.Set(new Reset());

        await servers.Standby.StartAgainAsync();
        await Poll.UntilAsync(async () => await CountAsync() == 1);
        Assert.False(writing.IsCompleted);
        proxy.Set(Fault.None);

        (await writing).Expect(HttpStatusCode.OK);
    }

    /// <summary>
    /// A standby that lacked the effect, and was promoted, passes its position with other effects. It has a new
    /// timeline.
    /// </summary>
    [Fact]
    public async Task PositionOnAnotherTimeline_IsNotConfirmed()
    {
        await using var source = SessionSource.Plain(NpgsqlDataSource.Create(servers.Dsn));
        var clock = TimeProvider.System;
        var standbys = new SynchronousStandbys(new ControlSessions(source, clock), "default", clock);
        var timeline =
            await ReplicatedServer.ReadAsync<string>(servers.Dsn, $"SELECT {ServerPosition.TimelineOfPrimary}");

        await ConfirmAsync(new ServerPosition("0/1", timeline));
        await FailsAsync(new ServerPosition("0/1", "00000099"));
        await FailsAsync(new ServerPosition("FFFFFFFF/0", "00000099"));
        // The position was read on a standby, or not at all.
        await FailsAsync(new ServerPosition("0/1", Timeline: null));
        await FailsAsync(null);

        Task ConfirmAsync(ServerPosition? position) =>
            standbys.ConfirmAsync(position, isExactlyOnce: true, TestContext.Current.CancellationToken);

        async Task FailsAsync(ServerPosition? position) =>
            Assert.Equal(
                ProblemCode.OutcomeUnknown, (await Assert.ThrowsAsync<Failure>(() => ConfirmAsync(position))).Code);
    }

    [Fact]
    public async Task DeferredConstraintThatFails_IsTheCallersError()
    {
        await GatewayFixture.ExecuteAsync(
            servers.Dsn, "ALTER TABLE effects ADD CONSTRAINT once UNIQUE (id) DEFERRABLE INITIALLY DEFERRED");
        var client = await StartAsync();

        const string Insert = "INSERT INTO effects VALUES ('a')";
        var problem = (await client.TransactionAsync("a", Insert, Insert)).ExpectProblem(422, "sql_error");

        Assert.Equal("23505", problem.GetProperty("sqlState").GetString());
        Assert.Equal("once", problem.GetProperty("constraint").GetString());
        Assert.Equal(0, await CountAsync());
    }

    [Fact]
    public async Task ControlRoleThatCantSeeTheStandbys_IsAFault()
    {
        await GatewayFixture.ExecuteAsync(servers.Dsn, $"REVOKE pg_read_all_stats FROM {_role.ControlName}");

        var error = await Assert.ThrowsAsync<StartupException>(() => StartAsync());

        Assert.Contains($"GRANT pg_read_all_stats TO \"{_role.ControlName}\"", error.Message);
    }

    private static Task<Answer> InsertAsync(
        GatewayClient client, string id, string delivery = "exactly-once", int timeoutMs = 15_000, int attempt = 1)
    {
        const string Sql = "INSERT INTO effects VALUES ($1)";
        return client.PostAsync(
            "execute", new { activityId = id, attempt, delivery, timeoutMs, sql = Sql, parameters = new[] { id } });
    }

    private static async Task<string?> ReadyAsync(GatewayClient client) =>
        (await client.GetAsync("/healthz/ready")).Json.GetProperty("connections").GetProperty("default")
        .GetProperty("durability").GetString();

    private Task<long> CountAsync() => ReplicatedServer.ReadAsync<long>(servers.Dsn, "SELECT count(*) FROM effects");

    private async Task<GatewayClient> StartAsync(params string[] settings)
    {
        _gateway = await RunningGateway.StartAsync([$"--DSN={_role.Dsn}", _role.ControlSetting, Setting, .. settings]);
        return _gateway.Client;
    }
}
