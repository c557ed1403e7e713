using Gateway.Api.Journal;
using Gateway.Api.Postgres;
using Npgsql;

namespace Gateway.Api.PostgresTests.JournalTests;

/// <summary>
/// Tests SQL of the callers' role that PostgreSQL runs outside of the gateway's sessions, in its own backends or in
/// other roles' sessions. There too it can't read the key of the journal's codes, and can't use any of the journal's
/// functions.
/// </summary>
public sealed class HostileContextTests(HostileServer server) : IClassFixture<HostileServer>
{
    /// <summary>
    /// The contexts: the statements that prepare it as the callers' role, the role that then triggers it, and the
    /// statements that trigger it. Statements are separated by <c>;;</c>. The preparation may run the probe too, in its
    /// own session: only the probe in another backend, or for another session's role, counts.
    /// </summary>
    private static readonly (string Name, string Prepare, string As, string SetOff)[] Contexts =
    [
        ("autovacuum", "CREATE TABLE auto (a int);; CREATE INDEX ON auto (wrapped('autovacuum', a));; "
            + "INSERT INTO auto SELECT g FROM generate_series(0, 500) g", "", ""),
        ("ANALYZE", "CREATE TABLE an (a int);; CREATE INDEX ON an (wrapped('ANALYZE', a));; INSERT INTO an VALUES (0)", "postgres", "ANALYZE app.an"),
        ("ANALYZE of statistics", "CREATE TABLE st (a int);; CREATE STATISTICS s ON wrapped('ANALYZE of statistics', a), a FROM st;; "
            + "INSERT INTO st VALUES (0), (1)", "postgres", "ANALYZE app.st"),
        ("VACUUM FULL", "CREATE TABLE vf (a int);; CREATE INDEX ON vf (wrapped('VACUUM FULL', a));; INSERT INTO vf VALUES (0)", "postgres", "VACUUM FULL app.vf"),
        ("REINDEX", "CREATE TABLE re (a int);; CREATE INDEX ON re (wrapped('REINDEX', a));; INSERT INTO re VALUES (0)", "postgres", "REINDEX TABLE app.re"),
        ("REINDEX by a member", "CREATE TABLE rm (a int);; CREATE INDEX ON rm (wrapped('REINDEX by a member', a));; INSERT INTO rm VALUES (0)",
            "member", "REINDEX TABLE app.rm"),
        ("CLUSTER", "CREATE TABLE cl (a int);; CREATE INDEX cl_a ON cl (wrapped('CLUSTER', a));; INSERT INTO cl VALUES (0)", "postgres", "CLUSTER app.cl USING cl_a"),
        ("CREATE INDEX", "CREATE TABLE ci (a int);; INSERT INTO ci VALUES (0)", "postgres", "CREATE INDEX ON app.ci (app.wrapped('CREATE INDEX', a))"),
        ("partial index", "CREATE TABLE pi (a int);; INSERT INTO pi VALUES (0)", "postgres",
            "CREATE INDEX ON app.pi (a) WHERE app.wrapped('partial index', a) IS NOT NULL"),
        ("REFRESH", "CREATE MATERIALIZED VIEW mv AS SELECT wrapped('REFRESH', a) FROM (VALUES (0)) v(a) WITH NO DATA", "postgres",
            "REFRESH MATERIALIZED VIEW app.mv"),
        ("definer", "GRANT USAGE ON SCHEMA app TO other;; CREATE FUNCTION defined() RETURNS void SECURITY DEFINER LANGUAGE plpgsql "
            + "AS 'BEGIN PERFORM app.probe(''definer''); END'", "other", "SELECT app.defined()"),
        ("view", "GRANT USAGE ON SCHEMA app TO other;; CREATE VIEW vw AS SELECT probe('view');; GRANT SELECT ON vw TO other", "other", "SELECT * FROM app.vw"),
        ("policy", "GRANT USAGE ON SCHEMA app TO other;; CREATE TABLE po (a int);; INSERT INTO po VALUES (0);; ALTER TABLE po ENABLE ROW LEVEL SECURITY;; "
            + "CREATE POLICY p ON po USING (probe('policy') IS NOT NULL);; GRANT SELECT ON po TO other", "other", "SELECT * FROM app.po"),
        ("trigger", "GRANT USAGE ON SCHEMA app TO other;; CREATE TABLE tr (a int);; GRANT INSERT ON tr TO other;; "
            + "CREATE TRIGGER t AFTER INSERT ON tr FOR EACH ROW EXECUTE FUNCTION probing('trigger')", "other", "INSERT INTO app.tr VALUES (0)"),
        ("definer's trigger", "GRANT USAGE ON SCHEMA app TO other;; CREATE TABLE td (a int);; GRANT INSERT ON td TO other;; "
            + "CREATE TRIGGER t AFTER INSERT ON td FOR EACH ROW EXECUTE FUNCTION probing_as_definer('definer''s trigger')", "other", "INSERT INTO app.td VALUES (0)"),
        ("trigger at COMMIT", "GRANT USAGE ON SCHEMA app TO other;; CREATE TABLE tc (a int);; GRANT INSERT ON tc TO other;; "
            + "CREATE CONSTRAINT TRIGGER t AFTER INSERT ON tc DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION probing_as_definer('trigger at COMMIT')",
            "other", "INSERT INTO app.tc VALUES (0)"),
        ("default", "GRANT USAGE ON SCHEMA app TO other;; CREATE TABLE de (a int, b int DEFAULT probe('default'));; GRANT INSERT ON de TO other",
            "other", "INSERT INTO app.de (a) VALUES (0)"),
        ("domain", "GRANT USAGE ON SCHEMA app TO other;; CREATE DOMAIN dom AS int CHECK (app.probe('domain') IS NOT NULL)", "other", "SELECT 0::app.dom"),
        ("cascade", "GRANT USAGE ON SCHEMA app TO other;; CREATE TABLE ca (a int PRIMARY KEY);; CREATE TABLE cb (a int REFERENCES ca ON DELETE CASCADE);; "
            + "CREATE TRIGGER t AFTER DELETE ON cb FOR EACH ROW EXECUTE FUNCTION probing('cascade');; INSERT INTO ca VALUES (0);; INSERT INTO cb VALUES (0);; "
            + "GRANT DELETE, SELECT ON ca TO other", "other", "DELETE FROM app.ca"),
        ("dblink", "", "app", "SELECT * FROM public.dblink('{0}', $$SELECT app.probe('dblink')$$) AS t(a int)"),
        ("postgres_fdw", "CREATE VIEW fv AS SELECT probe('postgres_fdw') AS a;; CREATE FOREIGN TABLE ft (a int) SERVER back OPTIONS (schema_name 'app', table_name 'fv')",
            "app", "SELECT * FROM app.ft"),
        ("replication", "CREATE TABLE rep (a int PRIMARY KEY);; "
            + "CREATE TRIGGER t AFTER INSERT ON rep FOR EACH ROW EXECUTE FUNCTION probing_as_definer('replication');; ALTER TABLE rep ENABLE ALWAYS TRIGGER t", "", ""),
    ];

    public static TheoryData<string> EachContext() => new(Contexts.Select(context => context.Name));

    [Theory]
    [MemberData(nameof(EachContext))]
    public async Task WhereverTheRolesSqlRuns_TheJournalRefusesIt(string name)
    {
        var (_, prepare, role, setOff) = Contexts.Single(context => context.Name == name);
        var before = await server.JournalAsync();
        foreach (var statement in prepare.Split(";;", StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
            await GatewayFixture.ExecuteAsync(server.DsnOf("app"), statement);

        if (setOff.Length > 0)
        {
            await server.ForgetAsync(name);
            await GatewayFixture.ExecuteAsync(server.DsnOf(role), string.Format(setOff, server.DblinkOf("app")));
        }
        if (name == "replication")
            await server.ReplicateAsync();

        // Waits for the outcomes in the server's own backends.
        var outcomes = await server.OutcomesAsync(name);
        Assert.All(outcomes, outcome => Assert.Matches("^(42501|GJ003|25006)$", outcome.Outcome));
        Assert.Equal(HostileServer.Attacks.Count, outcomes.Select(outcome => outcome.Attack).Distinct().Count());
        Assert.Equal(before, await server.JournalAsync());
    }

    /// <summary>No outcome can be stored there; the error is a worker's, and ends the statement.</summary>
    [Fact]
    public async Task InAParallelWorker_TheJournalRefusesIt()
    {
        string[] settings =
        [
            "SET parallel_setup_cost = 0", "SET parallel_tuple_cost = 0", "SET min_parallel_table_scan_size = 0", "SET parallel_leader_participation = off",
        ];
        await GatewayFixture.ExecuteAsync(server.DsnOf("app"), "CREATE TABLE para AS SELECT g AS a FROM generate_series(1, 100000) g");
        await GatewayFixture.ExecuteAsync(server.DsnOf("app"), "ANALYZE para");
        foreach (var attack in HostileServer.Attacks)
        {
            // XX000, below, ends the session.
            await using var session = await GatewayFixture.OpenAsync(server.DsnOf("app"));
            foreach (var setting in settings)
                await ExecuteAsync(session, setting);
            await ExecuteAsync(
                session,
                $"CREATE OR REPLACE FUNCTION straight(a int) RETURNS int PARALLEL SAFE LANGUAGE plpgsql AS $f$ BEGIN PERFORM ({attack}); RETURN a; END $f$");
            var refusal = await Assert.ThrowsAsync<PostgresException>(() => ExecuteAsync(session, "SELECT sum(straight(a)) FROM para"));
            // XX000: no transaction ID can be assigned in a parallel worker.
            Assert.Matches("^(42501|GJ003|25000|25006|XX000)$", refusal.SqlState);
            Assert.Contains("parallel worker", refusal.Where);
        }
    }

    /// <summary>
    /// The failure of the attacks only proves something if they succeed for a role that has the right.
    /// </summary>
    [Fact]
    public async Task ControlRole_MayReadTheKeyAndWhoHasItCanMakeACode()
    {
        await using var session = await GatewayFixture.OpenAsync(server.DsnOf("control"));
        await using var read = new NpgsqlCommand("SELECT key_id, key_secret FROM gateway_journal.keys()", session);
        CodeKey key;
        await using (var reader = await read.ExecuteReaderAsync(TestContext.Current.CancellationToken))
        {
            Assert.True(await reader.ReadAsync(TestContext.Current.CancellationToken));
            key = new CodeKey(reader.GetInt32(0), reader.GetFieldValue<byte[]>(1));
        }
        var activity = new ActivityIdentity("loopback", "default", "nobody's");
        await using var recorded = new NpgsqlCommand("SELECT answer FROM gateway_journal.recorded($1, $2, $3, $4, $5)", session)
        {
            Parameters =
            {
                new() { Value = key.Id }, new() { Value = key.ForRecord(activity) }, new() { Value = activity.Caller },
                new() { Value = activity.Connection }, new() { Value = activity.ActivityId },
            },
        };
        Assert.Equal(DBNull.Value, await recorded.ExecuteScalarAsync(TestContext.Current.CancellationToken));
    }

    /// <summary>A leaked code can't be used in another session, nor for another request in its own session.</summary>
    [Fact]
    public async Task CodeThatLeaked_AllowsNothingElse()
    {
        var key = await server.ReadKeyAsync();
        var activity = new ActivityIdentity("loopback", "default", $"leaked/{Guid.NewGuid():N}");
        await using var session = await GatewayFixture.OpenAsync(server.DsnOf("app"));
        await using var port = new NpgsqlCommand("SELECT inet_client_port()", session);
        var backend = new Backend(session.ProcessID, (int)(await port.ExecuteScalarAsync(TestContext.Current.CancellationToken))!);
        var hash = new byte[32];
        var proof = ClaimProof.Create();
        var code = key.ForClaim(backend, activity, hash, 1000, "tag", proof);

        await AssertRefusedAsync(key.ForClaim(backend with { ProcessId = backend.ProcessId + 1 }, activity, hash, 1000, "tag", proof), activity, hash, 1000, "tag", proof.Digest);
        await AssertRefusedAsync(key.ForClaim(backend with { ClientPort = backend.ClientPort + 1 }, activity, hash, 1000, "tag", proof), activity, hash, 1000, "tag", proof.Digest);
        await AssertRefusedAsync(key.ForRecord(activity), activity, hash, 1000, "tag", proof.Digest);
        await AssertRefusedAsync(code, activity with { Caller = "another" }, hash, 1000, "tag", proof.Digest);
        await AssertRefusedAsync(code, activity with { Connection = "another" }, hash, 1000, "tag", proof.Digest);
        await AssertRefusedAsync(code, activity with { ActivityId = "another" }, hash, 1000, "tag", proof.Digest);
        await AssertRefusedAsync(code, activity, [.. hash, 0], 1000, "tag", proof.Digest);
        await AssertRefusedAsync(code, activity, hash, 1001, "tag", proof.Digest);
        await AssertRefusedAsync(code, activity, hash, 1000, "tagged", proof.Digest);
        await AssertRefusedAsync(code, activity, hash, 1000, "tag", ClaimProof.Create().Digest);
        // The hash and the digest are bytes next to each other.
        await AssertRefusedAsync(code, activity, hash[..31], 1000, "tag", [hash[31], .. proof.Digest]);
        await AssertRefusedAsync([], activity, hash, 1000, "tag", proof.Digest);
        await AssertRefusedAsync(code[..31], activity, hash, 1000, "tag", proof.Digest);

        await using var transaction = await session.BeginTransactionAsync(TestContext.Current.CancellationToken);
        var row = await ClaimAsync(code, activity, hash, 1000, "tag", proof.Digest);
        foreach (var (used, at, state) in new[]
        {
            (code, row, "GJ003"), (proof.Digest, row, "GJ003"), ([], row, "GJ003"), (ClaimProof.Create().Secret, row, "GJ003"),
            (proof.Secret, "(9,9)", "GJ002"),
        })
        {
            await transaction.SaveAsync("before", TestContext.Current.CancellationToken);
            Assert.Equal(state, (await Assert.ThrowsAsync<PostgresException>(() => FinishAsync(used, at))).SqlState);
            await transaction.RollbackAsync("before", TestContext.Current.CancellationToken);
        }
        await FinishAsync(proof.Secret, row);
        // Used once.
        Assert.Equal("GJ002", (await Assert.ThrowsAsync<PostgresException>(() => FinishAsync(proof.Secret, row))).SqlState);
        await transaction.RollbackAsync(TestContext.Current.CancellationToken);

        // If the transaction of the claim has ended without an answer, the proof is of no use, and there is no answer.
        row = await ClaimAsync(code, activity, hash, 1000, "tag", proof.Digest);
        Assert.Equal("GJ002", (await Assert.ThrowsAsync<PostgresException>(() => FinishAsync(proof.Secret, row))).SqlState);
        await using var control = await GatewayFixture.OpenAsync(server.DsnOf("control"));
        await using var recorded = new NpgsqlCommand(
            "SELECT request_hash, answer IS NULL FROM gateway_journal.recorded($1, $2, $3, $4, $5)", control)
        {
            Parameters =
            {
                new() { Value = key.Id }, new() { Value = key.ForRecord(activity) }, new() { Value = activity.Caller },
                new() { Value = activity.Connection }, new() { Value = activity.ActivityId },
            },
        };
        await using var record = await recorded.ExecuteReaderAsync(TestContext.Current.CancellationToken);
        Assert.True(await record.ReadAsync(TestContext.Current.CancellationToken));
        Assert.Equal(hash, record.GetFieldValue<byte[]>(0));
        Assert.True(record.GetBoolean(1));

        async Task AssertRefusedAsync(
            byte[] forged, ActivityIdentity of, byte[] requestHash, int keep, string tag, byte[] digest)
        {
            var refusal = await Assert.ThrowsAsync<PostgresException>(() => ClaimAsync(forged, of, requestHash, keep, tag, digest));
            Assert.Equal("GJ003", refusal.SqlState);
        }

        async Task<string> ClaimAsync(byte[] used, ActivityIdentity of, byte[] requestHash, int keep, string tag, byte[] digest)
        {
            await using var command = new NpgsqlCommand("SELECT gateway_journal.claim($1, $2, $3, $4, $5, $6, $7, $8, $9)::text", session)
            {
                Parameters =
                {
                    new() { Value = key.Id }, new() { Value = used }, new() { Value = of.Caller }, new() { Value = of.Connection },
                    new() { Value = of.ActivityId }, new() { Value = requestHash }, new() { Value = keep }, new() { Value = tag },
                    new() { Value = digest },
                },
            };
            return (string)(await command.ExecuteScalarAsync(TestContext.Current.CancellationToken))!;
        }

        async Task FinishAsync(byte[] used, string at)
        {
            await using var command = new NpgsqlCommand($"CALL gateway_journal.finish($1, '{at}', $2)", session)
            {
                Parameters = { new() { Value = used }, new() { Value = "{}"u8.ToArray() } },
            };
            await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
        }
    }

    private static async Task ExecuteAsync(NpgsqlConnection session, string sql)
    {
        await using var command = new NpgsqlCommand(sql, session);
        await command.ExecuteNonQueryAsync();
    }
}
