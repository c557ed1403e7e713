using System.Net;
using Gateway.Api.PostgresTests.Faults;

namespace Gateway.Api.PostgresTests;

/// <summary>
/// Tests that a session which the gateway had to abandon counts against the pool for as long as its server runs it. A
/// session that can't be ended must not be followed by more of them.
/// </summary>
[Collection(TimingCollection.Name)]
public sealed class AbandonedSessionTests(GatewayFixture fixture, ITestOutputHelper output)
{
    private const int PoolSize = 2;

    /// <summary>
    /// The number of divisions. A division of numbers with this many digits checks for no cancel and no termination,
    /// and takes a second; from PostgreSQL 18 on this many divisions do. The operands are not constant, because the
    /// planner would evaluate constants.
    /// </summary>
    private const int DivisionsFrom18 = 12;

    [Fact]
    public async Task UninterruptibleStatements_TakeNoMoreSessionsThanThePoolHas()
    {
        await using var backends = await Backends.WatchAsync(fixture.Dsn);
        await using var gateway = await RunningGateway.StartAsync(
            $"--DSN={backends.Named(fixture.Dsn)}", $"--Gateway:Connections:default:PoolSize={PoolSize}");
        (await SendAsync(gateway, "SELECT 1", 5000)).Expect(HttpStatusCode.OK);
        var divisions = await backends.ReadAsync<string>("SHOW server_version_num") is ['1', < '8', ..] ? 1 : DivisionsFrom18;
        var uninterruptible =
            $"""
            SELECT length(({string.Join(" + ", Enumerable.Repeat("a / b", divisions))})::text)
              FROM (SELECT repeat('7', 131000 + length(n) - 1)::numeric, repeat('3', 65000 + length(n) - 1)::numeric FROM (VALUES ('x')) v (n) OFFSET 0)
                   t (a, b)
            """;

        var most = 0L;
        for (var round = 0; round < 6; round++)
        {
            var answers = await Task.WhenAll(Enumerable.Range(0, PoolSize).Select(_ => SendAsync(gateway, uninterruptible, 80)));
            foreach (var answer in answers)
                answer.ExpectProblem(504, "deadline_exceeded");
            most = Math.Max(most, await CountAsync(backends));
        }

        output.WriteLine($"{most} at most");
        Assert.InRange(most, 1, PoolSize);
        // The sessions are given back: all of them, at the same time.
        await Poll.ReadAsync(() => CountAsync(backends), count => count == 0);
        await using var turnstile = await Turnstile.CloseAsync(fixture.Dsn);
        var running = Enumerable.Range(0, PoolSize).Select(_ => SendAsync(gateway, $"SELECT 1 FROM {turnstile.Pass}", 20_000)).ToArray();
        await turnstile.HoldsAsync(PoolSize);
        await turnstile.OpenAsync();
        foreach (var answer in await Task.WhenAll(running))
            answer.Expect(HttpStatusCode.OK);
    }

    /// <summary>The gateway stops waiting after five seconds. The server's late answer must not leave a session open.</summary>
    [Fact]
    public async Task ServerSilentAfterTheLogin_LeavesNoSessionOpen()
    {
        await using var backends = await Backends.WatchAsync(fixture.Dsn);
        await using var proxy = FaultProxy.Start(fixture.Dsn);
        await using var gateway = await RunningGateway.StartAsync(
            $"--DSN={backends.Named(proxy.Dsn)}", "--Gateway:ReadinessIntervalMs=60000");
        var silent = new HoldAt(Boundary.Opened);
        proxy.SetUpcoming(silent);

        var request = SendAsync(gateway, "SELECT 1", 30_000);
        await silent.ReachedAsync();
        var session = await backends.ReadAsync<int>(
            $"SELECT pid FROM pg_stat_activity WHERE starts_with(application_name, '{backends.Application}') "
            + "ORDER BY backend_start DESC LIMIT 1");
        (await request).ExpectProblem(503, "database_unavailable");
        Assert.True(await IsThereAsync());

        silent.Release();
        await Poll.ReadAsync(IsThereAsync, isThere => !isThere);

        Task<bool> IsThereAsync() => backends.ReadAsync<bool>(
            $"SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = {session})");
    }

    private static Task<long> CountAsync(Backends backends) => backends.ReadAsync<long>(
        $"SELECT count(*) FROM pg_stat_activity WHERE starts_with(application_name, '{backends.Application}') AND query LIKE '%131000%'");

    private static Task<Answer> SendAsync(RunningGateway gateway, string sql, int timeoutMs) =>
        gateway.Client.PostAsync("query", new { activityId = "abandoned", sql, timeoutMs });
}
