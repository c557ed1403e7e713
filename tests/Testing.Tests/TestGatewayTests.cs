using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Gateway.Client;
using Gateway.Contracts;
using Gateway.LocalPostgres;
using Npgsql;

namespace Gateway.Testing.Tests;

/// <summary>Tests the gateway that users' tests start.</summary>
public sealed class TestGatewayTests
{
    private static CancellationToken Ending => TestContext.Current.CancellationToken;

    [Fact]
    public async Task GatewayOfItsOwn_WritesOnceInADatabaseThatEndsWithIt()
    {
        var gateway = await TestGateway.StartAsync(cancellationToken: Ending);
        await using (gateway)
        {
            await using (var migration = new NpgsqlConnection(gateway.ConnectionString))
            {
                await migration.OpenAsync(Ending);
                await using var create = new NpgsqlCommand("CREATE TABLE orders (total int)", migration);
                await create.ExecuteNonQueryAsync(Ending);
            }

            for (var attempt = 1; attempt <= 2; attempt++)
            {
                var answer = await gateway.Client.ExecuteAsync(
                    "run/order", "INSERT INTO orders VALUES (5)", null, attempt, Ending);
                Assert.Equal(attempt == 2, answer.Replayed);
            }

            Assert.Equal([1], await gateway.Client.QueryAsync<long>(
                "run/count", "SELECT count(*) FROM orders", cancellationToken: Ending));
            // As in production, callers' SQL has few rights.
            Assert.Equal([false], await gateway.Client.QueryAsync<bool>(
                "run/role", "SELECT rolsuper FROM pg_roles WHERE rolname = current_user", cancellationToken: Ending));
            await Poll.UntilAsync(() => gateway.Log.Contains("run/order", StringComparison.Ordinal));
        }
        Assert.DoesNotContain(new NpgsqlConnectionStringBuilder(gateway.ConnectionString).Password!, gateway.Log);

        await AssertGoneAsync(gateway.ConnectionString);
        using var http = new HttpClient();
        await Assert.ThrowsAsync<HttpRequestException>(() => http.GetAsync(gateway.Address, Ending));
    }

    [Fact]
    public async Task GivenDatabase_GetsTheJournalAndIsKept()
    {
        await using var server = await LocalPostgresServer.StartTemporaryAsync(ct: Ending);
        // Twice: the second gateway finds the journal.
        for (var attempt = 1; attempt <= 2; attempt++)
        {
            await using var gateway = await TestGateway.StartAsync(
                new TestGatewayOptions { ConnectionString = server.Dsn }, Ending);
            Assert.Equal(server.Dsn, gateway.ConnectionString);

            var answer = await gateway.Client.ExecuteAsync(
                "run/create", "CREATE TABLE kept (id int)", null, attempt, Ending);

            Assert.Equal(attempt == 2, answer.Replayed);
        }
    }

    [Fact]
    public async Task Settings_AreTheGateways()
    {
        await using var gateway = await TestGateway.StartAsync(With("Gateway__MaxTimeoutMs", "20000"), Ending);

        var error = await Assert.ThrowsAsync<GatewayException>(() => gateway.Client.QueryAsync(
            new QueryRequest { ActivityId = "run/late", Sql = "SELECT 1", TimeoutMs = 20_001 }, Ending));

        Assert.Equal("invalid_request", error.Code);
    }

    [Fact]
    public async Task RequestInFlight_DoesNotKeepTheDatabase()
    {
        var gateway = await TestGateway.StartAsync(cancellationToken: Ending);
        using var worker = new GatewayClient(new GatewayClientOptions { Address = gateway.Address, Tries = 1 });
        var request = worker.QueryAsync<int>("run/slow", "SELECT 1 FROM pg_sleep(600)", cancellationToken: Ending);
        await Poll.UntilAsync(async () => await CountSleepersAsync(gateway) == 1);

        await gateway.DisposeAsync();

        await Assert.ThrowsAsync<GatewayException>(() => request);
        await AssertGoneAsync(gateway.ConnectionString);
    }

    [Fact]
    public async Task ProcessOfTheTestsThatIsKilled_TakesGatewayAndDatabaseWithIt()
    {
        var host = Path.Combine(AppContext.BaseDirectory, "gateway-test-host", "Gateway.TestHost.dll");
        // "sleep" holds the host's standard input, as the process of the tests does. It says its process ID first.
        var holderAndHost = $"sh -c 'echo $$ >&2; exec sleep 600' | dotnet '{host}'";
        using var shell = Process.Start(new ProcessStartInfo("sh", ["-c", holderAndHost])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        try
        {
            string? line;
            do
                line = await shell.StandardOutput.ReadLineAsync(Ending);
            while (line?.StartsWith("gateway-test-host ", StringComparison.Ordinal) == false);
            using var ready = JsonDocument.Parse(line!["gateway-test-host ".Length..]);
            var database = ready.RootElement.GetProperty("dsn").GetString()!;
            await using (var session = new NpgsqlConnection($"{database};Pooling=false"))
                await session.OpenAsync(Ending);

            var holderId = int.Parse((await shell.StandardError.ReadLineAsync(Ending))!, CultureInfo.InvariantCulture);
            using (var holder = Process.GetProcessById(holderId))
                holder.Kill();

            await shell.WaitForExitAsync(Ending).WaitAsync(TimeSpan.FromSeconds(60), Ending);
            await AssertGoneAsync(database);
        }
        finally
        {
            shell.Kill(entireProcessTree: true);
        }
    }

    [Fact]
    public async Task FaultOfTheSettings_IsInTheMessage()
    {
        var error = await Assert.ThrowsAsync<TestGatewayException>(
            () => TestGateway.StartAsync(With("Gateway__BodyLimit", "1"), Ending));

        Assert.Contains("Gateway__BodyLimit is not a setting", error.Message);
    }

    [Fact]
    public async Task DatabaseThatIsNotThere_IsInTheMessage()
    {
        var database = $"Host=127.0.0.1;Port={Ports.PickFree()};Username=me;Password=canary;Database=db";

        var error = await Assert.ThrowsAsync<TestGatewayException>(
            () => TestGateway.StartAsync(new TestGatewayOptions { ConnectionString = database }, Ending));

        Assert.Contains("refused", error.Message);
        Assert.DoesNotContain("canary", error.Message);
    }

    [Fact]
    public async Task StartThatTakesTooLong_Ends()
    {
        var error = await Assert.ThrowsAsync<TestGatewayException>(
            () => TestGateway.StartAsync(new TestGatewayOptions { StartLimit = TimeSpan.FromMilliseconds(1) }, Ending));

        Assert.Contains("did not start within", error.Message);
    }

    private static TestGatewayOptions With(string setting, string value) =>
        new() { Settings = new Dictionary<string, string> { [setting] = value } };

    private static async Task<long> CountSleepersAsync(TestGateway gateway)
    {
        await using var connection = new NpgsqlConnection($"{gateway.ConnectionString};Pooling=false");
        await connection.OpenAsync(Ending);
        await using var command = new NpgsqlCommand(
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()",
            connection);
        return (long)(await command.ExecuteScalarAsync(Ending))!;
    }

    /// <summary>Asserts that no server is at the address.</summary>
    private static async Task AssertGoneAsync(string database)
    {
        await using var connection = new NpgsqlConnection($"{database};Pooling=false");
        await Assert.ThrowsAnyAsync<NpgsqlException>(() => connection.OpenAsync(Ending));
    }
}
