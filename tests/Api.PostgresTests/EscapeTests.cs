using System.Net;
using Gateway.Api.Hosting;
using Npgsql;

namespace Gateway.Api.PostgresTests;

/// <summary>
/// Tests that SQL can't leave the request's transaction, and can't write on <c>query</c>. Each escape is tried on both
/// endpoints: its answer is the documented one, the database is unchanged, and the session works for the next request.
/// </summary>
public sealed class EscapeTests(EscapeDatabase database) : IClassFixture<EscapeDatabase>
{
    private const string Rejected = "sql_rejected";
    private const string ReadOnly = "25006";
    private const string Done = "200";
    private const string Writes = "writes";

    /// <summary>
    /// A statement, and its outcome on <c>query</c> and on <c>execute</c>: refused by the gateway, refused by
    /// PostgreSQL with a SQLSTATE, done without an effect on the database, or a write. A write is allowed on
    /// <c>execute</c>, and shows there that <c>query</c> prevented a real effect.
    /// </summary>
    private static readonly (string Sql, string Query, string Execute)[] Escapes =
    [
        // Transaction control, all keywords.
        .. Both(Rejected,
            "BEGIN", "BEGIN WORK", "BEGIN ISOLATION LEVEL SERIALIZABLE, READ WRITE", "START TRANSACTION", "START TRANSACTION READ WRITE",
            "COMMIT", "COMMIT WORK", "COMMIT TRANSACTION", "COMMIT AND NO CHAIN", "COMMIT AND CHAIN", "COMMIT WORK AND CHAIN",
            "END", "END TRANSACTION", "END AND CHAIN", "ROLLBACK", "ROLLBACK WORK", "ROLLBACK AND CHAIN", "ABORT", "ABORT TRANSACTION AND CHAIN",
            "SAVEPOINT s", "RELEASE s", "RELEASE SAVEPOINT s", "ROLLBACK TO s", "ROLLBACK TO SAVEPOINT s", "ROLLBACK WORK TO SAVEPOINT s",
            "PREPARE TRANSACTION 'escaped'", "COMMIT PREPARED 'pending'", "ROLLBACK PREPARED 'pending'",
            "SET TRANSACTION READ WRITE", "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "SET TRANSACTION NOT DEFERRABLE",
            "SET TRANSACTION SNAPSHOT '00000003-0000001B-1'", "SET LOCAL TRANSACTION READ WRITE",
            "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE", "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
            "SET transaction_read_only = off", "SET LOCAL transaction_read_only TO off", "SET SESSION transaction_read_only TO DEFAULT",
            "SET \"transaction_read_only\" = off", "SET TRANSACTION_READ_ONLY = off", "SET transaction_isolation = 'serializable'",
            "SET transaction_deferrable = on", "RESET transaction_read_only", "RESET \"transaction_isolation\"",
            "RESET TRANSACTION ISOLATION LEVEL"),

        // Transaction control, disguised.
        .. from sql in new[] { "COMMIT", "ROLLBACK AND CHAIN", "PREPARE TRANSACTION 'escaped'", "SET TRANSACTION READ WRITE", "COPY escape TO STDOUT" }
           from disguise in new[]
           {
               sql.ToLowerInvariant(), "cOmMiT", $"\t\n\r\f {sql} \t\n\r\f", $";{sql}", $" ; ;; {sql};", $"{sql};", $"{sql} ; ;",
               $"/* */{sql}", $"/* /* */ */ {sql}", $"/*/**/*/{sql}", $"/* ' */ {sql} /* \" */", $"/* -- */ {sql}", $"-- \n{sql}", $"--\r{sql}",
               $"-- /*\n{sql} -- */", $";/**/;--\n{sql}--", sql.Replace(" ", "/**/", StringComparison.Ordinal),
               sql.Replace(" ", "--\n", StringComparison.Ordinal), sql.Replace(" ", "\f\t\r\n", StringComparison.Ordinal),
           }.Distinct()
           select (disguise, Rejected, Rejected),

        // White space in PostgreSQL 16 and later, and an error before: the gateway refuses it for both.
        .. Both(Rejected, "\vCOMMIT", "COMMIT\v", "SET\vTRANSACTION READ WRITE"),

        // Not disguises: these are no keywords of PostgreSQL.
        .. Both("42601", "\u00a0COMMIT", "\ufeffCOMMIT", "\u2003COMMIT", "COMM\u0130T", "ＣＯＭＭＩＴ", "\"COMMIT\"", "U&\"COMMIT\"", "(COMMIT)", "DO $$ BEGIN ROLLBACK TO s; END $$",
            "EXPLAIN COMMIT", "EXPLAIN ANALYZE COMMIT", "WITH c AS (COMMIT) SELECT 1", "PREPARE p AS COMMIT", "DECLARE c CURSOR FOR COMMIT", "\\commit"),

        // Several statements.
        .. Both(Rejected, "SELECT 1; SELECT 2", "INSERT INTO escape VALUES (1); COMMIT", "SELECT 1; COMMIT; INSERT INTO escape VALUES (1)",
            "SELECT 1; BEGIN READ WRITE", "SELECT 1;/* */COMMIT", "SELECT 1;COPY escape TO STDOUT", "COMMIT; INSERT INTO escape VALUES (1)"),
        .. Both(Done, "SELECT 1;", ";;SELECT 1;;", "SELECT ';COMMIT;'", "SELECT $a$;COMMIT;$a$", "SELECT 1 /* ;COMMIT; */", "SELECT 1 -- ;COMMIT;", "SELECT 1 AS \";COMMIT;\""),

        // COPY.
        .. Both(Rejected, "COPY escape TO STDOUT", "COPY escape FROM STDIN", "COPY (SELECT 1) TO STDOUT WITH (FORMAT csv)", "COPY escape(id) FROM STDIN BINARY",
            "COPY BINARY escape TO STDOUT", "COPY escape TO PROGRAM 'touch escaped'", "COPY escape FROM PROGRAM 'echo 1'", "COPY escape TO '/tmp/gateway-escaped'",
            "COPY escape FROM '/etc/passwd'", "COPY (INSERT INTO escape VALUES (1) RETURNING id) TO STDOUT"),
        .. Both("0A000", "DO $$ BEGIN COPY escape TO STDOUT; END $$", "DO $$ BEGIN EXECUTE 'COPY escape TO STDOUT'; END $$"),
        ("DO $$ BEGIN EXECUTE 'COPY escape FROM STDIN'; END $$", "0A000|25006", "0A000"),
        ("DO $$ BEGIN COPY escape FROM PROGRAM 'echo 1'; END $$", ReadOnly, Writes),
        .. Both("42501", "DO $$ BEGIN SET LOCAL ROLE gateway_demo; COPY users TO PROGRAM 'cat'; END $$", "DO $$ BEGIN SET LOCAL ROLE gateway_demo; COPY users TO '/tmp/gateway-escaped'; END $$"),

        // Transaction control inside functions and DO.
        .. Both("2D000", "DO $$ BEGIN COMMIT; END $$", "DO $$ BEGIN ROLLBACK; END $$", "DO $$ BEGIN COMMIT AND CHAIN; END $$", "DO 'BEGIN ROLLBACK AND CHAIN; END'",
            "/* */ do language plpgsql $x$ begin /* */ commit; end $x$", "CALL escape_commit_only()", "DO $$ BEGIN CALL escape_commit_only(); END $$",
            "SELECT escape_committing()"),
        ("DO $$ BEGIN INSERT INTO escape VALUES (1); COMMIT; END $$", ReadOnly, "2D000"),
        ("DO $$ BEGIN INSERT INTO escape VALUES (1); COMMIT; RAISE 'no'; EXCEPTION WHEN OTHERS THEN RAISE; END $$", ReadOnly, "2D000"),
        ("CALL escape_commit()", ReadOnly, "2D000"),
        ("CALL escape_rollback()", ReadOnly, "2D000"),
        ("DO $$ BEGIN CALL escape_commit(); END $$", ReadOnly, "2D000"),
        .. Both("0A000", "DO $$ BEGIN EXECUTE 'COMMIT'; END $$", "DO $$ BEGIN EXECUTE 'BEGIN'; END $$", "DO $$ BEGIN SAVEPOINT s; END $$",
            "DO $$ BEGIN EXECUTE 'ROLLBACK TO s'; END $$", "DO $$ BEGIN EXECUTE 'PREPARE TRANSACTION ''escaped'''; END $$", "SELECT escape_sql_commit()", "CALL escape_sql_procedure()"),
        .. Both("25001", "VACUUM", "VACUUM escape", "DO $$ BEGIN SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; END $$", "DISCARD ALL", "ALTER SYSTEM SET work_mem = '1GB'",
            "DO $$ BEGIN EXECUTE 'ALTER SYSTEM SET work_mem = ''1GB'''; END $$", "DO $$ BEGIN EXECUTE 'VACUUM'; END $$"),
        ("CREATE DATABASE escaped", ReadOnly, "25001"),
        ("CREATE INDEX CONCURRENTLY ON escape (id)", ReadOnly, "25001"),
        .. Both("26000", "EXECUTE escape_plan", "EXPLAIN ANALYZE EXECUTE escape_plan", "DEALLOCATE escape_plan"),

        // Leaving READ ONLY.
        ("SELECT set_config('transaction_read_only', 'off', false)", "25001", Done),
        ("SELECT set_config('transaction_read_only', 'off', true) FROM escape_write()", ReadOnly, Writes),
        ("WITH s AS (SELECT set_config('transaction_read_only', 'off', false)) INSERT INTO escape SELECT 1 FROM s", ReadOnly, Writes),
        ("WITH s AS MATERIALIZED (SELECT set_config('transaction_read_only', 'off', true) AS a) SELECT escape_write() FROM s WHERE a = 'off'", "25001", Writes),
        ("SELECT CASE WHEN set_config('transaction_read_only', 'off', false) = 'off' THEN escape_write() END", "25001", Writes),
        ("DO $$ BEGIN SET TRANSACTION READ WRITE; INSERT INTO escape VALUES (1); END $$", "25001", Writes),
        ("DO $$ BEGIN SET LOCAL transaction_read_only = off; INSERT INTO escape VALUES (1); END $$", "25001", Writes),
        ("DO $$ BEGIN BEGIN SET TRANSACTION READ WRITE; EXCEPTION WHEN OTHERS THEN NULL; END; INSERT INTO escape VALUES (1); END $$", ReadOnly, Writes),
        ("DO $$ BEGIN EXECUTE 'SET TRANSACTION READ WRITE'; INSERT INTO escape VALUES (1); END $$", "25001", Writes),
        ("DO $$ BEGIN PERFORM set_config('default_transaction_read_only', 'off', false); INSERT INTO escape VALUES (1); END $$", ReadOnly, Writes),
        ("DO $$ BEGIN SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE; INSERT INTO escape VALUES (1); END $$", ReadOnly, Writes),
        ("DO $$ BEGIN UPDATE pg_settings SET setting = 'off' WHERE name = 'transaction_read_only'; INSERT INTO escape VALUES (1); END $$", "25001|25006", Writes),
        ("UPDATE pg_settings SET setting = 'off' WHERE name = 'transaction_read_only'", "25001|25006", Done),
        // The gateway's scan does not recognise the name. In a query, the tags have taken a snapshot before.
        ("SET U&\"transaction\\005fread\\005fonly\" = off", "25001", "200|sql_rejected"),

        // Writes, directly and inside functions.
        .. Write(
            "INSERT INTO escape VALUES (1)", "UPDATE escape SET id = -id", "DELETE FROM escape", "TRUNCATE escape",
            "MERGE INTO escape USING (VALUES (-9)) v(id) ON escape.id = v.id WHEN NOT MATCHED THEN INSERT VALUES (v.id)",
            "WITH w AS (INSERT INTO escape VALUES (1) RETURNING id) SELECT id FROM w", "SELECT 1 AS id INTO escaped", "CREATE TABLE escaped AS SELECT 1 AS id",
            "CREATE TABLE escaped (id int)", "CREATE FUNCTION escaped() RETURNS int LANGUAGE sql AS 'SELECT 1'", "CREATE VIEW escaped AS SELECT 1 AS id",
            "DROP TABLE orders", "ALTER TABLE escape ADD escaped int", "CREATE INDEX ON escape (id)", "COMMENT ON TABLE escape IS 'escaped'", "GRANT SELECT ON escape TO PUBLIC",
            "CREATE ROLE escaped_role", "ALTER ROLE gateway_demo SET work_mem = '1GB'", "REFRESH MATERIALIZED VIEW escape_view",
            "EXPLAIN ANALYZE INSERT INTO escape VALUES (1)", "EXPLAIN (ANALYZE) WITH w AS (DELETE FROM escape RETURNING id) SELECT * FROM w",
            "SELECT escape_write()", "SELECT id FROM escape WHERE escape_write() IS NOT NULL", "SELECT * FROM escape_writing_view", "CALL escape_insert()",
            "DO $$ BEGIN INSERT INTO escape VALUES (1); END $$", "DO $$ BEGIN EXECUTE 'INSERT INTO escape VALUES (1)'; END $$", "DO $$ BEGIN PERFORM escape_write(); END $$",
            "DO $$ BEGIN EXECUTE 'PREPARE w AS INSERT INTO escape VALUES (1)'; EXECUTE 'EXECUTE w'; END $$",
            "SELECT nextval('escape_sequence')", "SELECT setval('escape_sequence', 99)", "INSERT INTO users (email, name) VALUES (gen_random_uuid(), 'escaped')",
            "SELECT database_to_xml(true, true, '') FROM escape_write()"),
        // It runs at COMMIT, if there is one.
        ("DECLARE c CURSOR WITH HOLD FOR SELECT escape_write()", "25006|200", Writes),
        ("SELECT query_to_xml('INSERT INTO escape VALUES (1)', true, true, '')", "25006|0A000", "0A000|42P11"),
        ("SELECT * FROM ts_stat('INSERT INTO escape VALUES (1) RETURNING ''a''::tsvector')", "25006|0A000|42P11", "25006|0A000|42P11"),
        ("SELECT id FROM escape FOR UPDATE", ReadOnly, Done),
        ("SELECT id FROM escape FOR KEY SHARE", ReadOnly, Done),

        // Writes that PostgreSQL's READ ONLY does not prevent: large objects before 16, and these in every version.
        .. from sql in new[]
           {
               "SELECT lo_create(0)", "SELECT lo_creat(-1)", "SELECT lo_from_bytea(0, '\\x00')", "SELECT lo_unlink(4711)", "SELECT lo_put(4711, 0, '\\xff')",
               "SELECT lowrite(lo_open(4711, 131072), '\\xff')", "SELECT lo_truncate(lo_open(4711, 131072), 0)", "DO $$ BEGIN PERFORM lo_create(0); END $$",
               "EXPLAIN ANALYZE CREATE TABLE escaped AS SELECT 1 AS id", "EXPLAIN ANALYZE SELECT 1 AS id INTO escaped",
               "EXPLAIN (ANALYZE, FORMAT json) CREATE MATERIALIZED VIEW escaped AS SELECT 1 AS id", "DO $$ BEGIN EXECUTE 'EXPLAIN ANALYZE CREATE TABLE escaped AS SELECT 1'; END $$",
               "REINDEX TABLE users", "CLUSTER users USING users_pkey", "SELECT pg_replication_origin_create('escaped')",
           }
           select (sql, "25006|200", Writes),

        // Effects that no transaction can undo need rights that the gateway's role should not have.
        .. from call in new[]
           {
               "pg_create_physical_replication_slot('escaped')", "lo_export(4711, '/tmp/gateway-escaped')", "lo_import('/etc/passwd')", "pg_switch_wal()",
               "pg_stat_reset()", "pg_reload_conf()", "pg_rotate_logfile()", "pg_create_restore_point('escaped')", "pg_replication_origin_create('escaped')",
           }
           from outcome in Both("42501", $"DO $$ BEGIN SET LOCAL ROLE gateway_demo; PERFORM {call}; END $$")
           select outcome,

        // Allowed in READ ONLY, because they write nothing: messages, locks and snapshots.
        .. Both(Done, "NOTIFY escape, 'x'", "SELECT pg_notify('escape', 'x')", "LISTEN escape", "UNLISTEN *", "SELECT pg_advisory_lock(1)", "SELECT pg_advisory_xact_lock(1)",
            "LOCK TABLE escape IN ACCESS EXCLUSIVE MODE", "SELECT pg_export_snapshot()", "SELECT pg_current_xact_id()", "SET CONSTRAINTS ALL IMMEDIATE",
            "ANALYZE escape", "PREPARE w AS INSERT INTO escape VALUES (1)", "DECLARE c CURSOR FOR SELECT 1", "DECLARE c CURSOR WITH HOLD FOR SELECT 1", "CLOSE ALL", "RESET ALL",
            "DEALLOCATE ALL", "DISCARD PLANS", "DISCARD SEQUENCES", "DISCARD TEMP", "SHOW transaction_read_only", "CHECKPOINT", "LOAD 'plpgsql'", "EXPLAIN INSERT INTO escape VALUES (1)"),
        ("CREATE TEMP TABLE escaped AS SELECT 1", ReadOnly, Done),
    ];

    public static TheoryData<string, string, string> Each() => new(
        // Duplicates are removed, so that each is one test.
        from escape in Escapes.Distinct()
        from endpoint in new[] { "query", "execute" }
        let outcome = endpoint == "query" ? escape.Query : escape.Execute
        select (endpoint, escape.Sql, outcome));

    [Theory]
    [MemberData(nameof(Each))]
    public async Task Escape_IsRefusedOrHasNoEffect(string endpoint, string sql, string outcome)
    {
        var before = await database.StateAsync();

        var answer = await database.PostAsync(endpoint, sql);

        var after = await database.StateAsync();
        try
        {
            Assert.Contains(Outcome(answer, before != after), outcome.Split('|'));
            await AssertNextRequestIsUnaffectedAsync();
        }
        finally
        {
            if (before != after)
                await database.RestoreAsync();
        }
    }

    [Fact]
    public void TheTable_HoldsMoreThanFortyEscapes() => Assert.InRange(Escapes.Select(escape => escape.Sql).Distinct().Count(), 40, 1000);

    private static string Outcome(Answer answer, bool changed)
    {
        if (answer.Status == HttpStatusCode.OK)
            return changed ? Writes : Done;

        var problem = answer.ExpectProblem(422, answer.Json.GetProperty("code").GetString()!);
        Assert.Equal("no", problem.GetProperty("committed").GetString());
        Assert.False(changed, $"It was refused, and yet there is an effect: {answer.Text}");
        var code = problem.GetProperty("code").GetString()!;
        if (code == Rejected)
            return code;

        var state = problem.GetProperty("sqlState").GetString()!;
        Assert.Equal(state == ReadOnly ? "read_only" : "sql_error", code);
        return state;
    }

    private async Task AssertNextRequestIsUnaffectedAsync()
    {
        await database.AssertIdleAsync();
        Assert.Equal("on read committed", (await database.Client.QueryValueAsync(EscapeDatabase.Mode)).GetString());
        var next = await database.PostAsync("execute", EscapeDatabase.Mode.Replace("SELECT", "INSERT INTO escape_next SELECT", StringComparison.Ordinal));
        next.Expect(HttpStatusCode.OK);
        Assert.Equal("off read committed", await database.ReadAsync<string>("DELETE FROM escape_next RETURNING mode"));
        await database.AssertIdleAsync();
    }

    private static IEnumerable<(string Sql, string Query, string Execute)> Both(string outcome, params string[] statements) =>
        statements.Select(sql => (sql, outcome, outcome));

    private static IEnumerable<(string Sql, string Query, string Execute)> Write(params string[] statements) =>
        statements.Select(sql => (sql, ReadOnly, Writes));
}

/// <summary>Provides a database with the means to escape, and everything that an escape could change.</summary>
public sealed class EscapeDatabase : IAsyncLifetime
{
    public const string Mode = "SELECT current_setting('transaction_read_only') || ' ' || current_setting('transaction_isolation') AS mode";

    private const string Setup =
        """
        DO $$ BEGIN
            CREATE TABLE escape (id int);
            INSERT INTO escape VALUES (-1), (-2), (-3);
            CREATE MATERIALIZED VIEW escape_view AS SELECT count(*) FROM escape;
            CREATE TABLE escape_next (mode text);
            CREATE SEQUENCE escape_sequence;
            PERFORM lo_from_bytea(4711, '\x0102');
            CREATE FUNCTION escape_write() RETURNS int LANGUAGE sql AS 'INSERT INTO escape VALUES (1) RETURNING id';
            CREATE VIEW escape_writing_view AS SELECT escape_write();
            CREATE PROCEDURE escape_insert() LANGUAGE sql AS 'INSERT INTO escape VALUES (1)';
            CREATE PROCEDURE escape_commit_only() LANGUAGE plpgsql AS 'BEGIN COMMIT; END';
            CREATE PROCEDURE escape_commit() LANGUAGE plpgsql AS 'BEGIN INSERT INTO escape VALUES (1); COMMIT; END';
            CREATE PROCEDURE escape_rollback() LANGUAGE plpgsql AS 'BEGIN INSERT INTO escape VALUES (1); ROLLBACK; END';
            CREATE FUNCTION escape_committing() RETURNS void LANGUAGE plpgsql AS 'BEGIN COMMIT; END';
            SET LOCAL check_function_bodies = off;
            CREATE FUNCTION escape_sql_commit() RETURNS void LANGUAGE sql AS 'COMMIT';
            CREATE PROCEDURE escape_sql_procedure() LANGUAGE sql AS 'COMMIT';
        END $$
        """;

    private const string Reset =
        """
        DO $$ BEGIN
            DROP SCHEMA public CASCADE;
            CREATE SCHEMA public;
            GRANT USAGE ON SCHEMA public TO PUBLIC;
            PERFORM lo_unlink(oid) FROM pg_largeobject_metadata;
            PERFORM pg_replication_origin_drop(roname) FROM pg_replication_origin;
            DROP ROLE IF EXISTS escaped_role;
            ALTER ROLE gateway_demo RESET ALL;
        END $$
        """;

    private const string State =
        """
        SELECT concat_ws(' / ',
            (SELECT string_agg(id::text, ' ' ORDER BY id) FROM escape),
            (SELECT string_agg(email, ' ' ORDER BY email) FROM users),
            (SELECT string_agg(oid::text, ' ' ORDER BY oid) FROM pg_largeobject_metadata),
            (SELECT string_agg(data::text, ' ' ORDER BY loid, pageno) FROM pg_largeobject),
            (SELECT string_agg(gid, ' ' ORDER BY gid) FROM pg_prepared_xacts),
            (SELECT string_agg(concat_ws(':', c.oid, relacl, relnatts, relhasindex, relfilenode, pg_sequence_last_value(s.seqrelid)), ' ' ORDER BY c.oid)
                FROM pg_class c LEFT JOIN pg_sequence s ON s.seqrelid = c.oid WHERE relnamespace = 'public'::regnamespace),
            (SELECT count(*) FROM pg_proc), (SELECT count(*) FROM pg_roles), (SELECT count(*) FROM pg_database),
            (SELECT count(*) FROM pg_description), (SELECT count(*) FROM pg_replication_origin),
            (SELECT string_agg(setconfig::text, ' ') FROM pg_db_role_setting),
            (SELECT string_agg(sourceline || setting, ' ') FROM pg_file_settings WHERE sourcefile LIKE '%auto.conf'))
        """;

    private readonly OneSessionGateway _gateway = new();

    public GatewayClient Client => _gateway.Client;

    public async ValueTask InitializeAsync()
    {
        await _gateway.InitializeAsync();
        await _gateway.RunAsync(Setup);
        // A prepared transaction, which an escape could commit or roll back.
        await using var preparing = await _gateway.OpenAsync();
        await OneSessionGateway.RunAsync(preparing, "BEGIN");
        await OneSessionGateway.RunAsync(preparing, "SELECT pg_current_xact_id()");
        await OneSessionGateway.RunAsync(preparing, "PREPARE TRANSACTION 'pending'");
    }

    public ValueTask DisposeAsync() => _gateway.DisposeAsync();

    public Task<Answer> PostAsync(string endpoint, string sql) => _gateway.PostAsync(endpoint, sql);

    public Task<T> ReadAsync<T>(string sql) => _gateway.ReadAsync<T>(sql);

    /// <summary>Returns everything that an escape could change, as one text.</summary>
    public async Task<string> StateAsync()
    {
        try
        {
            return await _gateway.ReadAsync<string>(State);
        }
        catch (PostgresException error)
        {
            // A table was dropped, which is a change too.
            return error.SqlState;
        }
    }

    /// <summary>Creates everything again.</summary>
    public async Task RestoreAsync()
    {
        await _gateway.RunAsync(Reset);
        foreach (var statement in await DevelopmentDatabase.ReadDemoAsync())
            await _gateway.RunAsync(statement);
        await _gateway.RunAsync(Setup);
    }

    /// <summary>
    /// Asserts that no session of the gateway is in a transaction; a closed one may take a moment to end.
    /// </summary>
    public async Task AssertIdleAsync()
    {
        const string Busy =
            "SELECT count(*) FROM pg_stat_activity "
            + $"WHERE starts_with(application_name, '{OneSessionGateway.ApplicationName}') AND (state <> 'idle' OR xact_start IS NOT NULL)";
        await Poll.UntilAsync(
            async () => await _gateway.ReadAsync<long>(Busy) == 0, what: "no session is left in a transaction");
    }
}
