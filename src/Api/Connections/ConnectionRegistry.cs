using Gateway.Api.Configuration;
using Gateway.Api.Errors;
using Gateway.Contracts;

namespace Gateway.Api.Connections;

/// <summary>Holds the connections of the configuration, by name.</summary>
internal sealed class ConnectionRegistry : IAsyncDisposable
{
    private readonly Dictionary<string, NamedConnection> _connections;

    public ConnectionRegistry(
        GatewayOptions options,
        IReadOnlyDictionary<string, ConnectionDsn> dsns,
        ILoggerFactory logs,
        TimeProvider clock) =>
        _connections = dsns.ToDictionary(
            dsn => dsn.Key,
            dsn => new NamedConnection(dsn.Key, options, dsn.Value, logs, clock),
            StringComparer.Ordinal);

    public IReadOnlyCollection<NamedConnection> All => _connections.Values;

    /// <summary>Returns the connection with that name.</summary>
    /// <exception cref="Failure"><c>connection_not_found</c></exception>
    public NamedConnection Find(string name) => _connections.GetValueOrDefault(name)
        ?? throw new Failure(
            ProblemCode.ConnectionNotFound,
            $"No connection is named \"{name}\"; Gateway__Connections__NAME__Dsn configures one.");

    public async ValueTask DisposeAsync()
    {
        foreach (var connection in _connections.Values)
            await connection.DisposeAsync();
    }
}
