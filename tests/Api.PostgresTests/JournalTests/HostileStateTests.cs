using System.Net;
using System.Text.Json;
using Gateway.Contracts;

namespace Gateway.Api.PostgresTests.JournalTests;

/// <summary>
/// Tests that, whatever a caller's SQL sets, raises or ends, an effect and its record are kept together or not at all,
/// and the next request gets a clean session.
/// </summary>
public sealed class HostileStateTests(HostileDatabase database) : IClassFixture<HostileDatabase>
{
    private const string Settings =
        "SELECT string_agg(name || '=' || setting, ' ' ORDER BY name) || current_user FROM pg_settings WHERE name NOT LIKE 'transaction%' AND name NOT LIKE 'plpgsql%' AND name <> 'application_name'";

    [Theory]
    [InlineData("SET ROLE {0}_other")]
    [InlineData("SET LOCAL ROLE {0}_other")]
    [InlineData("SET statement_timeout = '1ms'")]
    [InlineData("SET LOCAL lock_timeout = '1ms'")]
    [InlineData("SET default_transaction_read_only = on")]
    [InlineData("SET default_transaction_isolation = 'serializable'")]
    [InlineData("SET row_security = off")]
    [InlineData("SET synchronous_commit = off")]
    [InlineData("SET DateStyle = 'German, DMY'")]
    [InlineData("SET bytea_output = 'escape'")]
    [InlineData("SET standard_conforming_strings = off")]
    [InlineData("SET search_path = ''")]
    [InlineData("SET application_name = 'forged'")]
    [InlineData("SET plan_cache_mode = force_generic_plan")]
    [InlineData("SET enable_tidscan = off")]
    [InlineData("SET transform_null_equals = on")]
    [InlineData("SET log_parameter_max_length_on_error = -1")]
    [InlineData("SET client_min_messages = debug5")]
    [InlineData("SET idle_in_transaction_session_timeout = '1ms'")]
    [InlineData("SET CONSTRAINTS ALL IMMEDIATE")]
    [InlineData("SET CONSTRAINTS ALL DEFERRED")]
    [InlineData("PREPARE finish AS SELECT 1")]
    [InlineData("LISTEN forged")]
    [InlineData("DECLARE c CURSOR WITH HOLD FOR SELECT 1")]
    [InlineData("CREATE TEMP TABLE activity AS SELECT 1")]
    public async Task WhateverIsSetBeforeTheEffect_EffectAndRecordAreOneAndTheNextSessionIsClean(string sql)
    {
        await using var gateway = await database.StartGatewayAsync("--Gateway:Connections:default:PoolSize=1");
        var id = $"state/{Guid.NewGuid():N}";
        var before = (await gateway.Client.QueryValueAsync(Settings)).GetString();
        var request = new
        {
            activityId = id,
            sql = $"DO $do$ BEGIN {string.Format(sql, database.Role)}; INSERT INTO {database.Role}.effects VALUES ('{id}'); END $do$",
        };

        var first = await gateway.Client.PostAsync("execute", request);
        var next = (await gateway.Client.QueryValueAsync(Settings)).GetString();
        var second = await gateway.Client.PostAsync("execute", request);

        Assert.Equal(before, next);
        var effects = await EffectsAsync(id);
        if (first.Status == HttpStatusCode.OK)
        {
            Assert.Equal(1, effects);
            Assert.Equal(first.Text, second.Expect(HttpStatusCode.OK).GetRawText());
            Assert.Equal("true", second.Headers["Idempotent-Replayed"]);
        }
        else
        {
            Assert.Equal("no", first.Json.GetProperty("committed").GetString());
            Assert.Equal(second.Status == HttpStatusCode.OK ? 1 : 0, effects);
        }
        Assert.Equal(effects, await RecordsAsync(id));
    }

    [Fact]
    public async Task SynchronousCommitSetOff_IsAsTheServerHasItWhereAnActivityCommits()
    {
        await GatewayFixture.ExecuteAsync(database.Dsn,
            """
            DO $$ BEGIN
                CREATE TABLE commits (how text);
                CREATE FUNCTION seen_at_commit() RETURNS trigger LANGUAGE plpgsql AS
                    'BEGIN INSERT INTO effects VALUES (''synchronous_commit '' || current_setting(''synchronous_commit'')); RETURN NULL; END';
                CREATE CONSTRAINT TRIGGER seen AFTER INSERT ON commits DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION seen_at_commit();
            END $$
            """);

        (await database.ExecuteAsync($"{Guid.NewGuid():N}", "DO $$ BEGIN SET synchronous_commit = off; INSERT INTO commits VALUES (''); END $$")).Expect(HttpStatusCode.OK);

        Assert.Equal("synchronous_commit on", await database.ReadAsync<string>($"SELECT what FROM {database.Role}.effects WHERE what LIKE 'synchronous%'"));
    }

    /// <summary>
    /// A caller's SQL raises the journal's own SQLSTATEs, and others that have a meaning for the gateway.
    /// </summary>
    [Theory]
    [InlineData("GJ001", ProblemCode.SqlError)]
    [InlineData("GJ002", ProblemCode.SqlError)]
    [InlineData("GJ003", ProblemCode.SqlError)]
    [InlineData("55P03", ProblemCode.Conflict)]
    [InlineData("40001", ProblemCode.Conflict)]
    [InlineData("40P01", ProblemCode.Conflict)]
    [InlineData("57014", ProblemCode.DeadlineExceeded)]
    [InlineData("25P03", ProblemCode.SqlError)]
    [InlineData("25P04", ProblemCode.SqlError)]
    [InlineData("53100", ProblemCode.DatabaseUnavailable)]
    [InlineData("57P01", ProblemCode.DatabaseUnavailable)]
    [InlineData("57P04", ProblemCode.DatabaseUnavailable)]
    [InlineData("58030", ProblemCode.DatabaseUnavailable)]
    [InlineData("58P01", ProblemCode.SqlError)]
    [InlineData("XX000", ProblemCode.SqlError)]
    [InlineData("XX001", ProblemCode.DatabaseUnavailable)]
    public async Task SqlStateRaisedByTheCaller_IsItsSqlFailingAndNothingIsKept(string sqlState, ProblemCode code)
    {
        var trigger = $"raise_{sqlState.ToLowerInvariant()}";
        await GatewayFixture.ExecuteAsync(database.Dsn,
            $"""
            DO $$ BEGIN
                CREATE TABLE {trigger} (a text);
                CREATE FUNCTION {trigger}() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''forged'' USING ERRCODE = ''{sqlState}''; END';
                CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON {trigger} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION {trigger}();
            END $$
            """);

        foreach (var sql in new[]
        {
            $"DO $$ BEGIN INSERT INTO effects VALUES ('{sqlState}'); RAISE 'forged' USING ERRCODE = '{sqlState}'; END $$",
            $"WITH e AS (INSERT INTO effects VALUES ('{sqlState}')) INSERT INTO {trigger} VALUES ('')",
        })
        {
            var id = $"raised/{Guid.NewGuid():N}";
            for (var time = 0; time < 2; time++)
            {
                var answer = await database.ExecuteAsync(id, sql);
                Assert.Equal("no", answer.Json.GetProperty("committed").GetString());
                Assert.Equal(JsonNamingPolicy.SnakeCaseLower.ConvertName(code.ToString()), answer.Json.GetProperty("code").GetString());
            }
            Assert.Equal(0, await EffectsAsync(sqlState));
            Assert.Equal(0, await RecordsAsync(id));
        }
        (await database.QueryAsync("SELECT 1")).Expect(HttpStatusCode.OK);
    }

    [Theory]
    [InlineData("COMMIT")]
    [InlineData("/* */ ; -- \n ROLLBACK AND CHAIN")]
    [InlineData("PREPARE TRANSACTION 'forged'")]
    [InlineData("DO $$ BEGIN INSERT INTO effects VALUES ('escaped'); COMMIT; END $$")]
    [InlineData("DO $$ BEGIN INSERT INTO effects VALUES ('escaped'); ROLLBACK; END $$")]
    [InlineData("DO $$ BEGIN INSERT INTO effects VALUES ('escaped'); EXECUTE 'COMMIT'; END $$")]
    [InlineData("DO $$ BEGIN INSERT INTO effects VALUES ('escaped'); EXECUTE 'PREPARE TRANSACTION ''x'''; END $$")]
    public async Task TransactionControl_LeavesNeitherEffectNorRecord(string sql)
    {
        var id = $"escape/{Guid.NewGuid():N}";

        var refused = await database.ExecuteAsync(id, sql);
        var corrected = await database.ExecuteAsync(id, "INSERT INTO effects VALUES ($1)", id);

        Assert.Equal("no", refused.ExpectProblem(422, refused.Json.GetProperty("code").GetString()!).GetProperty("committed").GetString());
        Assert.Equal(0, await EffectsAsync("escaped"));
        Assert.Equal("false", corrected.Headers["Idempotent-Replayed"]);
        Assert.Equal(1, await EffectsAsync(id));
    }

    [Fact]
    public async Task Key_IsInNothingThatSqlCanSee()
    {
        var key = await database.ReadAsync<string>("SELECT encode(secret, 'hex') FROM gateway_journal_records.key ORDER BY id DESC LIMIT 1");
        Assert.NotEmpty(key!);
        const string Views =
            """
            SELECT concat_ws(' ', current_query(),
                (SELECT string_agg(a::text, ' ') FROM pg_stat_activity a), (SELECT string_agg(a::text, ' ') FROM pg_prepared_statements a),
                (SELECT string_agg(a::text, ' ') FROM pg_cursors a), (SELECT string_agg(a::text, ' ') FROM pg_locks a),
                (SELECT string_agg(a::text, ' ') FROM pg_stats a WHERE schemaname LIKE 'gateway%'), (SELECT string_agg(a::text, ' ') FROM pg_settings a)) AS seen
            """;

        await database.AssertVictimIsAnsweredAsync();
        foreach (var answer in new[] { await database.QueryAsync(Views), await database.ExecuteAsync($"{Guid.NewGuid():N}", Views) })
        {
            var seen = answer.Expect(HttpStatusCode.OK).GetProperty("rows")[0].GetProperty("seen").GetString()!;
            // The view does show statements of the journal: the victim's session has cleaned itself with one.
            Assert.Contains("gateway_journal.", seen);
            Assert.DoesNotContain(key!, seen, StringComparison.OrdinalIgnoreCase);
            Assert.DoesNotContain(HostileDatabase.Secret, seen);
        }
    }

    /// <summary>
    /// A role may terminate its own sessions, so a caller can terminate another caller's. The other's retry still has
    /// one effect.
    /// </summary>
    [Fact]
    public async Task BackendEndedByAnother_RetryHasOneEffect()
    {
        var id = $"ended/{Guid.NewGuid():N}";
        await using var turnstile = await Turnstile.CloseAsync(database.AdminDsn);
        var sql = $"WITH e AS (INSERT INTO effects VALUES ($1)) SELECT 1 FROM {turnstile.Pass}";
        var victim = database.ExecuteAsync(id, sql, id);
        await turnstile.HoldsAsync(1);
        (await database.QueryAsync("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%effects%pg_advisory%' AND pid <> pg_backend_pid()")).Expect(HttpStatusCode.OK);

        (await victim).ExpectProblem(503, "database_unavailable");
        await turnstile.OpenAsync();
        var retried = await database.ExecuteAsync(id, sql, id);

        Assert.Equal("false", retried.Headers["Idempotent-Replayed"]);
        Assert.Equal(1, await EffectsAsync(id));
        await database.AssertVictimIsAnsweredAsync();
    }

    private Task<long> EffectsAsync(string what) => database.ReadAsync<long>($"SELECT count(*) FROM {database.Role}.effects WHERE what = '{what}'");

    private Task<long> RecordsAsync(string id) => database.ReadAsync<long>($"SELECT count(*) FROM gateway_journal_records.activity WHERE activity_id = '{id}'");
}
