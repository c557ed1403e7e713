using Gateway.Api.Callers;
using Gateway.Api.PostgresTests.Faults;

namespace Gateway.Api.PostgresTests.Callers;

/// <summary>
/// Provides a gateway with callers, on a new database with the demo data, behind a proxy that counts the gateway's
/// round trips. Its connections are <c>default</c>, <c>reports</c> and <c>closed</c>; no caller has a right on the
/// last.
/// </summary>
public sealed class CallersFixture(GatewayFixture server) : IAsyncLifetime
{
    private FaultProxy? _proxy;
    private RunningGateway? _gateway;

    /// <summary>May read <c>default</c>.</summary>
    public string Reader { get; } = ApiKey.New();

    /// <summary>May write <c>default</c>, and read <c>reports</c>.</summary>
    public string Writer { get; } = ApiKey.New();

    /// <summary>May write <c>default</c>, and has two keys.</summary>
    public string Second { get; } = ApiKey.New();

    public string SecondsOther { get; } = ApiKey.New();

    /// <summary>Has no rights.</summary>
    public string Nobody { get; } = ApiKey.New();

    /// <summary>Gets the database's own DSN.</summary>
    public string Dsn { get; private set; } = "";

    public Uri Address => _gateway!.Address;

    /// <inheritdoc cref="FaultProxy.Seen"/>
    internal (long RoundTrips, int Connections) Asked => _proxy!.Seen;

    public async ValueTask InitializeAsync()
    {
        Dsn = await server.CreateDatabaseAsync();
        _proxy = FaultProxy.Start(Dsn);
        _gateway = await RunningGateway.StartAsync(
        [
            $"--DSN={_proxy.Dsn}", $"--Gateway:Connections:reports:Dsn={_proxy.Dsn}", $"--Gateway:Connections:closed:Dsn={_proxy.Dsn}",
            // The gateway's own requests to the server would be counted too.
            "--Gateway:ReadinessIntervalMs=60000", "--Gateway:PurgeIntervalMs=86400000",
            .. Settings("reader", [Reader], "default=read"),
            .. Settings("writer", [Writer], "default=write", "reports=read"),
            .. Settings("second", [Second, SecondsOther], "default=write"),
            .. Settings("nobody", [Nobody]),
        ]);
    }

    /// <inheritdoc cref="FaultProxy.SeeNothingAsync"/>
    internal Task<T> AskNothingAsync<T>(Func<Task<T>> send) => _proxy!.SeeNothingAsync(send);

    public async ValueTask DisposeAsync()
    {
        if (_gateway is not null)
            await _gateway.DisposeAsync();
        if (_proxy is not null)
            await _proxy.DisposeAsync();
    }

    public GatewayClient As(string key) => new(Address, key);

    /// <summary>A caller's settings, as arguments.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="keys">Its keys; null for no key in that place.</param>
    /// <param name="rights">Each as <c>CONNECTION=RIGHT</c>.</param>
    internal static IEnumerable<string> Settings(string name, string?[] keys, params string[] rights) =>
    [
        .. keys.Index().Where(key => key.Item is not null)
            .Select(key => $"--Gateway:Callers:{name}:Keys:{key.Index}={ApiKey.WriteHash(key.Item)}"),
        .. rights.Select(right => $"--Gateway:Callers:{name}:Connections:{right}"),
    ];
}
