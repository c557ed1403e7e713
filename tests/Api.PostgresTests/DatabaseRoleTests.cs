using System.Net;
using System.Text.RegularExpressions;
using Gateway.Api.Callers;
using Gateway.Api.Configuration;
using Gateway.Api.Journal;
using Gateway.Api.PostgresTests.Callers;
using Npgsql;

namespace Gateway.Api.PostgresTests;

/// <summary>
/// Tests the rights of a connection's role, and what PostgreSQL learns about the caller: <c>docs/database-roles.md</c>.
/// </summary>
public sealed partial class DatabaseRoleTests(GatewayFixture server)
{
    [Theory]
    [InlineData("SUPERUSER", "", "is a superuser")]
    [InlineData("", "GRANT pg_read_server_files TO {0}", "is a member of pg_read_server_files")]
    [InlineData("", "GRANT pg_write_server_files TO {0}", "is a member of pg_write_server_files")]
    [InlineData("NOINHERIT", "GRANT pg_execute_server_program TO {0}", "is a member of pg_execute_server_program")]
    [InlineData("", "GRANT EXECUTE ON FUNCTION pg_read_file(text) TO {0}", "may call pg_read_file")]
    [InlineData("", "GRANT EXECUTE ON FUNCTION lo_import(text) TO {0}", "may call lo_import")]
    [InlineData("", "GRANT EXECUTE ON FUNCTION lo_export(oid, text) TO {0}", "may call lo_export")]
    public async Task PrivilegedRole_IsRefusedOutsideOfDevelopment(string attributes, string grant, string reason)
    {
        var database = await server.CreateDatabaseWithoutJournalAsync();
        await using var role = await LoginRole.CreateAsync(database, attributes);
        if (grant.Length > 0)
            await GatewayFixture.ExecuteAsync(database, string.Format(null, grant, role.Name));

        var refused = await Assert.ThrowsAsync<StartupException>(() => StartAsync(role.Dsn, "Production"));
        await using var allowed = await StartAsync(role.Dsn, "Production", "--Gateway:Connections:default:AllowPrivilegedRole=true");
        await using var development = await StartAsync(role.Dsn, "Development");

        Assert.Contains($"Connection \"default\" (DSN): its role {reason}", refused.Message);
        Assert.Contains("Gateway__Connections__default__AllowPrivilegedRole", refused.Message);
        Assert.DoesNotContain("login", refused.Message.Replace(role.Name, "", StringComparison.Ordinal));
    }

    /// <summary>Privileges that the role has through other roles, or can grant to itself.</summary>
    [Fact]
    public async Task RoleThatCanBecomePrivileged_IsRefused()
    {
        var database = await server.CreateDatabaseWithoutJournalAsync();
        await using var between = await LoginRole.CreateAsync(database, "");
        await using var role = await LoginRole.CreateAsync(database, "");
        await GatewayFixture.ExecuteAsync(database, $"GRANT pg_read_server_files TO {between.Name}");
        await GatewayFixture.ExecuteAsync(database, $"GRANT {between.Name} TO {role.Name}");
        await using var creator = await LoginRole.CreateAsync(database, "CREATEROLE");

        var refused = await Assert.ThrowsAsync<StartupException>(() => StartAsync(role.Dsn, "Production"));

        Assert.Contains("is a member of pg_read_server_files", refused.Message);
        await using var admin = await GatewayFixture.OpenAsync(database);
        if (admin.PostgreSqlVersion.Major < 16)
            Assert.Contains("has CREATEROLE", (await Assert.ThrowsAsync<StartupException>(() => StartAsync(creator.Dsn, "Production"))).Message);
        else
            await using (await StartAsync(creator.Dsn, "Production"))
            { }
    }

    [Fact]
    public async Task PrivilegedRoleInDevelopment_IsWarnedOf()
    {
        await using var gateway = await GatewayProcess.StartAsync(
            new Dictionary<string, string> { ["DSN"] = server.Dsn }, "--urls=http://127.0.0.1:0", "--environment=Development");

        Assert.Contains("its role is a superuser", gateway.Output);
    }

    /// <summary>The documented roles start without a warning, and have exactly the rights they need.</summary>
    [Fact]
    public async Task DocumentedRoles_DoWhatTheyAreForAndNoMore()
    {
        await using var documented = await DocumentedDatabase.CreateAsync(server);
        await using var gateway = await documented.StartAsync();
        using var orders = new GatewayClient(gateway.Address, documented.First);

        (await orders.PostAsync("execute", new { activityId = "place", sql = Insert })).Expect(HttpStatusCode.OK);
        var read = (await orders.PostAsync("query", new { activityId = "read", connection = "reports", sql = "SELECT email FROM users" }))
            .Expect(HttpStatusCode.OK);
        foreach (var (endpoint, connection, sql) in new[]
        {
            ("execute", "default", "CREATE TABLE mine (a int)"),
            ("execute", "default", "DROP TABLE orders"),
            ("execute", "default", "ALTER TABLE orders DISABLE ROW LEVEL SECURITY"),
            ("execute", "default", "TRUNCATE order_changes"),
            ("query", "default", "SELECT pg_read_file('/etc/hostname')"),
            ("query", "default", "SELECT rolpassword FROM pg_authid"),
            ("query", "reports", "SELECT * FROM order_changes"),
        })
        {
            var refused = await orders.PostAsync(endpoint, new { activityId = sql.Replace(' ', '-'), connection, sql });
            Assert.Equal("42501", refused.ExpectProblem(422, "sql_error").GetProperty("sqlState").GetString());
        }
        (await orders.PostAsync("execute", new { activityId = "write", connection = "reports", sql = Insert })).ExpectProblem(422, "read_only");

        Assert.Equal(3, read.GetProperty("rowCount").GetInt32());
    }

    /// <summary>Through each path to PostgreSQL.</summary>
    [Fact]
    public async Task Policy_SeesTheCaller()
    {
        await using var documented = await DocumentedDatabase.CreateAsync(server);
        await using var gateway = await documented.StartAsync();
        using var first = new GatewayClient(gateway.Address, documented.First);
        using var second = new GatewayClient(gateway.Address, documented.Second);
        (await first.PostAsync("execute", new { activityId = "a/1", sql = Insert })).Expect(HttpStatusCode.OK);
        (await first.PostAsync("execute", new { activityId = "a/2", sql = Insert, delivery = "at-least-once" })).Expect(HttpStatusCode.OK);
        (await second.TransactionAsync("b/1", Insert, "UPDATE orders SET total = 2")).Expect(HttpStatusCode.OK);

        Assert.Equal(2, (await first.QueryValueAsync(Count)).GetInt32());
        Assert.Equal(1, (await second.QueryValueAsync(Count)).GetInt32());
        foreach (var (client, own) in new[] { (first, 2), (second, 1) })
        {
            var reads = (await client.PostAsync(
                "transaction", new { activityId = "reads", readOnly = true, statements = new[] { new { sql = Count }, new { sql = Count } } }))
                .Expect(HttpStatusCode.OK).GetProperty("results");
            Assert.All(reads.EnumerateArray(), read => Assert.Equal(own, read.GetProperty("rows")[0].GetProperty("count").GetInt32()));
        }
        Assert.Equal(0L, await documented.ReadAsync<long>("SELECT count(*) FROM orders WHERE caller = 'second' AND total <> 2"));
        Assert.Equal(
            ["first a/1 INSERT", "first a/2 INSERT", "second b/1 INSERT", "second b/1 UPDATE"],
            await documented.ReadAsync<string[]>("SELECT array_agg(concat_ws(' ', caller, activity_id, what) ORDER BY activity_id, what) FROM order_changes"));
    }

    [Theory]
    [InlineData("""it's-"quoted"-\'-$$-%s-{0}""")]
    [InlineData("a;RESET/**/gateway.caller--")]
    [InlineData(@"\")]
    public async Task ActivityId_ArrivesAsItWasSent(string activityId)
    {
        const string Sql = "SELECT current_setting('gateway.activity_id') AS id, current_setting('gateway.caller') AS caller";

        foreach (var (endpoint, request) in new (string, object)[]
        {
            ("query", new { activityId, sql = Sql }),
            ("execute", new { activityId, sql = Sql }),
            ("execute", new { activityId, sql = Sql, delivery = "at-least-once" }),
            ("transaction", new { activityId, readOnly = true, statements = new[] { new { sql = "SELECT 1" }, new { sql = Sql } } }),
        })
        {
            var answer = (await server.Client.PostAsync(endpoint, request)).Expect(HttpStatusCode.OK);
            var row = (endpoint == "transaction" ? answer.GetProperty("results")[1] : answer).GetProperty("rows")[0];
            Assert.Equal((activityId, Caller.LoopbackName), (row.GetProperty("id").GetString(), row.GetProperty("caller").GetString()));
        }
    }

    /// <summary>
    /// In the same session, which is the only one, and in new ones, which begin with the settings of the role or the
    /// database.
    /// </summary>
    [Theory]
    [InlineData("query", "SELECT set_config('gateway.caller', 'first', false) AS a, set_config('gateway.activity_id', 'forged', false) AS b")]
    [InlineData("execute", "SELECT set_config('gateway.caller', 'first', false) AS a, set_config('gateway.activity_id', 'forged', false) AS b")]
    [InlineData("execute", "SET SESSION gateway.caller = 'first'")]
    [InlineData("execute", "DO $$ BEGIN SET gateway.caller = 'first'; SET LOCAL gateway.activity_id = 'forged'; END $$")]
    public async Task EarlierRequest_CannotForgeThem(string endpoint, string sql)
    {
        await using var documented = await DocumentedDatabase.CreateAsync(server);
        await documented.SetForRoleAsync("gateway.caller", "first");
        await using var gateway = await documented.StartAsync("--Gateway:Connections:default:PoolSize=1");
        using var forger = new GatewayClient(gateway.Address, documented.Second);
        var pid = (await forger.QueryValueAsync("SELECT pg_backend_pid()")).GetInt32();
        (await forger.PostAsync(endpoint, new { activityId = "forge", sql })).Expect(HttpStatusCode.OK);

        foreach (var next in new[] { "query", "execute" })
        {
            var answer = await forger.PostAsync(next, new
            {
                activityId = $"next/{next}",
                sql = "SELECT pg_backend_pid() AS pid, current_setting('gateway.caller') AS caller, current_setting('gateway.activity_id') AS id",
            });
            var row = answer.Expect(HttpStatusCode.OK).GetProperty("rows")[0];
            Assert.Equal(
                (pid, "second", $"next/{next}"),
                (row.GetProperty("pid").GetInt32(), row.GetProperty("caller").GetString(), row.GetProperty("id").GetString()));
        }
    }

    private const string Insert = "INSERT INTO orders (user_id, total) VALUES (1, 1)";
    private const string Count = "SELECT count(*)::int AS count FROM orders";

    private static async Task<IAsyncDisposable> StartAsync(string dsn, string environment, params string[] settings) => await Program.StartAsync(
        [$"--DSN={dsn}", "--urls=http://127.0.0.1:0", $"--environment={environment}", "--Serilog:MinimumLevel:Default=Error", .. settings]);

    /// <summary>A database in which the statements of the page have run, with its own roles.</summary>
    private sealed partial class DocumentedDatabase(string admin, string mark) : IAsyncDisposable
    {
        private const string Orders = "gateway_orders";
        private const string Reports = "gateway_reports";
        private const string Control = "gateway_control";

        public string First { get; } = ApiKey.New();
        public string Second { get; } = ApiKey.New();

        public static async Task<DocumentedDatabase> CreateAsync(GatewayFixture server)
        {
            var admin = await server.CreateDatabaseWithoutJournalAsync();
            var documented = new DocumentedDatabase(admin, Guid.NewGuid().ToString("N")[..8]);
            foreach (var statement in await ReadStatementsAsync())
                await GatewayFixture.ExecuteAsync(admin, documented.Own(statement));
            await GatewayFixture.InstallJournalAsync(admin, documented.Own(Orders), JournalGuard.By(documented.Own(Control)));
            return documented;
        }

        /// <summary>Starts a gateway that does not allow a privileged role.</summary>
        public async Task<RunningGateway> StartAsync(params string[] settings) => await RunningGateway.StartAsync(
        [
            $"--DSN={DsnOf(Orders)}", $"--Gateway:Connections:default:ControlDsn={DsnOf(Control)}",
            $"--Gateway:Connections:reports:ControlDsn={DsnOf(Control)}", $"--Gateway:Connections:reports:Dsn={DsnOf(Reports)}", "--Gateway:Connections:reports:ReadOnly=true",
            "--Gateway:Connections:default:AllowPrivilegedRole=false", "--Gateway:Connections:reports:AllowPrivilegedRole=false",
            .. CallersFixture.Settings("first", [First], "default=write", "reports=write"),
            .. CallersFixture.Settings("second", [Second], "default=write"), .. settings,
        ]);

        /// <summary>Sets a setting that each session of the writing role begins with.</summary>
        public Task SetForRoleAsync(string setting, string value) =>
            GatewayFixture.ExecuteAsync(admin, Own($"ALTER ROLE {Orders} SET {setting} = '{value}'"));

        public async Task<T> ReadAsync<T>(string sql)
        {
            await using var connection = await GatewayFixture.OpenAsync(admin);
            await using var command = new NpgsqlCommand(sql, connection);
            return (T)(await command.ExecuteScalarAsync())!;
        }

        public async ValueTask DisposeAsync()
        {
            await GatewayFixture.ExecuteAsync(admin, Own($"DROP OWNED BY {Control}, {Orders}, {Reports} CASCADE"));
            await GatewayFixture.ExecuteAsync(admin, Own($"DROP ROLE {Control}, {Orders}, {Reports}"));
        }

        private string DsnOf(string role) =>
            new NpgsqlConnectionStringBuilder(admin) { Username = Own(role), Password = "change-me" }.ConnectionString;

        /// <summary>Replaces the names of the roles, which are shared by the server, and of the database.</summary>
        private string Own(string sql) => sql
            .Replace(Orders, $"{Orders}_{mark}", StringComparison.Ordinal).Replace(Reports, $"{Reports}_{mark}", StringComparison.Ordinal)
            .Replace(Control, $"{Control}_{mark}", StringComparison.Ordinal)
            .Replace("DATABASE app", $"DATABASE \"{new NpgsqlConnectionStringBuilder(admin).Database}\"", StringComparison.Ordinal);

        private static async Task<string[]> ReadStatementsAsync()
        {
            var page = await File.ReadAllTextAsync(Repository.PathOf("docs/database-roles.md"));
            var blocks = Block().Matches(page).Select(block => block.Groups["sql"].Value);
            string[] statements = [.. blocks.SelectMany(block => block.Split(";\n\n")).Select(statement => statement.Trim().TrimEnd(';'))];
            Assert.NotEmpty(statements);
            return statements;
        }

        [GeneratedRegex("```sql\n(?<sql>.*?)```", RegexOptions.Singleline)]
        private static partial Regex Block();
    }
}
