using System.Net;

namespace Gateway.Api.PostgresTests.Settings;

/// <summary>
/// Tests that, whatever a caller's statement sets before its effect, the effect and its record are kept together, and
/// the next request sees nothing of it.
/// </summary>
public sealed class StatementSettingsTests(GatewayFixture fixture, ITestOutputHelper output)
{
    /// <summary>Short, because with some values a statement never ends.</summary>
    private const int BudgetMs = 3000;

    private const string Settings =
        """
        SELECT md5(string_agg(name || '=' || setting, ' ' ORDER BY name) || current_user) FROM pg_settings
         WHERE name NOT LIKE 'transaction%' AND name NOT LIKE 'plpgsql%' AND name <> 'application_name'
        """;

    [Fact]
    public async Task WhateverAStatementSets_EffectAndRecordAreOneAndTheNextSessionIsClean()
    {
        await using var database = await SettingsDatabase.CreateAsync(fixture);
        var role = await database.CreateRoleAsync();
        await using var gateway = await RunningGateway.StartAsync(
            $"--DSN={role.Dsn}", role.ControlSetting, "--Gateway:Connections:default:PoolSize=1");
        var client = gateway.Client;
        var settings = await HostileSetting.ListAsync(database.Session);
        var before = (await client.QueryValueAsync(Settings)).GetString();
        var faults = new List<string>();
        var kept = new List<string>();

        foreach (var (number, setting) in settings.Index())
        {
            var id = $"statement/{number}";
            var request = new
            {
                activityId = id,
                sql = $"DO $do$ BEGIN SET {setting.Assignment}; INSERT INTO public.effect VALUES ('{id}'); END $do$",
                timeoutMs = BudgetMs,
            };

            var first = await client.PostAsync("execute", request);
            var second = await client.PostAsync("execute", request);

            if (second.Status == HttpStatusCode.OK)
                kept.Add(id);
            if (first.Status == HttpStatusCode.OK && (first.Text != second.Text || second.Headers["Idempotent-Replayed"] != "true"))
                faults.Add($"{setting}: {first.Text} was not replayed: {second.Text}");
            foreach (var failed in new[] { first, second }.Where(answer => answer.Status != HttpStatusCode.OK))
            {
                if (failed.Status == HttpStatusCode.InternalServerError || failed.Json.GetProperty("committed").GetString() != "no")
                    faults.Add($"{setting}: {failed.Text}");
            }
            if ((await client.QueryValueAsync(Settings)).GetString() != before)
                faults.Add($"{setting}: the next request sees it");
        }

        output.WriteLine($"{kept.Count} of {settings.Count} values could be set");
        Assert.True(kept.Count > 150, $"Only {kept.Count} values could be set.");
        Assert.True(faults.Count == 0, $"{faults.Count} faults:\n{string.Join('\n', faults)}");
        var effects = await database.EffectsAsync();
        Assert.Equal(kept.Order(), effects.Keys.Order());
        Assert.All(effects.Values, count => Assert.Equal(1, count));
    }
}
