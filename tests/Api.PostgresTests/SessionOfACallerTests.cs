using System.Net;
using Gateway.Api.Callers;
using Npgsql;

namespace Gateway.Api.PostgresTests;

/// <summary>
/// Tests that PostgreSQL's cached plans of functions in a session, made with the settings of their first call, don't
/// affect other callers.
/// </summary>
public sealed class SessionOfACallerTests(GatewayFixture server) : IAsyncLifetime
{
    private const int PoolSize = 2;

    private readonly string[] _keys = [.. Enumerable.Range(0, 2 * PoolSize).Select(_ => ApiKey.New())];
    private string _dsn = "";

    public async ValueTask InitializeAsync()
    {
        _dsn = await server.CreateDatabaseAsync();
        await GatewayFixture.ExecuteAsync(
            _dsn,
            """
            CREATE TABLE due (number text, at timestamptz);
            CREATE FUNCTION set_due() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF new.number !~ '^\d+$' THEN RAISE EXCEPTION 'no number'; END IF;
                SELECT timestamptz '2024-01-01 00:00' INTO new.at;
                RETURN new;
            END $$;
            CREATE TRIGGER set_due BEFORE INSERT ON due FOR EACH ROW EXECUTE FUNCTION set_due();
            """);
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Theory]
    [InlineData("SET LOCAL TimeZone = 'Asia/Tokyo'")]
    [InlineData("SET LOCAL standard_conforming_strings = off")]
    public async Task WhatAFunctionWasFirstCalledBy_ChangesNothingForAnotherCaller(string setting)
    {
        // The same does harm if all callers share sessions; this shows that there is something to isolate.
        Assert.Equal("2024-01-01 00:00:00", await StoreAfterAsync(setting));
        Assert.NotEqual("2024-01-01 00:00:00", await StoreAfterAsync(setting, "--Gateway:Connections:default:ReuseSessions=true"));
    }

    [Fact]
    public async Task CallersThatTakeTurns_HaveNoMoreSessionsThanThePool()
    {
        await using var gateway = await StartAsync($"--Gateway:Connections:default:PoolSize={PoolSize}");
        var backends = new HashSet<int>[_keys.Length];

        await Task.WhenAll(_keys.Select(async (key, caller) =>
        {
            using var client = new GatewayClient(gateway.Address, key);
            backends[caller] = [];
            for (var request = 0; request < 20; request++)
                backends[caller].Add((await client.QueryValueAsync("SELECT pg_backend_pid()")).GetInt32());
        }));

        var all = backends.SelectMany(each => each).ToArray();
        Assert.Equal(all.Length, all.Distinct().Count());
        // A backend takes a moment to end.
        await using var admin = await GatewayFixture.OpenAsync(_dsn);
        await using var count = new NpgsqlCommand("SELECT count(*) FROM pg_stat_activity WHERE pid = ANY($1)", admin)
        {
            Parameters = { new() { Value = all } },
        };
        await Poll.UntilAsync(async () => (long)(await count.ExecuteScalarAsync())! <= PoolSize);
    }

    /// <returns>The value that another caller's write stores after it, or the reason why it is refused.</returns>
    private async Task<string?> StoreAfterAsync(string setting, params string[] settings)
    {
        await using var gateway = await StartAsync(["--Gateway:Connections:default:PoolSize=1", .. settings]);
        using var one = new GatewayClient(gateway.Address, _keys[0]);
        using var other = new GatewayClient(gateway.Address, _keys[1]);

        var failed = await one.PostAsync("transaction", new
        {
            activityId = $"first/{Guid.NewGuid():N}",
            statements = new[] { setting, "INSERT INTO due VALUES ('5')", "SELECT 1 / 0" }.Select(sql => new { sql }),
        });
        failed.ExpectProblem(422, "sql_error");
        var stored = await other.PostAsync("execute", new
        {
            activityId = $"second/{Guid.NewGuid():N}",
            sql = "INSERT INTO due VALUES ('5') RETURNING (at AT TIME ZONE current_setting('TimeZone'))::text AS at",
        });

        return stored.Status == HttpStatusCode.OK
            ? stored.Json.GetProperty("rows")[0].GetProperty("at").GetString()
            : stored.Json.GetProperty("detail").GetString();
    }

    private Task<RunningGateway> StartAsync(params string[] settings) => server.StartGatewayAsync(
    [
        $"--DSN={_dsn}",
        .. _keys.SelectMany((key, caller) => new[]
        {
            $"--Gateway:Callers:caller{caller}:Keys:0={ApiKey.WriteHash(key)}", $"--Gateway:Callers:caller{caller}:Connections:default=write",
        }),
        .. settings,
    ]);
}
