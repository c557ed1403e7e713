namespace Gateway.Api.PostgresTests;

/// <summary>Provides a gateway on a new database with the demo data, for tests that change them.</summary>
public sealed class DemoFixture(GatewayFixture server) : IAsyncLifetime
{
    private RunningGateway? _gateway;

    public Uri Address => _gateway!.Address;

    public GatewayClient Client => _gateway!.Client;

    public async ValueTask InitializeAsync() =>
        _gateway = await RunningGateway.StartAsync($"--DSN={await server.CreateDatabaseAsync()}");

    public async ValueTask DisposeAsync()
    {
        if (_gateway is not null)
            await _gateway.DisposeAsync();
    }
}
