using System.Diagnostics;
using System.Net;
using System.Text.Json;
using Gateway.Api.Hosting;
using Npgsql;

namespace Gateway.Api.PostgresTests;

/// <summary>
/// Tests session isolation: whatever a request does in its session, the next request on the same backend sees nothing
/// of it.
/// </summary>
public abstract class SessionIsolationTests(OneSessionGateway gateway)
{
    private const string Lock = "(SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid())";
    private const string Plans = "(SELECT count(*) FROM pg_prepared_statements WHERE name = 'left_plan')";

    /// <summary>All settings, except those of the transaction, which depend on the endpoint.</summary>
    private const string Settings =
        "(SELECT string_agg(name || '=' || setting, ' ' ORDER BY name) FROM pg_settings WHERE name NOT LIKE 'transaction%' AND name NOT LIKE 'plpgsql%')";

    private static readonly Leaving[] Leavings =
    [
        new("SET", "SET work_mem = '77MB'", "current_setting('work_mem')"),
        new("SET a name", "SET application_name = 'left'", "current_setting('application_name')"),
        new("set_config", "SELECT set_config('work_mem', '78MB', false)", "current_setting('work_mem')"),
        new("many settings", "SELECT left_settings()", Settings),
        new("search_path", "SET search_path = pg_catalog", "current_setting('search_path')"),
        new("search_path by set_config", "SELECT set_config('search_path', '', false)", "to_regclass('users')"),
        new("role", "SET ROLE gateway_demo", "current_user"),
        new("role by set_config", "SELECT set_config('role', 'gateway_demo', false)", "current_user"),
        new("session authorization", "SET SESSION AUTHORIZATION gateway_demo", "session_user"),
        new("session authorization of a role", "SELECT set_config('session_authorization', 'gateway_demo', false)", "current_user"),

        new("PREPARE", "PREPARE left_plan AS SELECT 1", Plans),
        new("PREPARE of a write", "PREPARE left_plan AS DELETE FROM users", Plans),
        new("WITH HOLD", "DECLARE left_cursor CURSOR WITH HOLD FOR SELECT 1", "(SELECT count(*) FROM pg_cursors WHERE is_holdable)"),
        new("LISTEN", "LISTEN left_channel", "(SELECT count(*) FROM pg_listening_channels())"),

        new("advisory lock", "SELECT pg_advisory_lock(4711)", Lock),
        new("advisory lock of two keys", "SELECT pg_advisory_lock(47, 11)", Lock),
        new("shared advisory lock", "SELECT pg_advisory_lock_shared(4711)", Lock),
        new("advisory lock tried", "SELECT pg_try_advisory_lock(4711)", Lock),
        new("advisory lock many times", "SELECT count(pg_advisory_lock(4711)) FROM generate_series(1, 100)", Lock),
        new("many advisory locks", "SELECT count(pg_advisory_lock(g)) FROM generate_series(1, 1000) g", Lock),

        new("temporary table that shadows", "CREATE TEMP TABLE users AS SELECT 'shadow' AS email", "(SELECT string_agg(email, ' ') FROM users)") { Writes = true },
        new("temporary view that shadows", "CREATE TEMP VIEW orders AS SELECT 1", "'orders'::regclass::oid") { Writes = true },
        new("temporary table of a SELECT INTO", "SELECT 1 AS a INTO TEMP left_table", "to_regclass('left_table')") { Writes = true },
        new("temporary sequence", "CREATE TEMP SEQUENCE left_sequence", "'left_sequence'::regclass::oid") { Writes = true },
        new("temporary function", "CREATE FUNCTION pg_temp.left_function() RETURNS int LANGUAGE sql AS 'SELECT 1'", "(SELECT count(*) FROM pg_proc WHERE proname = 'left_function')") { Writes = true },
        new("temporary type that shadows", "CREATE DOMAIN pg_temp.left_type AS int", "to_regtype('left_type')") { Writes = true },

        new("currval", "SELECT nextval('left_sequence')", "currval('left_sequence')") { Writes = true },
        new("lastval", "INSERT INTO users (email, name) VALUES (gen_random_uuid(), 'left')", "lastval()") { Writes = true },

        new("client_encoding", "SET client_encoding = 'LATIN1'", "current_setting('client_encoding')") { Rejected = true },
        new("SET NAMES", "SET NAMES 'SQL_ASCII'", "current_setting('client_encoding')") { Rejected = true },
        new("DateStyle", "SET DateStyle = 'German, DMY'", "date '2026-01-02'::text"),
        new("TimeZone", "SET TIME ZONE 'Asia/Kathmandu'", "timestamptz '2026-01-02 00:00:00+00'::text"),
        new("IntervalStyle", "SET IntervalStyle = 'iso_8601'", "interval '1 day'::text"),
        new("standard_conforming_strings", "SET standard_conforming_strings = off", "length('\\\\')"),
        new("extra_float_digits", "SET extra_float_digits = -10", "(0.1::float8 + 0.2)::text"),
        new("bytea_output", "SET bytea_output = 'escape'", "'\\xff'::bytea::text"),
        new("default_transaction_read_only", "SET default_transaction_read_only = on", "current_setting('default_transaction_read_only')"),
        new("default_transaction_isolation", "SET default_transaction_isolation = 'serializable'", "current_setting('transaction_isolation')"),
        new("default_transaction_deferrable", "SET default_transaction_deferrable = on", "current_setting('default_transaction_deferrable')"),
        new("SET SESSION CHARACTERISTICS", "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "current_setting('default_transaction_read_only')") { Rejected = true },
        new("statement_timeout off", "SET statement_timeout = 0", "current_setting('statement_timeout') = '0'"),
        new("statement_timeout short", "SELECT set_config('statement_timeout', '1001', false)", "current_setting('statement_timeout') = '1001ms'"),
        new("lock_timeout", "SET lock_timeout = '7s'", "current_setting('lock_timeout')"),
        new("session_replication_role", "SET session_replication_role = replica", "current_setting('session_replication_role')"),
        new("row_security", "SET row_security = off", "current_setting('row_security')"),
        new("synchronous_commit", "SET synchronous_commit = off", "current_setting('synchronous_commit')"),
        new("custom setting", "SELECT set_config('my.secret', 'left', false)", "coalesce(current_setting('my.secret', true), '')"),
        new("custom setting by SET", "SET my.secret = 'left'", "coalesce(current_setting('my.secret', true), '')"),

        // State that ROLLBACK does not undo.
        new("advisory lock and an error", "DO $$ BEGIN PERFORM pg_advisory_lock(4711); RAISE 'no'; END $$", Lock) { Fails = "P0001" },
        new("many advisory locks and an error", "SELECT count(pg_advisory_lock(g) IS NULL OR 1 / (1000 - g) = 0) FROM generate_series(1, 1000) g", Lock) { Fails = "22012" },
        new("PREPARE and an error", "DO $$ BEGIN EXECUTE 'PREPARE left_plan AS SELECT 1'; RAISE 'no'; END $$", Plans) { Fails = "P0001" },
        new("currval and an error", "SELECT 1 / (nextval('left_sequence') * 0)", "currval('left_sequence')") { Writes = true, Fails = "22012" },
        new("advisory lock and an error of COMMIT", "INSERT INTO left_deferred SELECT 1 FROM pg_advisory_lock(4711)", Lock) { Writes = true, Fails = "P0001" },
    ];

    public static TheoryData<string, string> EachLeaving() => new(
        from leaving in Leavings
        from endpoint in new[] { "query", "execute" }
        select (leaving.Name, endpoint));

    [Theory]
    [MemberData(nameof(EachLeaving))]
    public async Task WhatARequestLeaves_TheNextOnTheSameBackendDoesNotSee(string name, string endpoint)
    {
        var leaving = Leavings.Single(leaving => leaving.Name == name);
        var (backend, before) = (await BackendAsync(), await SeeAsync(leaving.See));

        leaving.Check(await gateway.PostAsync(endpoint, leaving.Sql), endpoint);

        var after = await SeeAsync(leaving.See);
        Assert.Equal(before, after);
        Assert.Equal(backend, await BackendAsync());
        // The probe works: it sees the state in a session that is not cleaned.
        if (!leaving.Writes || endpoint == "execute")
            Assert.NotEqual(before, await LeaveAndSeeUncleanedAsync(leaving, endpoint));
    }

    [Theory]
    [InlineData("query")]
    [InlineData("execute")]
    public async Task WhatATimedOutRequestLeaves_TheNextDoesNotSee(string endpoint)
    {
        const string See = $"{Lock} + {Plans}";
        var before = await SeeAsync(See);

        var answer = await gateway.PostAsync(
            endpoint,
            """
            DO $$ BEGIN
                PERFORM pg_advisory_lock(4711), set_config('work_mem', '79MB', false);
                EXECUTE 'PREPARE left_plan AS SELECT 1';
                PERFORM pg_sleep(30);
            END $$
            """,
            timeoutMs: 300);

        answer.ExpectProblem(504, "deadline_exceeded");
        Assert.Equal(before, await SeeAsync(See));
        Assert.NotEqual("79MB", await SeeAsync("current_setting('work_mem')"));
        Assert.Equal("0", await SeeAsync("(SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(30)%' AND pid <> pg_backend_pid())"));
    }

    [Theory]
    [InlineData("SET LOCAL work_mem = '79MB'")]
    [InlineData("SELECT set_config('work_mem', '79MB', true)")]
    [InlineData("SELECT pg_advisory_xact_lock(4711)")]
    [InlineData("DECLARE left_cursor CURSOR FOR SELECT 1")]
    public async Task WhatIsTheTransactionsOwn_EndsWithIt(string sql)
    {
        const string See = $"current_setting('work_mem') || {Lock} || (SELECT count(*) FROM pg_cursors WHERE name = 'left_cursor')";
        var before = await SeeAsync(See);

        (await gateway.PostAsync("execute", sql)).Expect(HttpStatusCode.OK);

        Assert.Equal(before, await SeeAsync(See));
    }

    [Fact]
    public async Task ANotificationForWhatWasListenedTo_IsNobodys()
    {
        (await gateway.PostAsync("query", "LISTEN left_channel")).Expect(HttpStatusCode.OK);
        await gateway.RunAsync("NOTIFY left_channel, 'left'");

        var backend = await BackendAsync();
        (await gateway.PostAsync("execute", "DO $$ BEGIN EXECUTE 'LISTEN left_channel'; NOTIFY left_channel; END $$"))
            .Expect(HttpStatusCode.OK);
        await gateway.RunAsync("NOTIFY left_channel, 'left'");

        Assert.Equal(backend, await BackendAsync());
        Assert.Equal("0", await SeeAsync("(SELECT count(*) FROM pg_listening_channels())"));
    }

    [Fact]
    public async Task ASessionsStartingSettings_AreThoseOfTheDsnAgain()
    {
        await using var configured = await gateway.StartGatewayAsync("-c role=gateway_demo -c search_path=elsewhere -c work_mem=81MB");
        const string See =
            "SELECT current_user || ' ' || current_setting('search_path') || ' ' || current_setting('work_mem') || ' ' || pg_backend_pid()";
        var first = (await configured.Client.QueryValueAsync(See)).GetString();

        await configured.Client.QueryAsync("SELECT set_config('role', 'none', false) AS a, set_config('search_path', '', false) AS b, set_config('work_mem', '82MB', false) AS c");

        Assert.StartsWith("gateway_demo elsewhere 81MB ", first);
        Assert.Equal(first, (await configured.Client.QueryValueAsync(See)).GetString());
    }

    /// <summary>State that PostgreSQL can't undo within a session. The list is known, and complete.</summary>
    [Fact]
    public async Task WhatPostgresCantUndo_IsTheRandomSeedTheEmptyTemporarySchemaAnEmptySettingAndALibrary()
    {
        await using var fresh = await gateway.StartGatewayAsync();
        Assert.Equal(JsonValueKind.Null, (await fresh.Client.QueryValueAsync("SELECT current_setting('my.secret', true)")).ValueKind);
        Assert.Equal(0, (await fresh.Client.QueryValueAsync("SELECT pg_my_temp_schema()::int8")).GetInt64());
        Assert.Equal(JsonValueKind.Null, (await fresh.Client.QueryValueAsync("SELECT current_setting('plpgsql.variable_conflict', true)")).ValueKind);

        await fresh.Client.QueryAsync("SELECT setseed(0.5)");
        var random = (await fresh.Client.QueryValueAsync("SELECT random()")).GetDouble();
        await fresh.Client.QueryAsync("SELECT setseed(0.5)");
        Assert.Equal(random, (await fresh.Client.QueryValueAsync("SELECT random()")).GetDouble());

        await fresh.Client.ExecuteAsync("CREATE TEMP TABLE left_table AS SELECT 1 AS a");
        Assert.NotEqual(0, (await fresh.Client.QueryValueAsync("SELECT pg_my_temp_schema()::int8")).GetInt64());
        Assert.Equal(0, (await fresh.Client.QueryValueAsync(
            "SELECT (SELECT count(*) FROM pg_class WHERE relnamespace = pg_my_temp_schema()) + (SELECT count(*) FROM pg_type WHERE typnamespace = pg_my_temp_schema())")).GetInt64());

        await fresh.Client.QueryAsync("SELECT set_config('my.secret', 'left', false)");
        Assert.Equal("", (await fresh.Client.QueryValueAsync("SELECT current_setting('my.secret', true)")).GetString());

        await fresh.Client.QueryAsync("DO $$ BEGIN END $$");
        Assert.Equal("error", (await fresh.Client.QueryValueAsync("SELECT current_setting('plpgsql.variable_conflict', true)")).GetString());
    }

    /// <summary>
    /// State that PostgreSQL keeps until the session ends, and that needs a superuser or similar rights, which the
    /// gateway's role should not have.
    /// </summary>
    [Theory]
    [InlineData("pg_create_physical_replication_slot('left_slot', true, true)", "(SELECT count(*) FROM pg_replication_slots)")]
    [InlineData("pg_create_logical_replication_slot('left_slot', 'pgoutput', true)", "(SELECT count(*) FROM pg_replication_slots)")]
    [InlineData("pg_backup_start('left', true)", "pg_backup_stop()")]
    public async Task WhatOnlyASuperuserCanLeave_IsRefusedToOthers(string call, string see)
    {
        await using var own = await gateway.StartGatewayAsync();
        var before = await SeeAsync(own.Client, see);

        var ordinary = await own.Client.PostAsync(
            "query", new { activityId = "a", sql = $"DO $$ BEGIN SET LOCAL ROLE gateway_demo; PERFORM {call}; END $$" });

        Assert.Equal("42501", ordinary.ExpectProblem(422, "sql_error").GetProperty("sqlState").GetString());
        Assert.Equal(before, await SeeAsync(own.Client, see));

        await own.Client.QueryAsync($"SELECT {call}");
        Assert.NotEqual(before, await SeeAsync(own.Client, see));
    }

    [Theory]
    [InlineData("SELECT set_config('client_encoding', 'LATIN1', false) AS a, 'é' AS text", "é")]
    [InlineData("SELECT set_config('client_encoding', 'LATIN1', true) AS a, 'é' AS text", "é")]
    // In LATIN1 these are the bytes of é in UTF-8. A reader that expects UTF-8 can't notice the difference.
    [InlineData("SELECT set_config('client_encoding', 'LATIN1', false) AS a, 'Ã©' AS text", "Ã©")]
    [InlineData("SELECT set_config('client_encoding', 'SJIS', false) AS a, '表' AS text", "表")]
    [InlineData("SELECT set_config('client_encoding', 'SQL_ASCII', false) AS a, 'é' AS text", "é")]
    [InlineData("SELECT set_config('client_encoding', 'LATIN1', false) AS a, '€' AS text", "€")]
    [InlineData("SELECT set_config('client_encoding', 'LATIN1', false) AS a, 'Ã©' AS text FROM generate_series(1, 9)", "Ã©")]
    [InlineData("DO $$ BEGIN PERFORM set_config('client_encoding', 'LATIN1', false); RAISE 'é'; END $$", null)]
    [InlineData("DO $$ BEGIN PERFORM set_config('client_encoding', 'SJIS', false); RAISE '表'; END $$", null)]
    [InlineData("DO $$ BEGIN PERFORM set_config('client_encoding', 'LATIN1', false); RAISE NOTICE 'é'; END $$", null)]
    [InlineData("SET client_encoding = 'LATIN1'", null)]
    public async Task AStatementThatChangesTheEncoding_HasTheRightTextOrAProblem(string sql, string? text)
    {
        foreach (var endpoint in new[] { "query", "execute" })
        {
            // A query need not read all its rows.
            var answer = endpoint == "query"
                ? await gateway.Client.PostAsync(endpoint, new { activityId = "encoded", sql, maxRows = 3 })
                : await gateway.PostAsync(endpoint, sql);

            Assert.True((int)answer.Status is 200 or (>= 400 and < 500), answer.Text);
            if (answer.Status == HttpStatusCode.OK && text is not null)
                Assert.Equal(text, answer.Json.GetProperty("rows")[0].GetProperty("text").GetString());
            Assert.Equal("é€表", await SeeAsync("'é€表'"));
        }
    }

    [Theory]
    [InlineData("SELECT set_config('DateStyle', 'German', false) AS a, timestamp '2026-01-02 03:04:05' AS value")]
    [InlineData("SELECT set_config('DateStyle', 'Postgres', false) AS a, timestamptz '2026-01-02 03:04:05+00' AS value")]
    [InlineData("SELECT set_config('DateStyle', 'SQL, DMY', false) AS a, date '2026-01-02' AS value")]
    [InlineData("SELECT set_config('IntervalStyle', 'sql_standard', false) AS a, interval '1 day' AS value")]
    [InlineData("SELECT set_config('bytea_output', 'escape', false) AS a, '\\xff27'::bytea AS value")]
    public async Task AStatementThatChangesHowValuesPrint_IsNoFaultOfTheGateways(string sql)
    {
        var answer = await gateway.PostAsync("query", sql);

        Assert.True((int)answer.Status is 200 or (>= 400 and < 500), answer.Text);
        Assert.Equal("2026-01-02", await SeeAsync("date '2026-01-02'::text"));
    }

    private async Task<string> LeaveAndSeeUncleanedAsync(Leaving leaving, string endpoint)
    {
        await using var uncleaned = await gateway.OpenAsync();
        await OneSessionGateway.RunAsync(uncleaned, endpoint == "query" ? "BEGIN READ ONLY" : "BEGIN");
        try
        {
            await OneSessionGateway.RunAsync(uncleaned, leaving.Sql);
            await OneSessionGateway.RunAsync(uncleaned, "COMMIT");
        }
        catch (PostgresException error) when (error.SqlState == leaving.Fails)
        {
            await OneSessionGateway.RunAsync(uncleaned, "ROLLBACK");
        }

        try
        {
            await using var see = new NpgsqlCommand($"SELECT ({leaving.See})::text", uncleaned);
            return await see.ExecuteScalarAsync() as string ?? "";
        }
        catch (PostgresException error)
        {
            return error.SqlState;
        }
    }

    private async Task<int> BackendAsync() => (await gateway.Client.QueryValueAsync("SELECT pg_backend_pid()")).GetInt32();

    private Task<string> SeeAsync(string see) => SeeAsync(gateway.Client, see);

    /// <returns>The value as text, or the SQLSTATE if it can't be seen.</returns>
    private static async Task<string> SeeAsync(GatewayClient client, string see)
    {
        var answer = await client.PostAsync("query", new { activityId = "see", sql = $"SELECT ({see})::text", rowFormat = "array" });
        return answer.Status == HttpStatusCode.OK
            ? answer.Json.GetProperty("rows")[0][0].GetString() ?? ""
            : answer.ExpectProblem(422, "sql_error").GetProperty("sqlState").GetString()!;
    }

    /// <param name="Name">The name of the state.</param>
    /// <param name="Sql">The statement that leaves it.</param>
    /// <param name="See">An expression whose value differs if the state is still there.</param>
    private sealed record Leaving(string Name, string Sql, string See)
    {
        /// <summary>Gets whether a READ ONLY transaction refuses the statement.</summary>
        public bool Writes { get; init; }

        /// <summary>Gets whether the gateway refuses the statement.</summary>
        public bool Rejected { get; init; }

        /// <summary>Gets the SQLSTATE of the statement; null if it succeeds.</summary>
        public string? Fails { get; init; }

        public void Check(Answer answer, string endpoint)
        {
            if (Rejected)
                answer.ExpectProblem(422, "sql_rejected");
            else if (Writes && endpoint == "query")
                answer.ExpectProblem(422, "read_only");
            else if (Fails is not null)
                Assert.Equal(Fails, answer.ExpectProblem(422, "sql_error").GetProperty("sqlState").GetString());
            else
                answer.Expect(HttpStatusCode.OK);
        }
    }
}

/// <summary>Tests that one caller's SQL can't affect other callers' sessions.</summary>
public sealed class SessionsOfOthersTests(OneSessionGateway gateway) : IClassFixture<OneSessionGateway>
{
    private const int Sessions = 4;

    public static TheoryData<string, bool> EachFatalState() => new(
        from state in new[] { "XX000", "57P01", "57P02", "57P03", "53300", "58000", "F0000", "08006" }
        from severalHosts in new[] { false, true }
        select (state, severalHosts));

    [Fact]
    public async Task RequestsAtOnce_HaveASessionEach()
    {
        await using var several = await gateway.StartGatewayAsync(sessions: Sessions);

        var backends = await OccupyAsync(several.Client, Sessions);

        Assert.Equal(Sessions, backends.Distinct().Count());
    }

    [Theory]
    [MemberData(nameof(EachFatalState))]
    public async Task AnErrorThatSoundsFatal_ClosesNobodyElsesIdleSession(string state, bool severalHosts)
    {
        await using var several = await gateway.StartGatewayAsync(sessions: Sessions, hosts: severalHosts ? 2 : 1);
        var before = await OccupyAsync(several.Client, Sessions);

        await RaiseAsync(several.Client, state);

        var after = await OccupyAsync(several.Client, Sessions);
        // The session that raised it may be gone.
        Assert.InRange(before.Intersect(after).Count(), Sessions - 1, Sessions);
    }

    [Theory]
    [MemberData(nameof(EachFatalState))]
    public async Task AnErrorThatSoundsFatal_ClosesNobodyElsesSessionInUse(string state, bool severalHosts)
    {
        await using var several = await gateway.StartGatewayAsync(sessions: Sessions, hosts: severalHosts ? 2 : 1);

        // All of them get their answer, and their sessions keep working.
        var before = await OccupyAsync(several.Client, Sessions - 1, () => RaiseAsync(several.Client, state));
        var after = await OccupyAsync(several.Client, Sessions);

        Assert.Equal(Sessions - 1, before.Intersect(after).Count());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task AfterErrorsThatSoundFatal_NewSessionsCanBeOpened(int hosts)
    {
        await using var several = await gateway.StartGatewayAsync(sessions: Sessions, hosts: hosts);

        foreach (var state in EachFatalState().Select(row => row.Data.Item1).Distinct())
        {
            await RaiseAsync(several.Client, state);
            Assert.Equal(1, (await several.Client.QueryValueAsync("SELECT 1")).GetInt32());
        }
        Assert.Equal(Sessions, (await OccupyAsync(several.Client, Sessions)).Distinct().Count());
    }

    private static async Task RaiseAsync(GatewayClient client, string state)
    {
        var answer = await client.PostAsync("execute", OneSessionGateway.Request(
            "execute", $"DO $$ BEGIN RAISE 'no' USING ERRCODE = '{state}'; END $$"));

        // This test only checks that the answer is documented; other tests check the code.
        var code = answer.Json.GetProperty("code").GetString()!;
        Assert.True(code is "sql_error" or "database_unavailable", answer.Text);
        answer.ExpectProblem((int)answer.Status, code);
        Assert.Equal("no", answer.Json.GetProperty("committed").GetString());
    }

    /// <summary>Runs the given number of requests at the same time. Each waits until all run.</summary>
    /// <returns>The backends that they ran in.</returns>
    private async Task<int[]> OccupyAsync(GatewayClient client, int count, Func<Task>? meanwhile = null)
    {
        await using var gate = await gateway.OpenAsync();
        var key = Random.Shared.Next(1, int.MaxValue);
        await OneSessionGateway.RunAsync(gate, $"SELECT pg_advisory_lock({key})");
        var requests = Enumerable.Range(0, count)
            .Select(_ => client.QueryValueAsync($"SELECT pg_backend_pid() FROM pg_advisory_xact_lock_shared({key})"))
            .ToArray();

        await Poll.UntilAsync(
            async () =>
            {
                if (requests.FirstOrDefault(request => request.IsFaulted) is { } failed)
                    await failed;
                return await gateway.ReadAsync<long>(
                    $"SELECT count(*) FROM pg_locks WHERE objid = {key} AND NOT granted") >= count;
            },
            what: "all requests have a session");
        if (meanwhile is not null)
            await meanwhile();
        await OneSessionGateway.RunAsync(gate, $"SELECT pg_advisory_unlock({key})");
        return [.. (await Task.WhenAll(requests)).Select(backend => backend.GetInt32())];
    }
}

/// <summary>
/// The locks of a request end with it, and not with the session's next use: no request uses the session after it.
/// </summary>
public sealed class SessionLockTests(OneSessionGateway gateway) : IClassFixture<OneSessionGateway>
{
    /// <summary>Long for a busy machine. A lock that is left would be held until the gateway stops.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    [Theory]
    [InlineData("SELECT pg_advisory_lock(4711)", 200)]
    [InlineData("SELECT count(pg_advisory_lock(g)) FROM generate_series(1, 1000) g", 200)]
    [InlineData("DO $$ BEGIN PERFORM pg_advisory_lock(4711); RAISE 'no'; END $$", 422)]
    [InlineData("DO $$ BEGIN PERFORM pg_advisory_lock(4711); RAISE 'no' USING ERRCODE = 'XX000'; END $$", 422)]
    [InlineData("SELECT repeat('x', 5000000) FROM pg_advisory_lock(4711)", 422)]
    [InlineData("DO $$ BEGIN PERFORM pg_advisory_lock(4711); LOCK TABLE users; PERFORM pg_sleep(30); END $$", 504)]
    [InlineData("DO $$ BEGIN PERFORM pg_advisory_lock(4711); LOCK TABLE users; LOOP BEGIN PERFORM pg_sleep(30); EXCEPTION WHEN query_canceled THEN END; END LOOP; END $$", 504)]
    public async Task AnsweredRequest_HoldsNoLock(string sql, int status)
    {
        await using var outside = await gateway.OpenAsync();
        await using var held = new NpgsqlCommand(
            "SELECT count(*) FROM pg_locks WHERE locktype IN ('advisory', 'relation') "
            + $"AND pid IN (SELECT pid FROM pg_stat_activity WHERE starts_with(application_name, '{OneSessionGateway.ApplicationName}'))", outside);
        try
        {
            foreach (var endpoint in new[] { "query", "execute" })
            {
                Assert.Equal(0L, await held.ExecuteScalarAsync());

                var answer = await gateway.PostAsync(endpoint, sql, timeoutMs: 2000);
                var answered = Stopwatch.StartNew();

                Assert.True((int)answer.Status == status, answer.Text);
                while ((long)(await held.ExecuteScalarAsync())! > 0)
                    Assert.True(answered.Elapsed < Patience, "The locks are held on.");
            }
        }
        finally
        {
            // The rest of one statement must not fail the test of the next.
            await gateway.EndSessionsAsync();
        }
    }
}

/// <summary>
/// Provides a server whose superuser is the gateway's role, so that SQL has all rights; and a gateway with one session,
/// so that each request runs on the backend of the previous one.
/// </summary>
public class OneSessionGateway : IAsyncLifetime
{
    public const string ApplicationName = "one session";

    private const string Setup =
        """
        DO $$ BEGIN
            CREATE SEQUENCE left_sequence;
            CREATE TABLE left_deferred (a int);
            CREATE FUNCTION left_refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''no''; END';
            CREATE CONSTRAINT TRIGGER left_refuse AFTER INSERT ON left_deferred DEFERRABLE INITIALLY DEFERRED
                FOR EACH ROW EXECUTE FUNCTION left_refuse();
            -- Changes every setting that can be changed and does no harm meanwhile.
            CREATE FUNCTION left_settings() RETURNS int LANGUAGE plpgsql AS $f$
                DECLARE
                    s record;
                    changed int := 0;
                BEGIN
                    FOR s IN
                        SELECT name, setting, vartype, enumvals, max_val FROM pg_settings
                        WHERE context IN ('user', 'superuser') AND vartype <> 'string'
                            AND name !~ '^(debug|trace|log|transaction)_|timeout|exit_on_error|discard_caches'
                    LOOP
                        BEGIN
                            PERFORM set_config(s.name, CASE s.vartype
                                WHEN 'bool' THEN CASE s.setting WHEN 'on' THEN 'off' ELSE 'on' END
                                WHEN 'enum' THEN (SELECT min(v) FROM unnest(s.enumvals) v WHERE v <> s.setting)
                                ELSE (s.setting::numeric + CASE WHEN s.setting::numeric < s.max_val::numeric THEN 1 ELSE -1 END)::text
                                END, false);
                            changed := changed + 1;
                        EXCEPTION WHEN OTHERS THEN
                            NULL;
                        END;
                    END LOOP;
                    IF changed < 80 THEN
                        RAISE 'only % settings could be changed', changed;
                    END IF;
                    RETURN changed;
                END
            $f$;
        END $$
        """;

    private LocalPostgresServer? _server;
    private NpgsqlConnection? _outside;
    private RunningGateway? _gateway;
    private string _host = "";

    public GatewayClient Client => _gateway!.Client;

    /// <summary>Returns the body of a request that runs a statement.</summary>
    public static object Request(string endpoint, string sql, int? timeoutMs = null) => endpoint == "query"
        ? new { activityId = "test", sql, timeoutMs = timeoutMs ?? 15000 }
        : new { activityId = "test", sql, timeoutMs = timeoutMs ?? 15000, delivery = "at-least-once" };

    public async ValueTask InitializeAsync()
    {
        _server = await LocalPostgresServer.StartTemporaryAsync(new Dictionary<string, string>
        {
            ["max_prepared_transactions"] = "10",
            ["wal_level"] = "logical",
        });
        _outside = await OpenAsync();
        foreach (var statement in await DevelopmentDatabase.ReadDemoAsync())
            await RunAsync(statement);
        await RunAsync(Setup);
        _host = await StartPoolerAsync(DsnOf($"{_server.Host}:{_server.Port}")) ?? $"{_server.Host}:{_server.Port}";
        _gateway = await StartGatewayAsync();
    }

    public virtual async ValueTask DisposeAsync()
    {
        if (_gateway is not null)
            await _gateway.DisposeAsync();
        if (_outside is not null)
            await _outside.DisposeAsync();
        if (_server is not null)
            await _server.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    /// <summary>Starts another gateway on the same server.</summary>
    /// <param name="options">Options of its DSN.</param>
    /// <param name="sessions">Its maximum number of sessions.</param>
    /// <param name="hosts">The number of hosts that its DSN names.</param>
    /// <param name="role">The role, with its name as password; null for the superuser.</param>
    /// <param name="settings">More settings.</param>
    public Task<RunningGateway> StartGatewayAsync(
        string options = "", int sessions = 1, int hosts = 1, string? role = null, params string[] settings) =>
        RunningGateway.StartAsync(
        [
            $"--DSN={Dsn(options, hosts, role)};Application Name={ApplicationName}",
            $"--Gateway:Connections:default:PoolSize={sessions}", .. settings,
        ]);

    public Task<Answer> PostAsync(string endpoint, string sql, int? timeoutMs = null) =>
        Client.PostAsync(endpoint, Request(endpoint, sql, timeoutMs));

    /// <summary>Opens a session directly on the server, which begins as the gateway's do.</summary>
    public async Task<NpgsqlConnection> OpenAsync()
    {
        var connection = new NpgsqlConnection($"{DsnOf($"{_server!.Host}:{_server.Port}", "-c DateStyle=ISO")};Pooling=false");
        await connection.OpenAsync();
        return connection;
    }

    public Task RunAsync(string sql) => RunAsync(_outside!, sql);

    public static async Task RunAsync(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>Reads one value directly from the server.</summary>
    public async Task<T> ReadAsync<T>(string sql)
    {
        await using var command = new NpgsqlCommand(sql, _outside);
        return (T)(await command.ExecuteScalarAsync())!;
    }

    /// <summary>Terminates all sessions of the gateways on this server, and waits until they are gone.</summary>
    public async Task EndSessionsAsync()
    {
        const string Theirs = $"FROM pg_stat_activity WHERE starts_with(application_name, '{ApplicationName}')";
        await RunAsync($"SELECT pg_terminate_backend(pid) {Theirs}");
        await Poll.UntilAsync(async () => await ReadAsync<long>($"SELECT count(*) {Theirs}") == 0);
    }

    /// <summary>Starts a pooler before the server. Returns its host and port; null if there is none.</summary>
    private protected virtual Task<string?> StartPoolerAsync(string dsn) => Task.FromResult<string?>(null);

    private string Dsn(string options, int hosts, string? role = null) =>
        DsnOf(string.Join(',', Enumerable.Repeat(_host, hosts)), options, role);

    /// <summary>Returns a DSN. Its own limit shows whether a statement can remove it for the next request.</summary>
    private string DsnOf(string host, string options = "", string? role = null) => new NpgsqlConnectionStringBuilder
    {
        Host = host,
        Username = role ?? _server!.Username,
        Password = role ?? _server!.Password,
        Database = _server!.Database,
        Options = $"-c statement_timeout=59s {options}",
    }.ConnectionString;
}

/// <summary>Tests it with sessions of the server's.</summary>
public sealed class SessionTests(OneSessionGateway gateway)
    : SessionIsolationTests(gateway), IClassFixture<OneSessionGateway>;
