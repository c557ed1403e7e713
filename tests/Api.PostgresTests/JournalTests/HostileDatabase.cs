using System.Net;
using Gateway.Api.Journal;
using Npgsql;

namespace Gateway.Api.PostgresTests.JournalTests;

/// <summary>
/// Provides a database whose gateway connects as a role that is not a superuser, and may create objects in public and
/// in its own schema, as many application roles may. The role has prepared objects for attacks there. The journal
/// contains a victim's record.
/// </summary>
public sealed class HostileDatabase(GatewayFixture server) : IAsyncLifetime
{
    /// <summary>The victim's activity, on the connection <see cref="Victims"/>.</summary>
    public const string Victim = "victim";

    /// <summary>Another connection than the attacker's, with the same DSN: another identity in the journal.</summary>
    public const string Victims = "victims";

    public const string Secret = "what-only-the-victim-may-see";

    private const string Setup =
        """
        DO $setup$ BEGIN
            CREATE TABLE effects (what text);
            CREATE TABLE attempts (way text, outcome text);

            CREATE FUNCTION attempt(sql text) RETURNS text LANGUAGE plpgsql AS $$
                DECLARE
                    told text;
                BEGIN
                    EXECUTE sql INTO told;
                    RETURN concat('done ', told);
                EXCEPTION WHEN OTHERS THEN
                    RETURN SQLSTATE;
                END
            $$;
            CREATE FUNCTION attempt_as_definer(sql text) RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$
                BEGIN
                    RETURN attempt(sql);
                END
            $$;
            CREATE FUNCTION noted(way text, sql text) RETURNS boolean LANGUAGE plpgsql AS $$
                BEGIN
                    INSERT INTO attempts VALUES (way, attempt(sql));
                    RETURN true;
                END
            $$;
            -- Whoever has the key can make any code.
            CREATE FUNCTION forge() RETURNS text LANGUAGE plpgsql AS $$
                BEGIN
                    PERFORM gateway_journal.keys();
                    RETURN 'forged';
                END
            $$;

            CREATE TABLE bait (way text, sql text);
            CREATE FUNCTION bitten() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN
                    PERFORM noted(NEW.way, NEW.sql);
                    RETURN NULL;
                END
            $$;
            CREATE TRIGGER at_once AFTER INSERT ON bait FOR EACH ROW WHEN (NEW.way = 'trigger') EXECUTE FUNCTION bitten();
            CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON bait DEFERRABLE INITIALLY DEFERRED
                FOR EACH ROW WHEN (NEW.way = 'trigger at COMMIT') EXECUTE FUNCTION bitten();

            CREATE TABLE guarded (sql text);
            ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
            ALTER TABLE guarded FORCE ROW LEVEL SECURITY;
            CREATE POLICY inserting ON guarded FOR INSERT WITH CHECK (noted('policy', sql));

            CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
            CREATE TABLE parted (caller text COLLATE "C") PARTITION BY LIST (caller);
            CREATE TABLE referring (a text COLLATE "C", b text COLLATE "C", c text COLLATE "C");
        END $setup$
        """;

    private RunningGateway? _gateway;
    private NpgsqlConnection? _admin;

    /// <summary>Gets the gateway's role. Its schema, the first of its search_path, has the same name.</summary>
    public string Role { get; } = $"hostile_{Guid.NewGuid():N}"[..20];

    /// <summary>Gets a role that the gateway's role is a member of. It may only insert into <c>effects</c>.</summary>
    public string Other => $"{Role}_other";

    /// <summary>Gets the gateway's control role.</summary>
    public string ControlRole => $"{Role}_control";

    /// <summary>Gets the gateway's DSN.</summary>
    public string Dsn { get; private set; } = "";

    /// <summary>Gets the control role's DSN.</summary>
    public string ControlDsn { get; private set; } = "";

    /// <summary>Gets a superuser's DSN.</summary>
    public string AdminDsn { get; private set; } = "";

    public GatewayClient Client => _gateway!.Client;

    public async ValueTask InitializeAsync()
    {
        AdminDsn = await server.CreateDatabaseWithoutJournalAsync();
        _admin = await GatewayFixture.OpenAsync(AdminDsn);
        await AdministerAsync(
            $"""
            DO $$ BEGIN
                CREATE ROLE {Role} LOGIN PASSWORD 'hostile';
                CREATE ROLE {ControlRole} LOGIN PASSWORD 'control';
                CREATE ROLE {Other} NOLOGIN;
                GRANT {Other} TO {Role};
                GRANT CREATE, USAGE ON SCHEMA public TO {Role};
                CREATE SCHEMA {Role} AUTHORIZATION {Role};
                GRANT USAGE ON SCHEMA {Role} TO {Other};
            END $$
            """);
        Dsn = new NpgsqlConnectionStringBuilder(AdminDsn) { Username = Role, Password = "hostile" }.ConnectionString;
        ControlDsn = new NpgsqlConnectionStringBuilder(AdminDsn) { Username = ControlRole, Password = "control" }.ConnectionString;
        await InstallJournalAsync();
        await GatewayFixture.ExecuteAsync(Dsn, Setup);
        await GatewayFixture.ExecuteAsync(Dsn, $"GRANT INSERT ON effects TO {Other}");
        _gateway = await StartGatewayAsync();
        await RecordVictimAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (_gateway is not null)
            await _gateway.DisposeAsync();
        // Roles belong to the server; the fixture drops the database later.
        await AdministerAsync($"DROP OWNED BY {ControlRole}, {Role}, {Other}");
        await AdministerAsync($"DROP ROLE {ControlRole}, {Role}, {Other}");
        await _admin!.DisposeAsync();
    }

    /// <summary>Starts another gateway with the same role, and its own sessions.</summary>
    public Task<RunningGateway> StartGatewayAsync(params string[] settings) => RunningGateway.StartAsync(
        [
            $"--DSN={Dsn}", $"--Gateway:Connections:default:ControlDsn={ControlDsn}", $"--Gateway:Connections:{Victims}:Dsn={Dsn}",
            $"--Gateway:Connections:{Victims}:ControlDsn={ControlDsn}", "--Gateway:PurgeIntervalMs=100", .. settings,
        ]);

    /// <summary>Installs the journal, or installs it again.</summary>
    public Task InstallJournalAsync() => GatewayFixture.InstallJournalAsync(AdminDsn, Role, JournalGuard.By(ControlRole));

    /// <summary>Runs one statement as the superuser.</summary>
    public async Task AdministerAsync(string sql)
    {
        await using var command = new NpgsqlCommand(sql, _admin);
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>Reads one value as the superuser.</summary>
    public async Task<T?> ReadAsync<T>(string sql)
    {
        await using var command = new NpgsqlCommand(sql, _admin);
        return await command.ExecuteScalarAsync() is T value ? value : default;
    }

    public Task<Answer> QueryAsync(string sql, params object[] parameters) =>
        Client.PostAsync("query", new { activityId = "attack", sql, parameters });

    /// <summary>Executes SQL exactly once under the given ID, or at least once if there is none.</summary>
    public Task<Answer> ExecuteAsync(string? activityId, string sql, params object[] parameters) => Client.PostAsync("execute", new
    {
        activityId = activityId ?? "attack",
        sql,
        parameters,
        delivery = activityId is null ? "at-least-once" : "exactly-once",
    });

    /// <summary>
    /// Returns everything in the journal that an attack must not change: others' records, and its tables and functions.
    /// </summary>
    public async Task<string> JournalAsync() => (await ReadAsync<string>(
        $"""
        SELECT concat_ws(' / ',
            (SELECT string_agg(md5(a::text), ' ' ORDER BY activity_id) FROM gateway_journal_records.activity a WHERE connection = '{Victims}'),
            (SELECT string_agg(v::text, ' ') FROM gateway_journal_records.version v),
            (SELECT string_agg(concat(k.id, md5(k.secret), md5(k.inner_pad), md5(k.outer_pad)), ' ') FROM gateway_journal_records.key k),
            (SELECT string_agg(j::text, ' ') FROM gateway_journal_records.journal_key j),
            (SELECT string_agg(concat(nspname, nspowner, nspacl), ' ' ORDER BY nspname) FROM pg_namespace WHERE nspname LIKE 'gateway_journal%'),
            (SELECT string_agg(concat(relname, relowner, relacl, relhasrules, relhastriggers, relrowsecurity, relnatts), ' ' ORDER BY relname)
                FROM pg_class WHERE relnamespace::regnamespace::text LIKE 'gateway_journal%'),
            (SELECT string_agg(md5(p::text), ' ' ORDER BY proname, pronargs) FROM pg_proc p WHERE pronamespace::regnamespace::text LIKE 'gateway_journal%'),
            (SELECT string_agg(concat(roleid::regrole, member::regrole), ' ') FROM pg_auth_members WHERE roleid IN ('gateway_journal'::regrole, '{ControlRole}'::regrole)),
            (SELECT string_agg(concat(rolcanlogin, rolsuper, rolconfig), ' ') FROM pg_roles WHERE rolname = 'gateway_journal'),
            (SELECT string_agg(concat(d.objid, d.refobjid), ' ' ORDER BY d.objid) FROM pg_depend d JOIN pg_class c ON c.oid = d.refobjid
                WHERE c.relnamespace::regnamespace::text LIKE 'gateway_journal%'))
        """))!;

    /// <summary>Asserts that the victim still gets its own record, and that its statement does not run again.</summary>
    public async Task AssertVictimIsAnsweredAsync()
    {
        var replay = await RecordVictimAsync();
        Assert.Equal("true", replay.Headers["Idempotent-Replayed"]);
        Assert.Contains(Secret, replay.Text);
    }

    private async Task<Answer> RecordVictimAsync()
    {
        var answer = await Client.PostAsync("execute", new
        {
            activityId = Victim,
            connection = Victims,
            sql = "SELECT $1",
            parameters = new[] { Secret },
        });
        answer.Expect(HttpStatusCode.OK);
        return answer;
    }
}
