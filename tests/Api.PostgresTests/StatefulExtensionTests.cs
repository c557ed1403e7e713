using System.Net;
using System.Text.Json;
using Npgsql;

namespace Gateway.Api.PostgresTests;

/// <summary>
/// Tests that the state of an extension in a session ends with the request. DISCARD ALL does not reset it.
/// </summary>
public sealed class StatefulExtensionTests(GatewayFixture server) : IAsyncLifetime
{
    private static readonly Dictionary<string, Extension> Extensions = new()
    {
        ["dblink's connection with a name"] = new("dblink", "SELECT dblink_connect('left', '{place}')", "SELECT dblink_get_connections() IS NOT NULL"),
        ["dblink's connection without one"] = new(
            "dblink", "SELECT dblink_connect('{place}')", "SELECT EXISTS (SELECT FROM dblink('SELECT 1', false) AS t (a int))"),
        ["postgres_fdw's connection"] = new("postgres_fdw", "SELECT left_there FROM there.leave", "SELECT coalesce(left_there = 'left', false) FROM there.look")
        {
            Remote =
                """
                CREATE VIEW leave AS SELECT set_config('a.setting', 'left', false) AS left_there;
                CREATE VIEW look AS SELECT current_setting('a.setting', true) AS left_there;
                """,
            Local =
                """
                CREATE SERVER there FOREIGN DATA WRAPPER postgres_fdw OPTIONS ({options});
                CREATE USER MAPPING FOR CURRENT_USER SERVER there OPTIONS ({user});
                CREATE SCHEMA there;
                IMPORT FOREIGN SCHEMA public LIMIT TO (leave, look) FROM SERVER there INTO there;
                """,
        },
    };

    private string _dsn = "";

    public static TheoryData<string> Names => [.. Extensions.Keys];

    public async ValueTask InitializeAsync() => _dsn = await server.CreateDatabaseWithoutJournalAsync();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Theory]
    [MemberData(nameof(Names))]
    public async Task WhatAnExtensionKeeps_IsGoneWithTheRequest(string name)
    {
        var extension = Extensions[name];
        await GatewayFixture.ExecuteAsync(_dsn, $"CREATE EXTENSION {extension.Name}");
        foreach (var sql in new[] { extension.Remote, extension.Local }.OfType<string>())
            await GatewayFixture.ExecuteAsync(_dsn, Fill(sql));
        await using var gateway = await StartAsync();
        await using var careless = await StartAsync("--Gateway:Connections:default:ReuseSessions=true");

        Assert.False(await IsLeftAsync(gateway.Client, extension));
        // The same leaves state if sessions are reused; this shows that there is state to remove.
        Assert.True(await IsLeftAsync(careless.Client, extension));
    }

    [Fact]
    public async Task ExtensionThatComesAndGoes_IsNoticed()
    {
        await using var gateway = await StartAsync("--Gateway:ReadinessIntervalMs=50");
        await UntilAsync(gateway.Client, isReused: true);

        await GatewayFixture.ExecuteAsync(_dsn, "CREATE EXTENSION dblink");
        await UntilAsync(gateway.Client, isReused: false);

        await GatewayFixture.ExecuteAsync(_dsn, "DROP EXTENSION dblink");
        await UntilAsync(gateway.Client, isReused: true);
    }

    [Fact]
    public async Task ReuseSessionsFalse_GivesEachRequestANewOne()
    {
        await using var gateway = await StartAsync("--Gateway:Connections:default:ReuseSessions=false");

        for (var request = 0; request < 5; request++)
            Assert.False(await IsReusedAsync(gateway.Client));
    }

    private Task<RunningGateway> StartAsync(params string[] settings) =>
        server.StartGatewayAsync([$"--DSN={_dsn}", "--Gateway:Connections:default:PoolSize=1", .. settings]);

    private async Task<bool> IsLeftAsync(GatewayClient client, Extension extension)
    {
        (await client.PostAsync("execute", new { activityId = "a", sql = Fill(extension.Leave), delivery = "at-least-once" })).Expect(HttpStatusCode.OK);
        var looked = await client.PostAsync("query", new { activityId = "a", sql = extension.Look });
        if (looked.Status != HttpStatusCode.OK)
        {
            // 08003: dblink has no connection.
            Assert.Equal("08003", looked.Json.GetProperty("sqlState").GetString());
            return false;
        }
        return looked.Expect(HttpStatusCode.OK).GetProperty("rows")[0].EnumerateObject().Single().Value.ValueKind == JsonValueKind.True;
    }

    private string Fill(string sql)
    {
        var dsn = new NpgsqlConnectionStringBuilder(_dsn);
        return sql
            .Replace("{place}", $"host={dsn.Host} port={dsn.Port} dbname={dsn.Database} user={dsn.Username} password={dsn.Password}")
            .Replace("{options}", $"host '{dsn.Host}', port '{dsn.Port}', dbname '{dsn.Database}'")
            .Replace("{user}", $"user '{dsn.Username}', password '{dsn.Password}'");
    }

    private static Task<bool> UntilAsync(GatewayClient client, bool isReused) =>
        Poll.ReadAsync(() => IsReusedAsync(client), now => now == isReused);

    private static async Task<bool> IsReusedAsync(GatewayClient client)
    {
        var first = (await client.QueryValueAsync("SELECT pg_backend_pid()")).GetInt32();
        return first == (await client.QueryValueAsync("SELECT pg_backend_pid()")).GetInt32();
    }

    /// <param name="Name">The extension's name.</param>
    /// <param name="Leave">The SQL of a request that leaves state in its session.</param>
    /// <param name="Look">The SQL of a later request, which reports whether the state is there.</param>
    private sealed record Extension(string Name, string Leave, string Look)
    {
        /// <summary>Gets the SQL that prepares the target of the extension's connection; null for none.</summary>
        public string? Remote { get; init; }

        /// <summary>Gets the SQL that prepares the database of the extension; null for none.</summary>
        public string? Local { get; init; }
    }
}
