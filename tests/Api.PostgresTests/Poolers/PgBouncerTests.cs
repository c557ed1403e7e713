using System.Net;
using Gateway.Api.Callers;
using Gateway.Api.PostgresTests.Callers;
using Npgsql;

namespace Gateway.Api.PostgresTests.Poolers;

/// <summary>
/// Tests the gateway behind PgBouncer: in session mode everything works without special settings, in the other modes
/// the gateway does not start.
/// </summary>
public sealed class PgBouncerTests(GatewayFixture fixture)
{
    [Theory]
    [InlineData("")]
    // Then PgBouncer drops the settings of the session's start in silence.
    [InlineData("ignore_startup_parameters = options")]
    public async Task SessionMode_EverythingWorks(string settings)
    {
        var table = $"pooled_{settings.Length}";
        await fixture.ExecuteAsync($"CREATE TABLE {table} (n int)");
        await using var role = await LoginRole.CreateAsync(fixture.Dsn, "");
        await role.InstallJournalAsync();
        await fixture.ExecuteAsync($"GRANT ALL ON {table} TO {role.Name}");
        // The gateway's settings override the role's.
        foreach (var setting in new[] { "statement_timeout = '1s'", "DateStyle = 'German'", "default_transaction_read_only = on" })
            await fixture.ExecuteAsync($"ALTER ROLE {role.Name} SET {setting}");
        await using var pooler = await PgBouncer.StartAsync(fixture.Dsn, settings: settings);
        await using var gateway = await RunningGateway.StartAsync(
            $"--DSN={pooler.Through(role.Dsn)};Search Path=\"public, pg_temp\";Options=-c work_mem=7MB -c search_path=\\\"$user\\\",\\ pg_catalog;Timezone=Asia/Tokyo",
            $"--Gateway:Connections:default:ControlDsn={pooler.Through(role.ControlDsn)}");
        var client = gateway.Client;

        foreach (var endpoint in new[] { "query", "execute" })
        {
            for (var round = 0; round < 2; round++)
            {
                var answer = await client.PostAsync(endpoint, new
                {
                    activityId = $"{table}/{endpoint}/{round}",
                    sql = "SELECT date '2026-11-30'::text AS day, current_setting('work_mem') AS memory, current_setting('search_path') AS path, "
                        + "current_setting('statement_timeout') AS timeout, current_setting('TimeZone') AS zone, pg_sleep(1.2)::text AS slept",
                });
                Assert.Equal(
                    """[{"day":"2026-11-30","memory":"7MB","path":"public, pg_temp","timeout":"0","zone":"Asia/Tokyo","slept":""}]""",
                    answer.Expect(HttpStatusCode.OK).GetProperty("rows").GetRawText());
            }
        }
        var write = new { activityId = table, sql = $"INSERT INTO {table} VALUES (1) RETURNING n, clock_timestamp() AS at" };
        var answers = await Task.WhenAll(Enumerable.Range(0, 40).Select(_ => client.PostAsync("execute", write)));
        Assert.All(answers, answer => answer.Expect(HttpStatusCode.OK));
        Assert.Single(answers.Select(answer => answer.Text).Distinct());
        Assert.Equal(1, await fixture.ReadAsync<long>($"SELECT count(*) FROM {table}"));

        await using var turnstile = await Turnstile.CloseAsync(fixture.Dsn);
        var running = client.PostAsync("execute", new { activityId = $"{table}/cancelled", sql = $"SELECT 1 AS a FROM {turnstile.Pass}" });
        await turnstile.HoldsAsync(1);
        Assert.Equal("running", (await client.FindActivityAsync($"{table}/cancelled")).Json.GetProperty("status").GetString());
        (await client.CancelActivityAsync($"{table}/cancelled")).Expect(HttpStatusCode.OK);
        (await running).ExpectProblem(422, "cancelled");
        var late = client.PostAsync("execute", new { activityId = $"{table}/late", timeoutMs = 3000, sql = $"SELECT 1 AS a FROM {turnstile.Pass}" });
        await turnstile.HoldsAsync(1);
        (await late).ExpectProblem(504, "deadline_exceeded");
        await turnstile.HoldsAsync(0);
        Assert.Equal("ok", (await client.GetAsync("/healthz/ready")).Json.GetProperty("connections").GetProperty("default").GetProperty("journal").GetString());
    }

    /// <summary>
    /// The server's session keeps what cleaning does not undo, and PgBouncer would give it to the next client, for
    /// another caller. Here also after a gateway that was killed, and could not end its sessions.
    /// </summary>
    [Fact]
    public async Task SessionOfTheServer_ServesOneCaller()
    {
        await using var pooler = await PgBouncer.StartAsync(fixture.Dsn);
        var (ada, grace) = (ApiKey.New(), ApiKey.New());
        string[] settings =
        [
            "--Gateway:Connections:default:PoolSize=1",
            .. CallersFixture.Settings("ada", [ada], "default=write"), .. CallersFixture.Settings("grace", [grace], "default=write"),
        ];
        var backends = new List<int>();
        await using (var killed = await GatewayProcess.StartAsync(
            new Dictionary<string, string> { ["DSN"] = pooler.Through(fixture.Dsn), ["Gateway__Connections__default__AllowPrivilegedRole"] = "true" },
            ["--urls=http://127.0.0.1:0", .. settings]))
        {
            using var client = new GatewayClient(killed.Address, ada);
            backends.Add(await BackendAsync(client));
            await killed.KillAsync();
        }
        await using var gateway = await RunningGateway.StartAsync([$"--DSN={pooler.Through(fixture.Dsn)}", .. settings]);
        using var adas = new GatewayClient(gateway.Address, ada);
        using var graces = new GatewayClient(gateway.Address, grace);

        foreach (var client in new[] { graces, adas, graces })
            backends.Add(await BackendAsync(client));
        Assert.Equal(backends.Count, backends.Distinct().Count());
        Assert.Equal(backends[^1], await BackendAsync(graces));
    }

    [Fact]
    public async Task RestartUnderWriters_DoublesAndLosesNothing()
    {
        await fixture.ExecuteAsync("CREATE TABLE pooled_restart (activity text)");
        await using var pooler = await PgBouncer.StartAsync(fixture.Dsn);
        await using var gateway = await RunningGateway.StartAsync($"--DSN={pooler.Through(fixture.Dsn)}");
        using var stop = new CancellationTokenSource();
        var answered = 0;

        var writers = Enumerable.Range(0, 4).Select(async writer =>
        {
            for (var number = 0; !stop.IsCancellationRequested; number++)
            {
                var request = new { activityId = $"{writer}/{number}", sql = "INSERT INTO pooled_restart VALUES ($1)", parameters = new[] { $"{writer}/{number}" } };
                var answer = await Poll.ReadAsync(
                    () => gateway.Client.PostAsync("execute", request),
                    one => one.Status == HttpStatusCode.OK || one.Json.GetProperty("retryable").GetBoolean() is false);
                answer.Expect(HttpStatusCode.OK);
                Interlocked.Increment(ref answered);
            }
        }).ToArray();
        for (var restart = 1; restart <= 3; restart++)
        {
            var before = Volatile.Read(ref answered);
            await Poll.UntilAsync(() => Volatile.Read(ref answered) > before + 20);
            await pooler.RestartAsync();
        }
        await stop.CancelAsync();
        await Task.WhenAll(writers);

        Assert.Equal(answered, await fixture.ReadAsync<long>("SELECT count(*) FROM pooled_restart"));
        Assert.Equal(answered, await fixture.ReadAsync<long>("SELECT count(DISTINCT activity) FROM pooled_restart"));
    }

    [Theory]
    [InlineData("transaction", "")]
    [InlineData("transaction", "server_round_robin = 1")]
    [InlineData("transaction", "ignore_startup_parameters = options")]
    [InlineData("transaction", "default_pool_size = 1")]
    [InlineData("statement", "")]
    [InlineData("statement", "server_round_robin = 1")]
    public async Task OtherModes_EndTheStartWithOneSentence(string mode, string settings)
    {
        await using var pooler = await PgBouncer.StartAsync(fixture.Dsn, mode, settings);
        // Other clients' sessions of the server.
        await using var others = NpgsqlDataSource.Create($"{pooler.Through(fixture.Dsn)};No Reset On Close=true;Application Name=others");
        await Task.WhenAll(Enumerable.Range(0, 3).Select(async _ =>
        {
            await using var command = others.CreateCommand("SELECT pg_sleep(0.05)");
            await command.ExecuteNonQueryAsync();
        }));

        var run = await GatewayProcess.RunAsync(new Dictionary<string, string>
        {
            ["DSN"] = pooler.Through(fixture.Dsn),
            ["Gateway__Connections__default__AllowPrivilegedRole"] = "true",
        });

        Assert.Equal(1, run.ExitCode);
        Assert.Contains(
            "Connection \"default\" (DSN): a pooler in transaction or statement mode stands before the server. Set pool_mode = session for the "
            + "gateway's roles, or connect to PostgreSQL itself (docs/poolers.md).",
            run.Errors, StringComparison.Ordinal);
        // The check has changed nothing in a session that other clients share.
        await using var look = others.CreateCommand("SELECT current_setting('client_connection_check_interval')");
        Assert.Equal("0", await look.ExecuteScalarAsync());
    }

    /// <summary>The schema's name has a letter that not every encoding has, and the role another encoding.</summary>
    [Fact]
    public async Task SettingWithAnyLetter_IsMadeInAnyEncoding()
    {
        await using var role = await LoginRole.CreateAsync(fixture.Dsn, "");
        await fixture.ExecuteAsync($"ALTER ROLE {role.Name} SET client_encoding = 'LATIN1'");
        await using var pooler = await PgBouncer.StartAsync(fixture.Dsn);
        await using var gateway = await RunningGateway.StartAsync($"--DSN={pooler.Through(role.Dsn)};Options=-c search_path=ünïcödé");

        for (var round = 0; round < 3; round++)
            Assert.Equal("ünïcödé", (await gateway.Client.QueryValueAsync("SELECT current_setting('search_path')")).GetString());
    }

    /// <summary>A request that finds no session of the server ends in time, and the gateway stays ready.</summary>
    [Fact]
    public async Task FullPooler_EndsRequestsInTime()
    {
        await using var role = await LoginRole.CreateAsync(fixture.Dsn, "");
        await role.InstallJournalAsync();
        await using var pooler = await PgBouncer.StartAsync(fixture.Dsn, settings: "default_pool_size = 4");
        await using var gateway = await RunningGateway.StartAsync(
            $"--DSN={pooler.Through(role.Dsn)}", $"--Gateway:Connections:default:ControlDsn={pooler.Through(role.ControlDsn)}",
            "--Gateway:ReadinessIntervalMs=200");
        var others = new List<NpgsqlConnection>();
        // One session is the gateway's own.
        for (var count = 0; count < 3; count++)
        {
            others.Add(await GatewayFixture.OpenAsync(pooler.Through(role.Dsn)));
            await using var hold = new NpgsqlCommand("SELECT 1", others[^1]);
            await hold.ExecuteScalarAsync();
        }

        var answer = await gateway.Client.PostAsync("query", new { activityId = "full", timeoutMs = 2000, sql = "SELECT 1 AS a" });
        answer.ExpectProblem(504, "deadline_exceeded");
        for (var look = 0; look < 20; look++)
        {
            (await gateway.Client.GetAsync("/healthz/ready")).Expect(HttpStatusCode.OK);
            await Task.Delay(200, TestContext.Current.CancellationToken);
        }
        foreach (var other in others)
            await other.DisposeAsync();

        await Poll.UntilAsync(async () => (await gateway.Client.PostAsync("query", new { activityId = "full", sql = "SELECT 1 AS a" })).Status == HttpStatusCode.OK);
    }

    [Theory]
    [InlineData("-S 2MB", "-S")]
    [InlineData("-c default_transaction_isolation=serializable", "-cdefault_transaction_isolation=serializable")]
    public async Task OptionThatSqlCannotSet_EndsTheStart(string options, string named)
    {
        await using var pooler = await PgBouncer.StartAsync(fixture.Dsn);

        var run = await GatewayProcess.RunAsync(new Dictionary<string, string>
        {
            ["DSN"] = $"{pooler.Through(fixture.Dsn)};Options={options}",
            ["Gateway__Connections__default__AllowPrivilegedRole"] = "true",
        });

        Assert.Equal(1, run.ExitCode);
        Assert.Contains($"the pooler takes no options, and \"{named}\" of the DSN's options can't be set by SQL", run.Errors, StringComparison.Ordinal);
    }

    private static async Task<int> BackendAsync(GatewayClient client) =>
        (await client.QueryValueAsync("SELECT pg_backend_pid()")).GetInt32();
}
