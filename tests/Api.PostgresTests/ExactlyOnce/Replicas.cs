using Npgsql;

namespace Gateway.Api.PostgresTests.ExactlyOnce;

/// <summary>Runs two gateways on one database, as separate processes. Each keeps its port when it is killed.</summary>
internal sealed class Replicas : IAsyncDisposable
{
    private readonly string _dsn;
    private readonly string[] _addresses;
    private readonly Task<GatewayProcess>[] _processes;

    private Replicas(string dsn)
    {
        _dsn = dsn;
        _addresses = [.. Enumerable.Range(0, 2).Select(_ => $"http://127.0.0.1:{Ports.PickFree()}")];
        _processes = [.. _addresses.Select(address => StartOneAsync(dsn, address))];
        Clients = [.. _addresses.Select(address => new GatewayClient(new Uri(address)))];
    }

    public IReadOnlyList<GatewayClient> Clients { get; }

    public static async Task<Replicas> StartAsync(string dsn)
    {
        var replicas = new Replicas(dsn);
        try
        {
            await replicas.UntilAllListenAsync();
            return replicas;
        }
        catch (InvalidOperationException)
        {
            // The other may have started.
            foreach (var started in replicas._processes.Where(process => process.IsCompletedSuccessfully))
                await (await started).DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts a gateway as a separate process, with long timeouts, because many start on one server.</summary>
    public static Task<GatewayProcess> StartOneAsync(string dsn, string address)
    {
        var patient = new NpgsqlConnectionStringBuilder(Dsns.Dsn.Parse(dsn).ConnectionString) { Timeout = 30 };
        return GatewayProcess.StartAsync(
            new Dictionary<string, string> { ["DSN"] = patient.ConnectionString },
            "--urls", address, "--Serilog:MinimumLevel:Default=Error");
    }

    /// <summary>Returns when no replica is starting, so that one is available when the other is killed.</summary>
    public Task UntilAllListenAsync() => Task.WhenAll(_processes);

    /// <summary>Kills a replica, and starts it again.</summary>
    public async Task KillAsync(int index)
    {
        await using (var process = await _processes[index])
            await process.KillAsync();
        _processes[index] = StartOneAsync(_dsn, _addresses[index]);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var client in Clients)
            client.Dispose();
        // All at once, so that a replica that did not start does not prevent the end of the others.
        await Task.WhenAll(_processes.Select(async starting => await (await starting).DisposeAsync()));
    }
}
