using System.Text.Json;

namespace Gateway.Api.PostgresTests.Engines;

/// <summary>Runs a Restate server, on free loopback ports, with its data in a temporary folder.</summary>
public sealed class RestateServer : IAsyncLifetime
{
    private readonly string _data = Directory.CreateTempSubdirectory("gateway-restate-").FullName;
    private ClientProcess? _server;

    /// <summary>Gets the example's folder.</summary>
    public string Folder { get; private set; } = "";

    /// <summary>Gets the address for registering deployments.</summary>
    public Uri Admin { get; private set; } = null!;

    /// <summary>Gets the address for calling handlers.</summary>
    public Uri Ingress { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Folder = await NpmFolder.InstallAsync("examples/restate");
        _server = new ClientProcess(
            Folder,
            Path.Combine(Folder, "node_modules/.bin/restate-server"),
            [
                "--config-file", "restate.toml", "--base-dir", _data, "--use-random-ports", "true",
                // One partition, because each takes time at the start.
                "--default-num-partitions", "1",
            ],
            new Dictionary<string, string> { ["RESTATE_INGRESS__BIND_PORT"] = "0", ["RESTATE_LOG_FORMAT"] = "json" });
        Ingress = await AddressAsync("http-ingress-server");
        Admin = await AddressAsync("admin-api-server");
    }

    public async ValueTask DisposeAsync()
    {
        if (_server is not null)
            await _server.DisposeAsync();
        Directory.Delete(_data, recursive: true);
    }

    /// <summary>Returns the address that the server has printed for one of its listeners.</summary>
    private async Task<Uri> AddressAsync(string server)
    {
        await _server!.WaitForAsync($"\"{server}\"");
        var line = _server.Output.Split('\n').First(line => line.Contains($"\"{server}\"", StringComparison.Ordinal));
        var port = JsonDocument.Parse(line).RootElement.GetProperty("span").GetProperty("server.port").GetInt32();
        return new Uri($"http://127.0.0.1:{port}");
    }
}
