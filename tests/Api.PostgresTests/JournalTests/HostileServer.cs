using Gateway.Api.Journal;
using Npgsql;

namespace Gateway.Api.PostgresTests.JournalTests;

/// <summary>
/// Provides a server with frequent autovacuum and logical replication, a journal and these roles: <c>app</c>, which
/// runs callers' SQL; its <c>control</c> role; <c>member</c>, which is a member of <c>app</c>; and <c>other</c>.
/// </summary>
public sealed class HostileServer : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private const string Roles =
        """
        DO $$ BEGIN
            CREATE ROLE app LOGIN PASSWORD 'app';
            CREATE ROLE control LOGIN PASSWORD 'control';
            CREATE ROLE member LOGIN PASSWORD 'member';
            CREATE ROLE other LOGIN PASSWORD 'other';
            GRANT app TO member;
            CREATE SCHEMA app AUTHORIZATION app;
            -- The names are found in whatever session they are used in.
            GRANT USAGE ON SCHEMA app TO PUBLIC;
            CREATE EXTENSION dblink;
            CREATE EXTENSION postgres_fdw;
        END $$
        """;

    private const string Setup =
        """
        DO $setup$ BEGIN
            CREATE TABLE app.attacks (sql text);
            CREATE TABLE app.outcomes (way text, sql text, outcome text, pid int, session_role text);
            GRANT SELECT ON app.attacks TO PUBLIC;
            GRANT INSERT ON app.outcomes TO PUBLIC;

            CREATE FUNCTION app.attempt(sql text) RETURNS text LANGUAGE plpgsql AS $$
                BEGIN
                    EXECUTE sql;
                    RETURN 'done';
                EXCEPTION WHEN OTHERS THEN
                    RETURN SQLSTATE;
                END
            $$;
            CREATE FUNCTION app.probe(way text) RETURNS int LANGUAGE plpgsql AS $$
                BEGIN
                    INSERT INTO app.outcomes SELECT way, a.sql, app.attempt(a.sql), pg_backend_pid(), session_user FROM app.attacks a;
                    RETURN 1;
                END
            $$;
            -- Tried for one row only: an index has many.
            CREATE FUNCTION app.wrapped(way text, a int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
                BEGIN
                    IF a = 0 THEN
                        PERFORM app.probe(way);
                    END IF;
                    RETURN a;
                END
            $$;
            CREATE FUNCTION app.probing() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN
                    PERFORM app.probe(TG_ARGV[0]);
                    RETURN NULL;
                END
            $$;
            CREATE FUNCTION app.probing_as_definer() RETURNS trigger SECURITY DEFINER LANGUAGE plpgsql AS $$
                BEGIN
                    PERFORM app.probe(TG_ARGV[0]);
                    RETURN NULL;
                END
            $$;
        END $setup$
        """;

    private LocalPostgresServer? _server;
    private NpgsqlConnection? _admin;

    /// <summary>Gets the attacks. Each is a scalar query, so that it can be part of other statements.</summary>
    public static IReadOnlyList<string> Attacks { get; } =
    [
        "SELECT key_secret FROM gateway_journal.keys()", "SELECT key_secret FROM gateway_journal.keys_for('\\x00')",
        "SELECT gateway_journal.recorded(1, sha256(''), 'loopback', 'default', 'victim')", "SELECT gateway_journal.purge(1, sha256(''), 10)",
        "SELECT gateway_journal.status(1, sha256(''))",
        "SELECT gateway_journal.claim(1, sha256(''), 'loopback', 'default', 'forged', '', 10, 'tag')",
        "SELECT gateway_journal.claim(1, sha256(''), 'loopback', 'default', 'forged', '', 10, 'tag', '')",
        "SELECT gateway_journal.finish(1, sha256(pg_current_xact_id()::text::bytea), '(0,1)', '')",
        "SELECT secret FROM gateway_journal_records.key", "SELECT count(*) FROM gateway_journal_records.activity",
        "SELECT set_config('role', 'control', false)", "SELECT set_config('role', 'gateway_journal', false)",
        "SELECT set_config('session_authorization', 'control', false)",
    ];

    public async ValueTask InitializeAsync()
    {
        _server = await LocalPostgresServer.StartTemporaryAsync(new Dictionary<string, string>
        {
            ["wal_level"] = "logical",
            ["autovacuum_naptime"] = "1s",
        });
        _admin = await GatewayFixture.OpenAsync(_server.Dsn);
        await ExecuteAsync(Roles);
        await GatewayFixture.InstallJournalAsync(_server.Dsn, "app", JournalGuard.By("control"));
        await GatewayFixture.ExecuteAsync(DsnOf("app"), Setup);
        await using var attacks = new NpgsqlCommand("INSERT INTO app.attacks SELECT unnest($1)", _admin) { Parameters = { new() { Value = Attacks.ToArray() } } };
        await attacks.ExecuteNonQueryAsync();
        await ExecuteAsync(
            $"""
            DO $$ BEGIN
                CREATE SERVER back FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '{_server.Host}', port '{_server.Port}', dbname '{_server.Database}');
                CREATE USER MAPPING FOR app SERVER back OPTIONS (user 'app', password 'app');
                GRANT USAGE ON FOREIGN SERVER back TO app;
                -- A key to read, and a record.
                PERFORM gateway_journal.keys();
                INSERT INTO gateway_journal_records.activity (caller, connection, activity_id, request_hash, expires_at, answer)
                VALUES ('loopback', 'default', 'victim', '\x00', 'infinity', '\x00');
            END $$
            """);
    }

    public async ValueTask DisposeAsync()
    {
        if (_admin is not null)
            await _admin.DisposeAsync();
        if (_server is not null)
            await _server.DisposeAsync();
    }

    public string DsnOf(string role) => role == _server!.Username
        ? _server.Dsn
        : new NpgsqlConnectionStringBuilder(Dsns.Dsn.Parse(_server.Dsn).ConnectionString) { Username = role, Password = role }.ConnectionString;

    /// <summary>Returns the connection string for dblink.</summary>
    public string DblinkOf(string role) =>
        $"host={_server!.Host} port={_server.Port} dbname={_server.Database} user={role} password={role}";

    /// <summary>Returns everything in the journal that an attack must not change.</summary>
    public Task<string> JournalAsync() => ReadAsync<string>(
        """
        SELECT concat_ws(' / ',
            (SELECT string_agg(md5(a::text), ' ' ORDER BY activity_id) FROM gateway_journal_records.activity a),
            (SELECT string_agg(md5(k::text), ' ' ORDER BY id) FROM gateway_journal_records.key k),
            (SELECT string_agg(md5(p::text), ' ' ORDER BY p.oid) FROM pg_proc p WHERE pronamespace::regnamespace::text LIKE 'gateway_journal%'))
        """);

    internal async Task<CodeKey> ReadKeyAsync() => new(
        await ReadAsync<int>("SELECT max(id) FROM gateway_journal_records.key"),
        await ReadAsync<byte[]>("SELECT secret FROM gateway_journal_records.key ORDER BY id DESC LIMIT 1"));

    /// <summary>Deletes the outcomes of the preparation of a context.</summary>
    public Task ForgetAsync(string way) => ExecuteAsync($"DELETE FROM app.outcomes WHERE way = '{way.Replace("'", "''")}'");

    /// <summary>
    /// Waits for the outcomes of a context. For autovacuum and replication only those of the server's own sessions
    /// count.
    /// </summary>
    public async Task<IReadOnlyList<(string Attack, string Outcome)>> OutcomesAsync(string way)
    {
        var own = way is "autovacuum" or "replication" ? "AND session_role <> 'app'" : "";
        return await Poll.ReadAsync(ReadAsync, outcomes => outcomes.Count > 0, Patience, $"outcomes of {way}");

        async Task<List<(string Attack, string Outcome)>> ReadAsync()
        {
            await using var command = new NpgsqlCommand(
                $"SELECT sql, outcome FROM app.outcomes WHERE way = $1 {own}", _admin)
            {
                Parameters = { new() { Value = way } },
            };
            await using var reader = await command.ExecuteReaderAsync();
            var outcomes = new List<(string, string)>();
            while (await reader.ReadAsync())
                outcomes.Add((reader.GetString(0), reader.GetString(1)));
            return outcomes;
        }
    }

    /// <summary>Replicates a row of another database's table into <c>app.rep</c>, which has a trigger.</summary>
    public async Task ReplicateAsync()
    {
        await ExecuteAsync("CREATE DATABASE publisher");
        var publisher = new NpgsqlConnectionStringBuilder(Dsns.Dsn.Parse(_server!.Dsn).ConnectionString) { Database = "publisher" }.ConnectionString;
        foreach (var statement in new[]
        {
            "CREATE SCHEMA app", "CREATE TABLE app.rep (a int PRIMARY KEY)", "CREATE PUBLICATION p FOR TABLE app.rep",
            "SELECT pg_create_logical_replication_slot('s', 'pgoutput')",
        })
        {
            await GatewayFixture.ExecuteAsync(publisher, statement);
        }
        // A slot created by the subscription would wait for its own transaction, because both are on one server.
        await ExecuteAsync(
            $"CREATE SUBSCRIPTION s CONNECTION 'host={_server.Host} port={_server.Port} dbname=publisher user={_server.Username} password={_server.Password}' "
            + "PUBLICATION p WITH (create_slot = false, copy_data = false)");
        await GatewayFixture.ExecuteAsync(publisher, "INSERT INTO app.rep VALUES (0)");
    }

    private Task ExecuteAsync(string sql) => GatewayFixture.ExecuteAsync(_server!.Dsn, sql);

    private async Task<T> ReadAsync<T>(string sql)
    {
        await using var command = new NpgsqlCommand(sql, _admin);
        return (T)(await command.ExecuteScalarAsync())!;
    }
}
