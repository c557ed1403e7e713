using System.Text.RegularExpressions;
using Npgsql;

namespace Gateway.Api.PostgresTests.Engines;

/// <summary>Tests <c>examples/dbos</c>: DBOS recovers in the worker, from its tables.</summary>
public sealed class DbosTests(DemoFixture gateway, DbosTests.SystemDatabase database)
    : EngineTests(gateway), IClassFixture<DemoFixture>, IClassFixture<DbosTests.SystemDatabase>
{
    private protected override int?[] TwoAttempts => [1, 2];

    /// <summary>
    /// DBOS can't distinguish a worker that has ended from another one with the same executor ID: both run the step.
    /// </summary>
    [Fact]
    public async Task WorkerStartedBesideAnother_OneEffectAndAReplay()
    {
        await using var front = await GatewayFront.StartAsync(Gateway.Address);
        var run = NewRun();
        var committed = front.WithholdNextAnswerAsync();
        await using var first = await StartAsync(front.Address, run, userId: 1, total: "55.05");
        await committed.WaitAsync(TimeSpan.FromSeconds(30));

        await using var second = await StartAsync(front.Address, run, userId: 1, total: "55.05");
        var outcome = await second.WaitAsync();

        Assert.Equal([outcome.OrderId!], await OrdersAsync(total: "55.05"));
        Assert.Equal(["false", "true"], front.Exchanges.Select(exchange => exchange.Answer!.Headers["Idempotent-Replayed"]));
    }

    private protected override Task<OrderWorkflow> StartAsync(Uri gateway, int userId, string total) =>
        StartAsync(gateway, NewRun(), userId, total);

    private static string NewRun() => $"order-{Guid.NewGuid():N}";

    private async Task<OrderWorkflow> StartAsync(Uri gateway, string run, int userId, string total)
    {
        return new DbosWorkflow(
            await NpmFolder.InstallAsync("examples/dbos"),
            [run, $"{userId}", total],
            new Dictionary<string, string>
            {
                ["GATEWAY_URL"] = gateway.ToString(),
                ["DBOS_SYSTEM_DATABASE_URL"] = database.Url,
                // DBOS recovers the workflows of its own executor, and never those of another test.
                ["DBOS__VMID"] = run,
            });
    }

    /// <summary>Provides the database for DBOS's own tables.</summary>
    public sealed class SystemDatabase(GatewayFixture server) : IAsyncLifetime
    {
        public string Url { get; private set; } = "";

        public async ValueTask InitializeAsync()
        {
            var dsn = new NpgsqlConnectionStringBuilder(await server.CreateDatabaseWithoutJournalAsync());
            var account = $"{Uri.EscapeDataString(dsn.Username!)}:{Uri.EscapeDataString(dsn.Password ?? "")}";
            Url = $"postgresql://{account}@{dsn.Host}:{dsn.Port}/{dsn.Database}";
        }

        public ValueTask DisposeAsync() => default;
    }

    private sealed class DbosWorkflow(string folder, string[] arguments, Dictionary<string, string> environment) : OrderWorkflow
    {
        private ClientProcess _worker = Start(folder, arguments, environment);

        public override Task KillWorkerAsync() => _worker.KillAsync();

        public override async Task RestartWorkerAsync()
        {
            await _worker.DisposeAsync();
            _worker = Start(folder, arguments, environment);
        }

        public override async Task<OrderOutcome> WaitAsync()
        {
            var code = await _worker.WaitForExitAsync(TimeSpan.FromSeconds(30));
            return code == 0
                ? new OrderOutcome(Regex.Match(_worker.Output, @"^placed as (\d+)$", RegexOptions.Multiline).Groups[1].Value, null)
                : new OrderOutcome(null, _worker.Errors);
        }

        public override ValueTask DisposeAsync() => _worker.DisposeAsync();

        private static ClientProcess Start(string folder, string[] arguments, Dictionary<string, string> environment) =>
            new(folder, "node", ["place_order.mjs", .. arguments], environment);
    }
}
