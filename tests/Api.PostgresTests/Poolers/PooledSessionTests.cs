namespace Gateway.Api.PostgresTests.Poolers;

/// <summary>Tests session isolation behind PgBouncer in session mode.</summary>
public sealed class PooledSessionTests(OneSessionBehindPgBouncer gateway)
    : SessionIsolationTests(gateway), IClassFixture<OneSessionBehindPgBouncer>;

/// <summary>Runs a gateway with one session, behind PgBouncer in session mode.</summary>
public sealed class OneSessionBehindPgBouncer : OneSessionGateway
{
    private PgBouncer? _pooler;

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        if (_pooler is not null)
            await _pooler.DisposeAsync();
    }

    private protected override async Task<string?> StartPoolerAsync(string dsn)
    {
        // What needs a superuser, and lasts until the end of a session, would outlast the gateway's.
        _pooler = await PgBouncer.StartAsync(dsn, settings: "server_lifetime = 0");
        return $"127.0.0.1:{_pooler.Port}";
    }
}
