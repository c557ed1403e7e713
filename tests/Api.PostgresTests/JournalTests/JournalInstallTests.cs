using System.Net;
using Npgsql;

namespace Gateway.Api.PostgresTests.JournalTests;

/// <summary><c>journal install</c>, as whoever sets a gateway up runs it.</summary>
public sealed class JournalInstallTests(GatewayFixture server)
{
    [Fact]
    public async Task Installed_AServingGatewayWorksExactlyOnceAndAgainKeepsTheRecords()
    {
        var dsn = await server.CreateDatabaseWithoutJournalAsync();
        await using var gateway = await RunningGateway.StartAsync($"--DSN={dsn}");
        var request = new { activityId = "a", sql = "INSERT INTO users (email, name) VALUES ('a', 'a')" };
        (await gateway.Client.PostAsync("execute", request)).ExpectProblem(422, "journal_missing");

        await InstallAsync(0, dsn);
        // What was found missing is looked for again within a second or so.
        (await Answer.UntilAsync(() => gateway.Client.PostAsync("execute", request), answer => answer.Status == HttpStatusCode.OK))
            .Expect(HttpStatusCode.OK);
        await InstallAsync(0, dsn);

        Assert.Equal("true", (await gateway.Client.PostAsync("execute", request)).Headers["Idempotent-Replayed"]);
    }

    [Fact]
    public async Task DryRun_PrintsWhatAnAdministratorCanRunAndContactsNoServer()
    {
        var dsn = await server.CreateDatabaseWithoutJournalAsync();
        var unreachable = new NpgsqlConnectionStringBuilder(dsn) { Host = "127.0.0.1", Port = GatewayProcess.FreePort() }.ConnectionString;

        var script = await InstallAsync(0, unreachable, "--dry-run");
        await GatewayFixture.ExecuteAsync(dsn, script.Output);

        await using var gateway = await RunningGateway.StartAsync($"--DSN={dsn}");
        (await gateway.Client.PostAsync("execute", new { activityId = "a", sql = "SELECT 1" })).Expect(HttpStatusCode.OK);
    }

    [Theory]
    [InlineData("ADMIN_DSN", "--connection", "default")]
    [InlineData("no connection is named", "--connection", "elsewhere")]
    [InlineData("is not known", "--fast")]
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

        Assert.Contains("quotation mark", (await InstallAsync(1, dsn)).Errors);
    }

    [Fact]
    public async Task AdminDsnOfAnotherDatabase_IsFoundOut()
    {
        await using var role = await LoginRole.CreateAsync(await server.CreateDatabaseWithoutJournalAsync(), "");

        var another = await server.CreateDatabaseWithoutJournalAsync();

        var (_, errors) = await InstallAsync(1, role.Dsn, another);

        await GatewayFixture.ExecuteAsync(another, $"DROP OWNED BY {role.Name}");
        Assert.Contains("another database", errors);
    }

    /// <summary>Whoever may make roles and schemas may install it, and is no member of the owner after that.</summary>
    [Fact]
    public async Task InstallerWithoutSuperuser_InstallsAndKeepsNoMembership()
    {
        var database = await server.CreateDatabaseWithoutJournalAsync();
        await using var role = await LoginRole.CreateAsync(database, "");
        await using var installer = await LoginRole.CreateAsync(database, "CREATEROLE");
        await GatewayFixture.ExecuteAsync(database, $"GRANT CREATE ON DATABASE \"{new NpgsqlConnectionStringBuilder(database).Database}\" TO {installer.Name}");
        await using var connection = await GatewayFixture.OpenAsync(database);
        // From 16 on a role is administered by whoever made it, here another database's installation.
        if (connection.PostgreSqlVersion.Major >= 16)
            await GatewayFixture.ExecuteAsync(database, $"GRANT gateway_journal TO {installer.Name} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE");

        await InstallAsync(0, role.Dsn, installer.Dsn);

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
        await using var gateway = await RunningGateway.StartAsync($"--DSN={role.Dsn}");
        (await gateway.Client.PostAsync("execute", new { activityId = "a", sql = "SELECT 1" })).Expect(HttpStatusCode.OK);
        await GatewayFixture.ExecuteAsync(database, $"REVOKE EXECUTE ON FUNCTION gateway_journal.enter(uuid) FROM {role.Name}");
        await using var another = await RunningGateway.StartAsync($"--DSN={role.Dsn}");
        (await another.Client.PostAsync("execute", new { activityId = "b", sql = "SELECT 1" })).ExpectProblem(422, "journal_missing");
    }

    /// <summary>What --simple gives up: the records are the caller's SQL's to read and to forge.</summary>
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

    /// <summary>Runs it; an option that is a DSN is the administrator's.</summary>
    private static async Task<(string Output, string Errors)> InstallAsync(int exitCode, string dsn, params string[] options)
    {
        var environment = new Dictionary<string, string> { ["DSN"] = dsn };
        if (options.FirstOrDefault(option => option.Contains("Host=", StringComparison.OrdinalIgnoreCase)) is { } admin)
            environment["ADMIN_DSN"] = admin;
        var (code, errors, output) = await GatewayProcess.RunAsync(
            environment, ["journal", "install", .. options.Where(option => !option.Contains("Host=", StringComparison.OrdinalIgnoreCase))]);
        Assert.True(code == exitCode, $"Exit code {code}: {output} {errors}");
        return (output, errors);
    }
}
