using Gateway.Client;

namespace Gateway.Testing;

/// <summary>
/// A gateway for tests, with a database that has the journal. It is a process of its own, which ends with this object
/// or with the test's process. It listens on loopback, and needs no API key unless <see
/// cref="TestGatewayOptions.Settings"/> configure callers.
/// </summary>
/// <example>
/// <code>
/// await using var gateway = await TestGateway.StartAsync();
/// await gateway.Client.ExecuteAsync("setup/1", "CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY)");
/// </code>
/// </example>
public sealed class TestGateway : IAsyncDisposable
{
    private readonly HostProcess _host;

    private TestGateway(HostProcess host, HostAddress address)
    {
        _host = host;
        Address = address.Address;
        ConnectionString = address.Dsn;
        Client = new GatewayClient(new GatewayClientOptions { Address = Address });
    }

    /// <summary>Gets the gateway's address, such as <c>http://127.0.0.1:40000</c>.</summary>
    public Uri Address { get; }

    /// <summary>
    /// Gets the connection string of the database: that of the options or, for a new database, that of the role that
    /// owns it and that the gateway uses, as Npgsql takes it. Migrations and checks can use it.
    /// </summary>
    public string ConnectionString { get; }

    /// <summary>Gets a client of the gateway, without an API key.</summary>
    public GatewayClient Client { get; }

    /// <summary>Gets the last 1,000 lines of the gateway's output.</summary>
    public string Log => _host.Log;

    /// <summary>Starts a gateway. When this returns, it answers requests.</summary>
    /// <param name="options">The options; null for a new database.</param>
    /// <param name="cancellationToken">Cancels the start; nothing keeps running.</param>
    /// <exception cref="TestGatewayException">The gateway can't be started; the message has its output.</exception>
    public static async Task<TestGateway> StartAsync(
        TestGatewayOptions? options = null, CancellationToken cancellationToken = default)
    {
        var host = HostProcess.Start(options ??= new TestGatewayOptions());
        try
        {
            return new TestGateway(
                host, await host.ListenAsync(options.StartLimit, cancellationToken).ConfigureAwait(false));
        }
        catch
        {
            await host.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Stops the gateway and, if it has one of its own, PostgreSQL. Its database is deleted.</summary>
    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await _host.DisposeAsync().ConfigureAwait(false);
    }
}
