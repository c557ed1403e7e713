using System.Net;
using Gateway.Api.Configuration;
using Gateway.Api.Connections;
using Gateway.Api.Postgres;
using Microsoft.Extensions.Logging.Abstractions;
using NpgsqlTypes;

namespace Gateway.Api.PostgresTests.Replication;

/// <summary>
/// Tests connections whose queries run on a standby: they see what the caller has written, if the caller says what it
/// was, and they are limited and cancelled on whichever server they run.
/// </summary>
[Collection(ReplicatedCollection.Name)]
public sealed class ReplicaTests(ReplicatedServer servers) : IAsyncLifetime
{
    private const string OnStandby = "SELECT pg_is_in_recovery()";

    private const string Sleeping =
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg\\_sleep%' AND state = 'active'";

    private RunningGateway _gateway = null!;

    public async ValueTask InitializeAsync()
    {
        await GatewayFixture.ExecuteAsync(servers.Dsn, "DROP TABLE IF EXISTS notes");
        await GatewayFixture.ExecuteAsync(servers.Dsn, "CREATE TABLE notes (id text)");
        await GatewayFixture.InstallJournalAsync(servers.Dsn, servers.Primary.Username, Journal.JournalGuard.None);
        _gateway = await RunningGateway.StartAsync(
            $"--DSN={servers.OfBoth(servers.Dsn, "primary")}",
            $"--Gateway:Connections:replica:Dsn={servers.OfBoth(servers.Dsn, "prefer-standby")}",
            "--Gateway:Connections:replica:ReadOnly=true",
            $"--Gateway:Connections:standby:Dsn={servers.OfBoth(servers.Dsn, "standby")}",
            "--Gateway:Connections:standby:ReadOnly=true",
            $"--Gateway:Connections:both:Dsn={servers.OfBoth(servers.Dsn, null)};Load Balance Hosts=true",
            "--Gateway:Connections:both:ReadOnly=true", "--Gateway:Connections:both:ReuseSessions=false");
    }

    public ValueTask DisposeAsync() => _gateway.DisposeAsync();

    [Theory]
    [InlineData("default", false)]
    [InlineData("replica", true)]
    [InlineData("standby", true)]
    public async Task Query_RunsOnTheServerThatTheDsnPrefers(string connection, bool onStandby) =>
        Assert.Equal(onStandby, await IsOnStandbyAsync(connection));

    [Theory]
    [InlineData("execute", """{"activityId": "@", "sql": "INSERT INTO notes VALUES ('a')"}""")]
    [InlineData("execute", """{"activityId": "@", "sql": "INSERT INTO notes VALUES ('a')", "delivery": "at-least-once"}""")]
    [InlineData("transaction", """{"activityId": "@", "statements": [{"sql": "INSERT INTO notes VALUES ('a')"}]}""")]
    public async Task Write_IsSeenByTheQueryThatSendsItsLsn(string endpoint, string body)
    {
        // The session of the query's server is open, so it need not be found first.
        await IsOnStandbyAsync("standby");
        for (var n = 0; n < 8; n++)
        {
            var written =
                await _gateway.Client.PostAsync(endpoint, body.Replace("@", NewId(), StringComparison.Ordinal));
            written.Expect(HttpStatusCode.OK);

            var seen = (await CountAsync("standby", written.Headers["Gateway-Lsn"])).Expect(HttpStatusCode.OK);
            Assert.Equal(n + 1, seen.GetProperty("rows")[0].GetProperty("count").GetInt32());
        }
    }

    [Fact]
    public async Task StandbyThatIsBehind_IsWaitedFor()
    {
        await using var paused = await PausedAsync();
        var lsn = await WriteAsync();

        // Long enough to connect on a busy machine: the answer names the stage in which the time ended.
        var late = await CountAsync("standby", lsn, timeoutMs: 5_000);
        var waiting = CountAsync("standby", lsn, timeoutMs: 30_000);
        var without = await CountAsync("standby", null);
        Assert.False(waiting.IsCompleted);
        await paused.DisposeAsync();

        var problem = late.ExpectProblem(504, "deadline_exceeded");
        Assert.Contains($"waiting for a server that has replayed {lsn}", problem.GetProperty("detail").GetString());
        Assert.Equal("no", problem.GetProperty("committed").GetString());
        Assert.Equal(0, CountOf(without));
        Assert.Equal(1, CountOf(await waiting));
    }

    [Fact]
    public async Task StandbyThatStaysBehind_ThePrimaryAnswers()
    {
        await using var paused = await PausedAsync();
        var lsn = await WriteAsync();

        Assert.Equal(1, CountOf(await CountAsync("replica", lsn)));
        var readOnly = await _gateway.Client.PostAsync("transaction", new
        {
            activityId = NewId(),
            connection = "replica",
            readOnly = true,
            minLsn = lsn,
            statements = new[] { new { sql = "SELECT count(*)::int FROM notes" } },
        });
        var result = readOnly.Expect(HttpStatusCode.OK).GetProperty("results")[0];
        Assert.Equal(1, result.GetProperty("rows")[0].GetProperty("count").GetInt32());

        // The session on the primary was for that request only.
        Assert.Equal(0, CountOf(await CountAsync("replica", null)));
        Assert.True(await IsOnStandbyAsync("replica"));
    }

    [Fact]
    public async Task Replay_HasAnLsnToo()
    {
        var id = NewId();
        var first = await InsertAsync(id);
        var again = await InsertAsync(id);
        var retry = await InsertAsync(id, attempt: 2);

        Assert.Equal("true", again.Headers["Idempotent-Replayed"]);
        Assert.Equal("true", retry.Headers["Idempotent-Replayed"]);
        Assert.Equal(1, CountOf(await CountAsync("standby", again.Headers["Gateway-Lsn"])));
        Assert.Equal(1, CountOf(await CountAsync("standby", retry.Headers["Gateway-Lsn"])));
        Assert.Equal(1, CountOf(await CountAsync("standby", first.Headers["Gateway-Lsn"])));
    }

    /// <summary>Its commit is not on disk when it is confirmed.</summary>
    [Theory]
    [InlineData("SELECT set_config('synchronous_commit', 'off', true)")]
    [InlineData("SELECT set_config('synchronous_commit', 'off', false)")]
    public async Task WriteThatDoesNotWaitForTheDisk_HasAnLsnBehindIt(string turnOff)
    {
        for (var n = 0; n < 3; n++)
        {
            var before = await ReplicatedServer.ReadAsync<NpgsqlLogSequenceNumber>(
                servers.Dsn, "SELECT pg_current_wal_insert_lsn()");
            var sql = $"INSERT INTO notes SELECT 'a' FROM ({turnOff}) s";
            var answer = await _gateway.Client.PostAsync(
                "execute", new { activityId = NewId(), delivery = "at-least-once", sql });

            answer.Expect(HttpStatusCode.OK);
            Assert.True(NpgsqlLogSequenceNumber.Parse(answer.Headers["Gateway-Lsn"]) > before);
        }
    }

    /// <summary>What fails behind COMMIT undoes the cleaning of the session.</summary>
    [Fact]
    public async Task PositionThatMayNotBeRead_IsLeftOutAndLeavesNothingInTheSession()
    {
        const string Position = "FUNCTION pg_current_wal_flush_lsn()";
        await using var role = await LoginRole.CreateAsync(servers.Dsn, "");
        await role.InstallJournalAsync();
        await GatewayFixture.ExecuteAsync(servers.Dsn, $"GRANT ALL ON notes TO {role.Name}");
        await using var gateway = await RunningGateway.StartAsync($"--DSN={role.Dsn}", role.ControlSetting);
        var client = gateway.Client;
        const string First = "INSERT INTO notes VALUES ('a')";
        Assert.True((await ExecuteAsync("first", First)).Headers.ContainsKey("Gateway-Lsn"));
        await GatewayFixture.ExecuteAsync(servers.Dsn, $"REVOKE EXECUTE ON {Position} FROM PUBLIC");
        try
        {
            foreach (var delivery in new[] { "exactly-once", "at-least-once" })
            {
                var set = await ExecuteAsync(
                    NewId(), "INSERT INTO notes SELECT set_config('search_path', 'nowhere', false)", delivery);
                Assert.False(set.Headers.ContainsKey("Gateway-Lsn"));
                var path = await client.QueryValueAsync("SELECT current_setting('search_path')");
                Assert.NotEqual("nowhere", path.GetString());
            }
            Assert.Equal("true", (await ExecuteAsync("first", First)).Headers["Idempotent-Replayed"]);
            var query = await client.PostAsync("query", new { activityId = "a", sql = "SELECT 1", minLsn = "0/1" });
            query.ExpectProblem(400, "invalid_request");
        }
        finally
        {
            await GatewayFixture.ExecuteAsync(servers.Dsn, $"GRANT EXECUTE ON {Position} TO PUBLIC");
        }

        async Task<Answer> ExecuteAsync(string activityId, string sql, string delivery = "exactly-once")
        {
            var answer = await client.PostAsync("execute", new { activityId, delivery, sql });
            answer.Expect(HttpStatusCode.OK);
            return answer;
        }
    }

    [Fact]
    public async Task ReadOnlyTransactionAndQuery_HaveNoLsn()
    {
        var query = await _gateway.Client.PostAsync("query", new { activityId = NewId(), sql = "SELECT 1" });
        var statements = new[] { new { sql = "SELECT 1" } };
        var transaction = await _gateway.Client.PostAsync(
            "transaction", new { activityId = NewId(), readOnly = true, statements });

        Assert.False(query.Headers.ContainsKey("Gateway-Lsn"));
        Assert.False(transaction.Headers.ContainsKey("Gateway-Lsn"));
    }

    [Theory]
    [InlineData("query", """{"activityId": "a", "sql": "SELECT 1", "minLsn": "latest"}""")]
    [InlineData("query", """{"activityId": "a", "sql": "SELECT 1", "minLsn": "0"}""")]
    [InlineData("query", """{"activityId": "a", "sql": "SELECT 1", "minLsn": "0/100000000"}""")]
    [InlineData("query", """{"activityId": "a", "sql": "SELECT 1", "minLsn": 7}""")]
    [InlineData("execute", """{"activityId": "a", "sql": "SELECT 1", "minLsn": "0/1"}""")]
    [InlineData("transaction", """{"activityId": "a", "statements": [{"sql": "SELECT 1"}], "minLsn": "0/1"}""")]
    public async Task BadMinLsn_IsInvalid(string endpoint, string body)
    {
        var problem = (await _gateway.Client.PostAsync(endpoint, body)).ExpectProblem(400, "invalid_request");

        Assert.Equal("/minLsn", problem.GetProperty("errors")[0].GetProperty("pointer").GetString());
    }

    /// <summary>The LSN of another cluster, for example, that no server will reach.</summary>
    [Theory]
    [InlineData("default")]
    [InlineData("replica")]
    public async Task LsnOfTheFuture_IsWaitedForUntilTheDeadline(string connection) =>
        (await CountAsync(connection, "FFFFFFFF/0", timeoutMs: 700)).ExpectProblem(504, "deadline_exceeded");

    /// <summary>The control role's own sessions are on the primary.</summary>
    [Fact]
    public async Task Statement_IsEndedOnTheServerThatItRunsOn()
    {
        await using var role = await LoginRole.CreateAsync(servers.Dsn, "");
        await GatewayFixture.ExecuteAsync(servers.Dsn, $"GRANT {role.Name} TO {role.ControlName}");
        await servers.CatchUpAsync();
        await using var gateway = await RunningGateway.StartAsync(
            $"--DSN={servers.OfBoth(role.Dsn, "standby")}", "--Gateway:Connections:default:ReadOnly=true",
            $"--Gateway:Connections:default:ControlDsn={servers.OfBoth(role.ControlDsn, "primary")}");

        var answer = await gateway.Client.PostAsync(
            "query", new { activityId = NewId(), timeoutMs = 1000, sql = "SELECT pg_sleep(60)" });

        answer.ExpectProblem(504, "deadline_exceeded");
        // A session that the gateway can't end is left alone for ten seconds.
        await Poll.ReadAsync(CountSleepingAsync, sleeping => sleeping == (0, 0), TimeSpan.FromSeconds(8));
    }

    [Fact]
    public async Task Activity_IsFoundAndCancelledOnWhicheverServerItRuns()
    {
        string[] ids = [.. Enumerable.Range(0, 6).Select(_ => NewId())];
        var running = ids.Select(id => SleepAsync(id, timeoutMs: 60_000)).ToArray();
        await Poll.UntilAsync(async () => await CountSleepingAsync() == (ids.Length / 2, ids.Length / 2));

        foreach (var id in ids)
        {
            var found = await _gateway.Client.FindActivityAsync(id, "?connection=both");
            Assert.Equal("running", found.Expect(HttpStatusCode.OK).GetProperty("status").GetString());
        }
        foreach (var id in ids)
        {
            var cancelled = await _gateway.Client.CancelActivityAsync(id, "?connection=both");
            Assert.Equal("cancelled", cancelled.Expect(HttpStatusCode.OK).GetProperty("status").GetString());
        }

        Assert.All(await Task.WhenAll(running), answer => answer.ExpectProblem(422, "cancelled"));
        Assert.Equal((0, 0), await CountSleepingAsync());
    }

    /// <summary>A session that went to the primary because there was no standby does not stay there.</summary>
    [Fact]
    public async Task SessionOnThePrimary_IsReplacedWhenThereIsAStandbyAgain()
    {
        var clock = new MovedClock();
        var options = new GatewayOptions
        {
            Connections = { ["replica"] = new ConnectionOptions { ReadOnly = true } },
        };
        var dsn = new ConnectionDsn("DSN", Dsns.Dsn.Parse(servers.OfBoth(servers.Dsn, "prefer-standby")), null);
        await using var connection = new NamedConnection("replica", options, dsn, NullLoggerFactory.Instance, clock);
        await servers.Standby.StopAsync();
        try
        {
            Assert.False(await RentAsync());
        }
        finally
        {
            await servers.Standby.StartAgainAsync();
        }

        // So long as it is young, the session is reused.
        Assert.False(await RentAsync());
        clock.Now += TimeSpan.FromSeconds(31);
        Assert.True(await RentAsync());
        clock.Now += TimeSpan.FromSeconds(31);
        Assert.True(await RentAsync());
        Assert.Equal(1, connection.Sessions.Idle);

        async Task<bool> RentAsync()
        {
            using var deadline = new Deadline(
                TimeSpan.FromSeconds(30), TimeSpan.Zero, TimeProvider.System, CancellationToken.None);
            using var place = await connection.Queue.EnterAsync("caller", deadline);
            var session = await connection.Sessions.RentAsync("caller", reads: true, fresh: false, deadline);
            var isOnStandby = session.IsOnStandby;
            await connection.Sessions.ReturnAsync(session);
            return isOnStandby;
        }
    }

    private static string NewId() => $"replica/{Guid.NewGuid():N}";

    private static int CountOf(Answer answer) =>
        answer.Expect(HttpStatusCode.OK).GetProperty("rows")[0].GetProperty("count").GetInt32();

    private async Task<string> WriteAsync()
    {
        var answer = await InsertAsync(NewId());
        answer.Expect(HttpStatusCode.OK);
        return answer.Headers["Gateway-Lsn"];
    }

    private Task<Answer> InsertAsync(string id, int attempt = 1) =>
        _gateway.Client.PostAsync("execute", new { activityId = id, attempt, sql = "INSERT INTO notes VALUES ('a')" });

    private Task<Answer> CountAsync(string connection, string? minLsn, int timeoutMs = 15_000)
    {
        var request = new Dictionary<string, object>
        {
            ["activityId"] = NewId(),
            ["connection"] = connection,
            ["timeoutMs"] = timeoutMs,
            ["sql"] = "SELECT count(*)::int FROM notes",
        };
        if (minLsn is not null)
            request["minLsn"] = minLsn;
        return _gateway.Client.PostAsync("query", request);
    }

    private Task<Answer> SleepAsync(string id, int timeoutMs) => _gateway.Client.PostAsync(
        "query", new { activityId = id, connection = "both", timeoutMs, sql = "SELECT pg_sleep(60)" });

    private async Task<(long Primary, long Standby)> CountSleepingAsync() => (
        await ReplicatedServer.ReadAsync<long>(servers.Dsn, Sleeping),
        await ReplicatedServer.ReadAsync<long>(servers.StandbyDsn, Sleeping));

    private async Task<bool> IsOnStandbyAsync(string connection)
    {
        var answer = await _gateway.Client.PostAsync(
            "query", new { activityId = NewId(), connection, sql = OnStandby, rowFormat = "array" });
        return answer.Expect(HttpStatusCode.OK).GetProperty("rows")[0][0].GetBoolean();
    }

    /// <summary>Stops the replay, after it has everything so far, until the returned object is disposed.</summary>
    private async Task<Pause> PausedAsync()
    {
        await servers.CatchUpAsync();
        await servers.PauseReplayAsync(true);
        return new Pause(servers);
    }

    private sealed class Pause(ReplicatedServer servers) : IAsyncDisposable
    {
        private bool _isOver;

        public async ValueTask DisposeAsync()
        {
            if (_isOver)
                return;
            _isOver = true;
            await servers.PauseReplayAsync(false);
        }
    }
}
