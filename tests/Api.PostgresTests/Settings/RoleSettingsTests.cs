using System.Collections.Concurrent;
using System.Net;
using Gateway.Api.Configuration;
using Npgsql;

namespace Gateway.Api.PostgresTests.Settings;

/// <summary>
/// Tests settings that a role, and so a caller's SQL, sets for its own future sessions. With any of them, a gateway
/// that starts later works.
/// </summary>
public sealed class RoleSettingsTests(GatewayFixture fixture, ITestOutputHelper output)
{
    /// <summary>The number of roles, each with a gateway, that test the settings in parallel.</summary>
    private const int Roles = 4;

    /// <summary>The number of settings that are tested together.</summary>
    private const int SettingsOfAGateway = 8;

    /// <summary>
    /// Settings with which a gateway can't open a session, or whose effect it can't prevent. With all others the
    /// answers are as without them.
    /// </summary>
    private static readonly Dictionary<string, string> Excused = new()
    {
        ["local_preload_libraries"] = "the server refuses each new session of the role where a library is missing",
        ["transaction_timeout"] = "it came with version 17, and a start-up option that a server does not know would end each session",
    };

    [Fact]
    public async Task WhateverARoleSetsForItself_IsServedAsIfItHadNot()
    {
        await using var database = await SettingsDatabase.CreateAsync(fixture);
        var settings = (await HostileSetting.ListAsync(database.Session)).Where(setting => !Excused.ContainsKey(setting.Name));
        var groups = new ConcurrentQueue<HostileSetting[]>(Group(settings));
        var faults = new ConcurrentQueue<string>();
        var served = new ConcurrentQueue<string>();
        var count = 0;
        var roles = new List<LoginRole>();
        for (var number = 0; number < Roles; number++)
            roles.Add(await database.CreateRoleAsync());

        await Task.WhenAll(roles.Select(async role =>
        {
            while (groups.TryDequeue(out var group))
            {
                var (set, found) = await TryAsync(role, group);
                Interlocked.Add(ref count, set.Count);
                // Says which of the settings it is.
                foreach (var setting in found.Count > 0 && set.Count > 1 ? set : [])
                    found = [.. found, .. (await TryAsync(role, [setting])).Faults];
                foreach (var fault in found)
                    faults.Enqueue(fault);
            }
        }));

        output.WriteLine($"{count} values were set");
        Assert.True(count > 150, $"Only {count} values were set.");
        Assert.True(faults.IsEmpty, $"{faults.Count} faults:\n{string.Join('\n', faults.Order())}");
        var effects = await database.EffectsAsync();
        Assert.Equal(served.Order(), effects.Keys.Order());
        Assert.All(effects.Values, effect => Assert.Equal(1, effect));

        async Task<(IReadOnlyList<HostileSetting> Set, IReadOnlyList<string> Faults)> TryAsync(LoginRole role, HostileSetting[] group)
        {
            var set = new List<HostileSetting>();
            await using (var session = await GatewayFixture.OpenAsync(role.Dsn))
            {
                foreach (var setting in group)
                {
                    if (await TrySetAsync(session, setting))
                        set.Add(setting);
                }
            }
            if (set.Count == 0)
                return (set, []);
            IReadOnlyList<string> found;
            try
            {
                await using var gateway = await RunningGateway.StartAsync(
                    $"--DSN={role.Dsn}", role.ControlSetting, "--Gateway:Connections:default:PoolSize=1");
                var id = $"role/{Guid.NewGuid():N}";
                served.Enqueue(id);
                found = await ServeAsync(gateway.Client, id);
            }
            catch (StartupException error)
            {
                found = [error.Message];
            }
            // PostgreSQL 18 allows a role to set transaction_read_only for itself, but not to reset it.
            await GatewayFixture.ExecuteAsync(fixture.Dsn, $"ALTER ROLE {role.Name} RESET ALL");
            return (set, [.. found.Select(fault => $"{string.Join(" and ", set)}: {fault}")]);
        }
    }

    /// <summary>
    /// A setting that only a superuser can undo is reported by readiness, and by a code that engines retry.
    /// </summary>
    [Fact]
    public async Task SettingThatTheServerRefusesEachSessionFor_IsDatabaseUnavailable()
    {
        await using var database = await SettingsDatabase.CreateAsync(fixture);
        var role = await database.CreateRoleAsync();
        await using var gateway = await RunningGateway.StartAsync(
            $"--DSN={role.Dsn}", role.ControlSetting, "--Gateway:Connections:default:PoolSize=1");
        (await gateway.Client.PostAsync("execute", new
        {
            activityId = "lock-out",
            sql = "ALTER ROLE CURRENT_USER SET local_preload_libraries = 'nope'",
        })).Expect(HttpStatusCode.OK);
        await database.ExecuteAsync($"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = '{role.Name}'");

        var refused = await gateway.Client.PostAsync("execute", new { activityId = "after", sql = "INSERT INTO effect VALUES ('after')" });
        await database.ExecuteAsync($"ALTER ROLE {role.Name} RESET ALL");
        var cured = await gateway.Client.PostAsync("execute", new { activityId = "after", sql = "INSERT INTO effect VALUES ('after')" });

        Assert.Equal("no", refused.ExpectProblem(503, "database_unavailable").GetProperty("committed").GetString());
        cured.Expect(HttpStatusCode.OK);
    }

    /// <summary>Returns groups in which each setting has one value. The start of a gateway takes most of the time.</summary>
    private static IEnumerable<HostileSetting[]> Group(IEnumerable<HostileSetting> settings) =>
        from named in settings.GroupBy(setting => setting.Name, StringComparer.OrdinalIgnoreCase)
        from valued in named.Index()
        group valued.Item by valued.Index into nth
        from some in nth.Chunk(SettingsOfAGateway)
        select some;

    private static async Task<bool> TrySetAsync(NpgsqlConnection session, HostileSetting setting)
    {
        try
        {
            await ExecuteAsync(session, $"ALTER ROLE CURRENT_USER SET {setting.Assignment}");
            return true;
        }
        catch (PostgresException)
        {
            // The server refuses the value.
            return false;
        }
    }

    private static async Task ExecuteAsync(NpgsqlConnection session, string sql)
    {
        await using var command = new NpgsqlCommand(sql, session);
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>Sends each kind of request.</summary>
    /// <returns>The faults.</returns>
    private static async Task<IReadOnlyList<string>> ServeAsync(GatewayClient client, string id)
    {
        var faults = new List<string>();
        object write = new
        {
            activityId = id,
            sql = "INSERT INTO public.effect VALUES ($1, $2) RETURNING activity, tags, tags[2] IS NULL AS \"isNull\", date '2026-01-02' AS day",
            parameters = new object[] { id, new[] { "a", null } },
        };
        const string Failing = "WITH e AS (INSERT INTO public.effect VALUES ('never')) SELECT 1 / (random() * 0)::int";

        Expect("query", await client.PostAsync("query", new { activityId = id, sql = "SELECT $1::int AS one", parameters = new[] { 1 } }),
            200, "\"rows\":[{\"one\":1}]");
        var named = await client.PostAsync("query", new { activityId = id, sql = "SELECT 'a'::public.kind AS kind" });
        Expect("type", named, 200, named.Text.Contains("public.", StringComparison.Ordinal) ? "\"public.kind\"" : "\"kind\"}");
        var first = await client.PostAsync("execute", write);
        Expect("execute", first, 200, $"\"rows\":[{{\"activity\":\"{id}\",\"tags\":[\"a\",null],\"isNull\":true,\"day\":\"2026-01-02\"}}]");
        var again = await client.PostAsync("execute", write);
        Expect("replay", again, 200, first.Text);
        if (again.Headers.GetValueOrDefault("Idempotent-Replayed") != "true")
            faults.Add("replay: it is none");
        Expect("failure", await client.PostAsync("execute", new { activityId = $"{id}/failing", sql = Failing }), 422,
            "\"sqlState\":\"22012\"", "\"committed\":\"no\"");
        Expect("query after it", await client.PostAsync("query", new { activityId = id, sql = "SELECT 1 AS one" }), 200);
        Expect("activity", await client.FindActivityAsync(id), 200, "\"status\":\"completed\"");
        Expect("failed activity", await client.FindActivityAsync($"{id}/failing"), 404);
        return faults;

        void Expect(string what, Answer answer, int status, params ReadOnlySpan<string> texts)
        {
            if ((int)answer.Status != status)
                faults.Add($"{what}: {status} was expected, and {(int)answer.Status} came: {answer.Text}");
            foreach (var text in texts)
            {
                if (!answer.Text.Contains(text, StringComparison.Ordinal))
                    faults.Add($"{what}: {text} is not in {answer.Text}");
            }
        }
    }
}
