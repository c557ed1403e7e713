using System.Net;

namespace Gateway.Api.PostgresTests.JournalTests;

/// <summary>
/// Tests that a caller's SQL, which runs as the gateway's role, can't read, forge, change, delete or lock a record, and
/// can't call the journal's functions.
/// </summary>
public sealed class HostileSqlTests(HostileDatabase database) : IClassFixture<HostileDatabase>
{
    private const string Denied = "42501";
    private const string InvalidCode = "GJ003";
    private const string NoClaim = "GJ002";
    private const string ReadOnly = "25006";
    private const string Records = "gateway_journal_records";

    private static readonly (string Sql, string SqlState)[] Attacks =
    [
        .. Refused(Denied,
            $"SELECT count(*) FROM {Records}.activity", $"SELECT secret FROM {Records}.key", $"SELECT digest FROM {Records}.journal_key", $"SELECT * FROM {Records}.activity FOR UPDATE",
            $"INSERT INTO {Records}.activity VALUES ('local', 'victims', 'forged', '', '1', now(), now(), '')",
            $"INSERT INTO {Records}.key (secret, inner_pad, outer_pad) VALUES ('', '', '')",
            $"INSERT INTO {Records}.journal_key VALUES (current_user, sha256(''))",
            $"UPDATE {Records}.activity SET answer = ''", $"UPDATE {Records}.key SET outer_pad = ''",
            $"DELETE FROM {Records}.activity", $"DELETE FROM {Records}.key", $"TRUNCATE {Records}.activity",
            $"MERGE INTO {Records}.activity USING (VALUES (1)) v(a) ON true WHEN MATCHED THEN DELETE",
            $"LOCK TABLE {Records}.activity", $"LOCK TABLE {Records}.activity IN ACCESS SHARE MODE",
            "SELECT table_to_xml(oid, true, true, '') FROM pg_class WHERE relname = 'activity'",
            $"SELECT query_to_xml('SELECT * FROM {Records}.activity', true, true, '')", $"SELECT '{Records}.activity'::regclass",
            $"PREPARE p AS DELETE FROM {Records}.activity", $"EXPLAIN DELETE FROM {Records}.activity",
            $"ALTER TABLE {Records}.activity DISABLE TRIGGER ALL", $"ALTER TABLE {Records}.activity OWNER TO CURRENT_USER",
            $"ALTER TABLE {Records}.activity ENABLE ROW LEVEL SECURITY", $"ALTER TABLE {Records}.activity SET SCHEMA public",
            $"DROP TABLE {Records}.activity", $"DROP SCHEMA {Records} CASCADE", "DROP SCHEMA gateway_journal CASCADE", $"ALTER SCHEMA {Records} RENAME TO mine",
            "DROP PROCEDURE gateway_journal.finish(bytea, tid, bytea)", "DROP OWNED BY gateway_journal", "REASSIGN OWNED BY gateway_journal TO CURRENT_USER",
            $"GRANT ALL ON {Records}.activity TO CURRENT_USER", "GRANT gateway_journal TO CURRENT_USER", "ALTER ROLE gateway_journal LOGIN",
            $"COMMENT ON TABLE {Records}.activity IS 'mine'", "COMMENT ON SCHEMA gateway_journal IS 'mine'", "COMMENT ON FUNCTION gateway_journal.clean() IS 'mine'",
            $"ANALYZE {Records}.activity", $"REINDEX TABLE {Records}.activity", $"CLUSTER {Records}.activity USING activity_pkey",
            $"CREATE INDEX ON {Records}.activity (answer)", $"CREATE STATISTICS s ON caller, activity_id FROM {Records}.activity",
            $"CREATE TRIGGER t BEFORE INSERT ON {Records}.activity EXECUTE FUNCTION nothing()",
            $"CREATE RULE r AS ON INSERT TO {Records}.activity DO INSTEAD NOTHING", $"CREATE POLICY p ON {Records}.activity",
            $"CREATE VIEW v AS SELECT * FROM {Records}.activity", $"CREATE TABLE t (a {Records}.activity)", $"CREATE TABLE t () INHERITS ({Records}.activity)",
            $"CREATE TABLE t (LIKE {Records}.activity)", $"CREATE TABLE t PARTITION OF {Records}.activity FOR VALUES IN ('a')",
            $"ALTER TABLE parted ATTACH PARTITION {Records}.activity FOR VALUES IN ('a')", $"ALTER TABLE referring INHERIT {Records}.activity",
            $"ALTER TABLE referring ADD FOREIGN KEY (a, b, c) REFERENCES {Records}.activity", $"ALTER INDEX {Records}.activity_pkey DEPENDS ON EXTENSION plpgsql",
            $"COPY {Records}.activity TO PROGRAM 'cat'", $"COPY {Records}.activity FROM '/dev/null'",
            $"CREATE TABLE {Records}.mine (a int)", "CREATE TABLE gateway_journal.mine (a int)", "CREATE FUNCTION gateway_journal.keys(text) RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "CREATE OR REPLACE FUNCTION gateway_journal.clean() RETURNS void LANGUAGE sql AS ''", "ALTER FUNCTION gateway_journal.clean() SECURITY DEFINER",
            "CREATE OR REPLACE PROCEDURE gateway_journal.clean_session() LANGUAGE sql AS ''",
            "ALTER PROCEDURE gateway_journal.clean_session() SECURITY DEFINER", "ALTER PROCEDURE gateway_journal.finish(bytea, tid, bytea) RESET search_path",
            "ALTER FUNCTION gateway_journal.claim(int, bytea, text, text, text, bytea, int, text, bytea) RESET search_path",
            "ALTER DEFAULT PRIVILEGES FOR ROLE gateway_journal GRANT ALL ON TABLES TO PUBLIC",
            "SET ROLE gateway_journal", "SELECT set_config('role', 'gateway_journal', false)",
            "SET SESSION AUTHORIZATION gateway_journal", "SELECT set_config('session_authorization', 'gateway_journal', false)",
            "SET session_replication_role = replica", "SET log_statement = 'all'", "ALTER ROLE CURRENT_USER SUPERUSER"),
        .. Refused(Denied,
            "SELECT gateway_journal.keys()", "SELECT forge()", "SELECT gateway_journal.keys_for('\\x00')", "SELECT gateway_journal.keys_for(NULL)",
            "SELECT gateway_journal.recorded(1, sha256(''), 'loopback', 'victims', 'victim')", "SELECT gateway_journal.purge(1, sha256(''), 1000)",
            "SELECT gateway_journal.status(1, sha256(''))",
            $"SELECT {Records}.is_valid(1, '', '')", $"SELECT {Records}.this_session()"),
        .. Refused(InvalidCode,
            "SELECT gateway_journal.claim(1, sha256(''), 'loopback', 'victims', 'forged', '', 1, 'tag', '')",
            "SELECT gateway_journal.claim(1, NULL, 'loopback', 'victims', 'forged', '', 1, 'tag', '')",
            "SELECT gateway_journal.claim(NULL, '', 'loopback', 'victims', 'forged', '', 1, 'tag', '')",
            "SELECT gateway_journal.claim(-1, '', 'loopback', 'victims', 'victim', '', 1, 'tag', '')",
            "SELECT gateway_journal.claim(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
            "SELECT gateway_journal.claim(1, sha256(''), 'loopback', 'victims', 'forged', '', 1, 'tag')",
            "SELECT gateway_journal.claim(1, NULL, 'loopback', 'victims', 'forged', '', 1, 'tag')",
            "SELECT gateway_journal.claim(NULL, '', 'loopback', 'victims', 'forged', '', 1, 'tag')",
            "SELECT gateway_journal.claim(-1, '', 'loopback', 'victims', 'forged', '', 1, 'tag')",
            "SELECT gateway_journal.claim(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
            "SELECT pg_current_xact_id(), gateway_journal.finish(1, sha256(''), '(0,1)', 'forged')",
            "SELECT pg_current_xact_id(), gateway_journal.finish(1, NULL, '(0,1)', 'forged')",
            "SELECT pg_current_xact_id(), gateway_journal.finish(NULL, NULL, NULL, NULL)"),
        .. Refused(NoClaim,
            "CALL gateway_journal.finish(sha256(''), '(0,1)', 'forged')", "CALL gateway_journal.finish(NULL, '(0,1)', 'forged')",
            "CALL gateway_journal.finish(NULL, NULL, NULL)"),
    ];

    /// <summary>The ways to run SQL: the statement that runs it, and stores its outcome.</summary>
    private static readonly (string Way, string Sql)[] Ways =
    [
        ("DO", ""),
        ("function", "SELECT noted('function', $1)"),
        ("definer", "INSERT INTO attempts SELECT 'definer', attempt_as_definer($1)"),
        ("trigger", "INSERT INTO bait VALUES ('trigger', $1)"),
        ("trigger at COMMIT", "INSERT INTO bait VALUES ('trigger at COMMIT', $1)"),
        ("policy", "INSERT INTO guarded VALUES ($1)"),
    ];

    public static TheoryData<string> EachAttack() => new(Attacks.Select(attack => attack.Sql));

    [Theory]
    [MemberData(nameof(EachAttack))]
    public async Task AttackOnTheJournal_IsRefusedByWhateverWayItComes(string sql)
    {
        var expected = Attacks.Single(attack => attack.Sql == sql).SqlState;
        var before = await database.JournalAsync();

        // As the statement itself. COPY is refused before it is sent.
        if (!sql.StartsWith("COPY", StringComparison.Ordinal))
        {
            AssertRefused(await database.QueryAsync(sql), expected, ReadOnly);
            AssertRefused(await database.ExecuteAsync(null, sql), expected);
            AssertRefused(await database.ExecuteAsync(NewId(), sql), expected);
            AssertRefused(await TransactionAsync("INSERT INTO effects VALUES ('attack')", sql), expected);
        }
        // Inside other statements, which continue after it, and are committed and recorded.
        foreach (var answer in new[] { await database.QueryAsync("SELECT attempt($1) AS outcome", sql), await database.QueryAsync("SELECT attempt_as_definer($1) AS outcome", sql) })
            Assert.Contains(answer.Expect(HttpStatusCode.OK).GetProperty("rows")[0].GetProperty("outcome").GetString(), new[] { expected, ReadOnly, InFunction });
        foreach (var (way, statement) in Ways)
        {
            foreach (var id in new[] { null, NewId() })
            {
                var answer = way == "DO"
                    ? await database.ExecuteAsync(id, $"DO $do$ BEGIN PERFORM noted('DO', $sql${sql}$sql$); END $do$")
                    : await database.ExecuteAsync(id, statement, sql);
                answer.Expect(HttpStatusCode.OK);
                Assert.Contains(await TakeOutcomeAsync(way), new[] { expected, InFunction });
            }
        }

        Assert.Equal(before, await database.JournalAsync());
        await database.AssertVictimIsAnsweredAsync();
    }

    /// <summary>ANALYZE and similar commands can't run in functions, with any right to the table.</summary>
    private const string InFunction = "25001";

    private static string NewId() => $"attack/{Guid.NewGuid():N}";

    private static IEnumerable<(string Sql, string SqlState)> Refused(string sqlState, params string[] statements) =>
        statements.Select(sql => (sql, sqlState));

    private static void AssertRefused(Answer answer, params string[] sqlStates)
    {
        Assert.True(answer.Status == HttpStatusCode.UnprocessableEntity, $"It was answered with {(int)answer.Status}: {answer.Text}");
        Assert.Contains(answer.Json.GetProperty("sqlState").GetString(), sqlStates);
        Assert.Equal("no", answer.Json.GetProperty("committed").GetString());
    }

    private async Task<string?> TakeOutcomeAsync(string way)
    {
        var outcome = await database.ReadAsync<string>($"SELECT string_agg(concat(way, ' ', outcome), ', ') FROM {database.Role}.attempts");
        await database.AdministerAsync($"TRUNCATE {database.Role}.attempts");
        Assert.StartsWith($"{way} ", outcome);
        return outcome![(way.Length + 1)..];
    }

    private Task<Answer> TransactionAsync(params string[] statements) => database.Client.PostAsync(
        "transaction", new { activityId = NewId(), statements = statements.Select(sql => new { sql }) });
}
