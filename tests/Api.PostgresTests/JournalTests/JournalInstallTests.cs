using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using Gateway.Api.Configuration;
using Gateway.Api.Journal;
using Gateway.Api.Postgres;
using Npgsql;

namespace Gateway.Api.PostgresTests.JournalTests;

/// <summary>Tests <c>journal install</c>, as an operator runs it.</summary>
public sealed class JournalInstallTests(GatewayFixture server)
{
    /// <summary>The request hash of version 1 of <c>execute</c> with <c>SELECT 1</c>.</summary>
    private const string HashOfSelect1 = "DF9C3DE87B2B3027F2099BBCFB8834249E3FD2C712F443EC9E43EA377E743C01";

    [Fact]
    public async Task Installed_AServingGatewayWorksExactlyOnceAndAgainKeepsTheRecords()
    {
        var dsn = await server.CreateDatabaseWithoutJournalAsync();
        await using var gateway = await RunningGateway.StartAsync($"--DSN={dsn}");
        var request = new { activityId = "a", sql = "INSERT INTO users (email, name) VALUES ('a', 'a')" };
        (await gateway.Client.PostAsync("execute", request)).ExpectProblem(422, "journal_missing");

        await InstallAsync(0, dsn);
        // A missing journal is looked for again within about a second.
        (await Answer.UntilAsync(() => gateway.Client.PostAsync("execute", request), answer => answer.Status == HttpStatusCode.OK))
            .Expect(HttpStatusCode.OK);
        await InstallAsync(0, dsn);

        Assert.Equal("true", (await gateway.Client.PostAsync("execute", request)).Headers["Idempotent-Replayed"]);
    }

    [Fact]
    public async Task DryRun_PrintsWhatAnAdministratorCanRunAndContactsNoServer()
    {
        var dsn = await server.CreateDatabaseWithoutJournalAsync();
        var unreachable = new NpgsqlConnectionStringBuilder(dsn)
        {
            Host = "127.0.0.1",
            Port = Ports.PickFree(),
        }.ConnectionString;

        await using var role = await LoginRole.CreateAsync(dsn, "");
        var control = new NpgsqlConnectionStringBuilder(unreachable) { Username = role.ControlName }.ConnectionString;
        unreachable = new NpgsqlConnectionStringBuilder(unreachable) { Username = role.Name }.ConnectionString;

        var script = await InstallAsync(0, unreachable, "--dry-run", $"--Gateway:Connections:default:ControlDsn={control}");
        await GatewayFixture.ExecuteAsync(dsn, script.Output);

        await using var gateway = await RunningGateway.StartAsync($"--DSN={role.Dsn}", role.ControlSetting);
        (await gateway.Client.PostAsync("execute", new { activityId = "a", sql = "SELECT 1" })).Expect(HttpStatusCode.OK);
    }

    [Theory]
    [InlineData("ControlDsn is not set", "--connection", "default")]
    [InlineData("ADMIN_DSN", "--journal-key")]
    [InlineData("ADMIN_DSN", "--simple")]
    [InlineData("exclude each other", "--simple", "--journal-key")]
    [InlineData("no connection is named", "--connection", "elsewhere")]
    [InlineData("--fast is neither an option nor a setting", "--fast")]
    public async Task WhatCantBeDone_IsASentenceAndExitCode1(string said, params string[] options)
    {
        await using var role = await LoginRole.CreateAsync(await server.CreateDatabaseWithoutJournalAsync(), "");

        var (_, errors) = await InstallAsync(1, role.Dsn, options);

        Assert.Contains(said, errors, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("   at ", errors);
        Assert.Single(errors.Trim().Split('\n'));
    }

    [Fact]
    public async Task RoleNameWithAQuotationMark_IsRefused()
    {
        var dsn = new NpgsqlConnectionStringBuilder(server.Dsn) { Username = "o\"brien" }.ConnectionString;

        Assert.Contains("quotation mark", (await InstallAsync(1, dsn, "--simple", "--dry-run")).Errors);
    }

    [Fact]
    public async Task AdminDsnOfAnotherDatabase_IsFoundOut()
    {
        await using var role = await LoginRole.CreateAsync(await server.CreateDatabaseWithoutJournalAsync(), "");

        var another = await server.CreateDatabaseWithoutJournalAsync();

        var (_, errors) = await InstallAsync(1, role.Dsn, another, role.ControlSetting);

        await GatewayFixture.ExecuteAsync(another, $"DROP OWNED BY {role.Name}, {role.ControlName}");
        Assert.Contains("another database", errors);
    }

    /// <summary>
    /// A role that may create roles and schemas can install the journal, and is no member of the owner after that.
    /// </summary>
    [Fact]
    public async Task InstallerWithoutSuperuser_InstallsAndKeepsNoMembership()
    {
        var database = await server.CreateDatabaseWithoutJournalAsync();
        await using var role = await LoginRole.CreateAsync(database, "");
        await using var installer = await LoginRole.CreateAsync(database, "CREATEROLE");
        await GatewayFixture.ExecuteAsync(database, $"GRANT CREATE ON DATABASE \"{new NpgsqlConnectionStringBuilder(database).Database}\" TO {installer.Name}");
        await using var connection = await GatewayFixture.OpenAsync(database);
        // From version 16 on only the creator of a role administers it: here the test, and the installation in another
        // database.
        if (connection.PostgreSqlVersion.Major >= 16)
        {
            await GatewayFixture.ExecuteAsync(
                database, $"GRANT gateway_journal, {role.Name} TO {installer.Name} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE");
        }

        await InstallAsync(0, role.Dsn, installer.Dsn, role.ControlSetting);

        await using var members = new NpgsqlCommand(
            """
            SELECT count(*) FROM pg_auth_members m WHERE roleid = 'gateway_journal'::regrole AND member::regrole::text = $1
               AND (coalesce(to_jsonb(m)->>'set_option', 'true') = 'true' OR to_jsonb(m)->>'inherit_option' = 'true')
            """,
            connection)
        {
            Parameters = { new() { Value = installer.Name } },
        };
        Assert.Equal(0L, await members.ExecuteScalarAsync());
        await using var gateway = await RunningGateway.StartAsync($"--DSN={role.Dsn}", role.ControlSetting);
        (await gateway.Client.PostAsync("execute", new { activityId = "a", sql = "SELECT 1" })).Expect(HttpStatusCode.OK);
        await GatewayFixture.ExecuteAsync(
            database, $"REVOKE EXECUTE ON FUNCTION gateway_journal.claim(int, bytea, text, text, text, bytea, int, text, bytea) FROM {role.Name}");
        await using var another = await RunningGateway.StartAsync($"--DSN={role.Dsn}", role.ControlSetting);
        (await another.Client.PostAsync("execute", new { activityId = "b", sql = "SELECT 1" })).ExpectProblem(422, "journal_missing");
    }

    /// <summary>
    /// Only one role: a gateway that presents the key may use the journal, and callers' SQL, which can't, may not.
    /// </summary>
    [Fact]
    public async Task JournalKey_OpensItToWhoeverShowsIt()
    {
        var database = await server.CreateDatabaseWithoutJournalAsync();
        await using var role = await LoginRole.CreateAsync(database, "");
        var file = Path.GetTempFileName();
        try
        {
            var first = ReadKey((await InstallAsync(0, role.Dsn, database, "--journal-key")).Output);
            await File.WriteAllTextAsync(file, first, TestContext.Current.CancellationToken);
            await using (var gateway = await RunningGateway.StartAsync($"--DSN={role.Dsn}", $"--Gateway:Connections:default:JournalKeyFile={file}"))
            {
                var request = new { activityId = "keyed", sql = "SELECT random() AS a" };
                var written = (await gateway.Client.PostAsync("execute", request)).Expect(HttpStatusCode.OK).GetRawText();
                Assert.Equal(written, (await gateway.Client.PostAsync("execute", request)).Text);
                (await gateway.Client.FindActivityAsync("keyed")).Expect(HttpStatusCode.OK);
                foreach (var sql in new[] { "SELECT gateway_journal.keys()", "SELECT gateway_journal.keys_for('\\x00')" })
                    (await gateway.Client.PostAsync("query", new { activityId = "a", sql })).ExpectProblem(422, "sql_error");
            }

            // A new key replaces the old one, and without a key there is no access to the journal.
            Assert.NotEqual(first, ReadKey((await InstallAsync(0, role.Dsn, database, "--journal-key")).Output));
            foreach (var setting in new[] { $"--Gateway:Connections:default:JournalKeyFile={file}", "--Gateway:RowLimit=1000" })
            {
                await using var gateway = await RunningGateway.StartAsync($"--DSN={role.Dsn}", setting);
                var refused = await gateway.Client.PostAsync("execute", new { activityId = "b", sql = "SELECT 1" });
                Assert.Contains("ControlDsn", refused.ExpectProblem(422, "journal_missing").GetProperty("detail").GetString());
            }
        }
        finally
        {
            File.Delete(file);
        }

        static string ReadKey(string output) => output.Trim().Split('\n')[^1].Trim();
    }

    /// <summary>
    /// Records of version 3, with request hashes of version 1, are kept and replayed. A gateway of version 3 gets
    /// retryable errors.
    /// </summary>
    [Fact]
    public async Task Version3_IsMigratedWithItsRecords()
    {
        var database = await server.CreateDatabaseWithoutJournalAsync();
        await using var role = await LoginRole.CreateAsync(database, "");
        var version3 = await File.ReadAllTextAsync(
            Repository.PathOf("tests/Api.PostgresTests/JournalTests/journal-3.sql"), TestContext.Current.CancellationToken);
        await GatewayFixture.ExecuteAsync(database, version3.Replace("{owner}", JournalScript.Owner).Replace("{role}", role.Name));
        await GatewayFixture.ExecuteAsync(database, $"GRANT {role.Name} TO {role.ControlName}");
        await using (var early = await RunningGateway.StartAsync($"--DSN={role.Dsn}", role.ControlSetting))
        {
            var refused = await early.Client.PostAsync("execute", new { activityId = "a", sql = "SELECT 1" });
            Assert.Contains("earlier version", refused.ExpectProblem(422, "journal_missing").GetProperty("detail").GetString());
        }
        await GatewayFixture.ExecuteAsync(
            database,
            "INSERT INTO gateway_journal_records.activity (caller, connection, activity_id, request_hash, expires_at, answer) "
            + "SELECT 'loopback', 'default', id, hash, now() + interval '1 day', convert_to('{\"old\": true}', 'UTF8') "
            + $"FROM (VALUES ('old', '\\x00'::bytea), ('replayed', '\\x{HashOfSelect1}')) record (id, hash)");

        await InstallAsync(0, role.Dsn, database, role.ControlSetting);

        await using var gateway = await RunningGateway.StartAsync($"--DSN={role.Dsn}", role.ControlSetting);
        var found = (await gateway.Client.FindActivityAsync("old")).Expect(HttpStatusCode.OK);
        Assert.True(found.GetProperty("response").GetProperty("old").GetBoolean());
        (await gateway.Client.PostAsync("execute", new { activityId = "old", sql = "SELECT 1" })).ExpectProblem(422, "activity_mismatch");
        var replayed = await gateway.Client.PostAsync("execute", new { activityId = "replayed", sql = "SELECT 1" });
        Assert.True(replayed.Expect(HttpStatusCode.OK).GetProperty("old").GetBoolean());
        Assert.Equal("true", replayed.Headers["Idempotent-Replayed"]);
        (await gateway.Client.PostAsync("execute", new { activityId = "replayed", sql = "SELECT 2" })).ExpectProblem(422, "activity_mismatch");
        (await gateway.Client.PostAsync("execute", new { activityId = "new", sql = "SELECT 1" })).Expect(HttpStatusCode.OK);
        // The calls of a gateway of version 3: it can open sessions, and its writes fail with an error that it treats
        // as temporary.
        await using var session = await GatewayFixture.OpenAsync(role.Dsn);
        await using (var enter = new NpgsqlCommand("SELECT gateway_journal.enter(gen_random_uuid())", session))
            Assert.Equal(3, await enter.ExecuteScalarAsync(TestContext.Current.CancellationToken));
        await using var claim = new NpgsqlCommand("SELECT gateway_journal.claim(gen_random_uuid(), 'a', 'b', 'c', '', 1, 'd')", session);
        var failure = await Assert.ThrowsAsync<PostgresException>(() => claim.ExecuteScalarAsync(TestContext.Current.CancellationToken));
        Assert.Equal("GJ003", failure.SqlState);
    }

    /// <summary>
    /// During an update, gateways of version 4 and of this version share the records: an activity of the one is
    /// replayed by the other.
    /// </summary>
    [Fact]
    public async Task Version4_WorksBesideThisVersion()
    {
        var database = await server.CreateDatabaseWithoutJournalAsync();
        await using var role = await LoginRole.CreateAsync(database, "");
        var version4 = await File.ReadAllTextAsync(
            Repository.PathOf("tests/Api.PostgresTests/JournalTests/journal-4.sql"), TestContext.Current.CancellationToken);
        await GatewayFixture.ExecuteAsync(
            database,
            version4.Replace("{owner}", JournalScript.Owner).Replace("{role}", role.Name).Replace("{control}", role.ControlName)
                .Replace("{digest}", ""));
        await using (var early = await RunningGateway.StartAsync($"--DSN={role.Dsn}", role.ControlSetting))
        {
            var refused = await early.Client.PostAsync("execute", new { activityId = "a", sql = "SELECT 1" });
            Assert.Contains("earlier version", refused.ExpectProblem(422, "journal_missing").GetProperty("detail").GetString());
        }
        await using var session = await Version4Session.OpenAsync(role);
        await session.WriteAsync("before", "{\"old\": 1}");

        await InstallAsync(0, role.Dsn, database, role.ControlSetting);

        await session.WriteAsync("after", "{\"old\": 2}");
        await using var gateway = await RunningGateway.StartAsync($"--DSN={role.Dsn}", role.ControlSetting);
        foreach (var (activity, old) in new[] { ("before", 1), ("after", 2) })
        {
            var replayed = await gateway.Client.PostAsync("execute", new { activityId = activity, sql = "SELECT 1" });
            Assert.Equal(old, replayed.Expect(HttpStatusCode.OK).GetProperty("old").GetInt32());
            Assert.Equal("true", replayed.Headers["Idempotent-Replayed"]);
        }
        (await gateway.Client.PostAsync("execute", new { activityId = "new", sql = "SELECT 1" })).Expect(HttpStatusCode.OK);
        var recorded = await Assert.ThrowsAsync<PostgresException>(() => session.WriteAsync("new", "{}"));
        Assert.Equal("GJ001", recorded.SqlState);
    }

    /// <summary>A gateway that is rolled back must not put its own functions over those of the later version.</summary>
    [Fact]
    public async Task JournalOfALaterVersion_IsNotInstalledOver()
    {
        var dsn = await server.CreateDatabaseWithoutJournalAsync();
        await InstallAsync(0, dsn);
        await GatewayFixture.ExecuteAsync(
            dsn,
            "INSERT INTO gateway_journal_records.version (version) VALUES (6);"
            + "CREATE OR REPLACE FUNCTION gateway_journal.clean() RETURNS void LANGUAGE sql AS 'SELECT /* later */'");

        var (_, errors) = await InstallAsync(1, dsn);

        Assert.Contains("the journal has version 6, and this gateway installs version 5", errors);
        await using var session = await GatewayFixture.OpenAsync(dsn);
        await using var body = new NpgsqlCommand("SELECT prosrc FROM pg_proc WHERE proname = 'clean'", session);
        Assert.Equal("SELECT /* later */", await body.ExecuteScalarAsync(TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task ControlRoleThatIsWrong_EndsTheStartWithTheCure()
    {
        var database = await server.CreateDatabaseWithoutJournalAsync();
        await using var role = await LoginRole.CreateAsync(database, "");
        await AssertStartFailsAsync($"GRANT \"{role.Name}\" TO \"{role.ControlName}\"");

        await role.InstallJournalAsync();
        await using (await RunningGateway.StartAsync($"--DSN={role.Dsn}", role.ControlSetting))
        {
        }
        var elsewhere = new NpgsqlConnectionStringBuilder(role.ControlDsn) { Database = new NpgsqlConnectionStringBuilder(server.Dsn).Database };
        await AssertStartFailsAsync("another database", elsewhere.ConnectionString);

        await GatewayFixture.ExecuteAsync(database, $"REVOKE {role.Name} FROM {role.ControlName}");
        await GatewayFixture.ExecuteAsync(database, $"GRANT {role.ControlName} TO {role.Name}");
        await AssertStartFailsAsync("could become it");
        Assert.Contains("is a member of the control role", (await InstallAsync(1, role.Dsn, database, role.ControlSetting)).Errors);
        await GatewayFixture.ExecuteAsync(database, $"REVOKE {role.ControlName} FROM {role.Name}");
        var nobody = role.ControlSetting.Replace(role.ControlName, "nobody_at_all");
        Assert.Contains("does not exist", (await InstallAsync(1, role.Dsn, database, nobody)).Errors);

        async Task AssertStartFailsAsync(string said, string? control = null)
        {
            var fault = await Assert.ThrowsAsync<StartupException>(() => RunningGateway.StartAsync(
                $"--DSN={role.Dsn}", $"--Gateway:Connections:default:ControlDsn={control ?? role.ControlDsn}"));
            // With the whole message, which Assert.Contains would cut.
            Assert.True(
                fault.Message.Contains("Gateway__Connections__default__ControlDsn") && fault.Message.Contains(said),
                fault.Message);
        }
    }

    /// <summary>
    /// A schema that a caller's SQL has created does not count as the journal: none of its functions runs as the
    /// control role.
    /// </summary>
    [Fact]
    public async Task SchemaOfTheCallersRole_IsNoJournal()
    {
        var database = await server.CreateDatabaseWithoutJournalAsync();
        await using var role = await LoginRole.CreateAsync(database, "");
        await GatewayFixture.ExecuteAsync(database, $"GRANT CREATE ON DATABASE \"{new NpgsqlConnectionStringBuilder(database).Database}\" TO {role.Name}");
        await GatewayFixture.ExecuteAsync(database, $"GRANT {role.Name} TO {role.ControlName}");
        await GatewayFixture.ExecuteAsync(
            role.Dsn,
            """
            DO $$ BEGIN
                CREATE SCHEMA gateway_journal;
                CREATE TABLE gateway_journal.run (by_role text);
                CREATE FUNCTION gateway_journal.keys() RETURNS TABLE (key_id int, key_secret bytea) LANGUAGE plpgsql AS
                    'BEGIN INSERT INTO gateway_journal.run VALUES (current_user); RETURN QUERY SELECT 1, ''x''::bytea; END';
                CREATE FUNCTION gateway_journal.claim(int, bytea, text, text, text, bytea, int, text) RETURNS text LANGUAGE sql AS 'SELECT ''(0,1) 1''';
                GRANT USAGE ON SCHEMA gateway_journal TO PUBLIC;
                GRANT ALL ON gateway_journal.run TO PUBLIC;
            END $$
            """);

        await using var gateway = await RunningGateway.StartAsync($"--DSN={role.Dsn}", role.ControlSetting);
        (await gateway.Client.PostAsync("execute", new { activityId = "a", sql = "SELECT 1" })).ExpectProblem(422, "journal_missing");

        await using var connection = await GatewayFixture.OpenAsync(database);
        await using var run = new NpgsqlCommand("SELECT count(*) FROM gateway_journal.run", connection);
        Assert.Equal(0L, await run.ExecuteScalarAsync(TestContext.Current.CancellationToken));
    }

    /// <summary>The limit of --simple: a caller's SQL can read and forge records.</summary>
    [Fact]
    public async Task Simple_IsExactlyOnceForTheHonestAndOpenToOthers()
    {
        var database = await server.CreateDatabaseWithoutJournalAsync();
        await using var role = await LoginRole.CreateAsync(database, "");
        await GatewayFixture.ExecuteAsync(database, $"GRANT CREATE ON DATABASE \"{new NpgsqlConnectionStringBuilder(database).Database}\" TO {role.Name}");
        Assert.Contains("can read and change the records", (await InstallAsync(0, role.Dsn, "--simple")).Output);
        await using var gateway = await RunningGateway.StartAsync($"--DSN={role.Dsn}");
        var request = new { activityId = "honest", sql = "SELECT 'secret' AS a" };
        (await gateway.Client.PostAsync("execute", request)).Expect(HttpStatusCode.OK);
        Assert.Equal("true", (await gateway.Client.PostAsync("execute", request)).Headers["Idempotent-Replayed"]);

        var read = await gateway.Client.QueryValueAsync("SELECT convert_from(answer, 'UTF8') FROM gateway_journal_records.activity");
        await gateway.Client.ExecuteAsync("UPDATE gateway_journal_records.activity SET answer = '{\"forged\": true}'");

        Assert.Contains("secret", read.GetString());
        Assert.Contains("forged", (await gateway.Client.PostAsync("execute", request)).Text);
    }

    /// <summary>Runs the command; a DSN in its options is the administrator's.</summary>
    private static async Task<(string Output, string Errors)> InstallAsync(int exitCode, string dsn, params string[] options)
    {
        var environment = new Dictionary<string, string> { ["DSN"] = dsn };
        if (options.FirstOrDefault(IsDsn) is { } admin)
            environment["ADMIN_DSN"] = admin;
        var (code, errors, output) = await GatewayProcess.RunAsync(
            environment, ["journal", "install", .. options.Where(option => !IsDsn(option))]);
        Assert.True(code == exitCode, $"Exit code {code}: {output} {errors}");
        return (output, errors);

        static bool IsDsn(string option) => option.StartsWith("Host=", StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>Calls the journal as a gateway of version 4 does.</summary>
    private sealed class Version4Session(NpgsqlConnection session, int keyId, byte[] secret, Backend backend) : IAsyncDisposable
    {
        private const int KeepSeconds = 1000;
        private const string Tag = "tag";

        public static async Task<Version4Session> OpenAsync(LoginRole role)
        {
            await using var control = await GatewayFixture.OpenAsync(role.ControlDsn);
            await using var keys = new NpgsqlCommand("SELECT key_id, key_secret FROM gateway_journal.keys()", control);
            await using var reader = await keys.ExecuteReaderAsync(TestContext.Current.CancellationToken);
            Assert.True(await reader.ReadAsync(TestContext.Current.CancellationToken));
            var session = await GatewayFixture.OpenAsync(role.Dsn);
            await using var port = new NpgsqlCommand("SELECT coalesce(inet_client_port(), -1)", session);
            var backend = new Backend(session.ProcessID, (int)(await port.ExecuteScalarAsync(TestContext.Current.CancellationToken))!);
            return new Version4Session(session, reader.GetInt32(0), reader.GetFieldValue<byte[]>(1), backend);
        }

        /// <summary>Claims the activity of <c>SELECT 1</c>, records the answer, commits, and cleans the session.</summary>
        public async Task WriteAsync(string activity, string answer)
        {
            var body = Encoding.UTF8.GetBytes(answer);
            var hash = Convert.FromHexString(HashOfSelect1);
            await using var transaction = await session.BeginTransactionAsync(TestContext.Current.CancellationToken);
            var claimed = (string)(await AskAsync(
                "SELECT gateway_journal.claim($1, $2, 'loopback', 'default', $3, $4, $5, $6)",
                keyId,
                Code("claim", [.. Number(KeepSeconds), .. Text("loopback"), .. Text("default"), .. Text(activity), .. Text(Tag), .. hash]),
                activity, hash, KeepSeconds, Tag))!;
            var (row, xact) = (claimed.Split(' ')[0], ulong.Parse(claimed.Split(' ')[1], CultureInfo.InvariantCulture));
            await AskAsync(
                $"SELECT gateway_journal.finish($1, $2, '{row}', $3)",
                keyId, Code("finish", [.. Number((int)(xact >> 32)), .. Number((int)xact), .. Text(row), .. SHA256.HashData(body)]), body);
            await transaction.CommitAsync(TestContext.Current.CancellationToken);
            await AskAsync("SELECT gateway_journal.clean()");
        }

        public ValueTask DisposeAsync() => session.DisposeAsync();

        private static byte[] Text(string text) => [.. Encoding.UTF8.GetBytes(text), 0, 0];

        private static byte[] Number(int number)
        {
            var bytes = new byte[sizeof(int)];
            BinaryPrimitives.WriteInt32BigEndian(bytes, number);
            return bytes;
        }

        private byte[] Code(string call, byte[] arguments)
        {
            byte[] message =
                [.. Encoding.ASCII.GetBytes(call), .. Number(backend.ProcessId), .. Number(backend.ClientPort ?? -1), .. arguments];
            return HMACSHA256.HashData(secret, message);
        }

        private async Task<object?> AskAsync(string sql, params object[] values)
        {
            await using var command = new NpgsqlCommand(sql, session);
            foreach (var value in values)
                command.Parameters.Add(new() { Value = value });
            return await command.ExecuteScalarAsync(TestContext.Current.CancellationToken);
        }
    }
}
