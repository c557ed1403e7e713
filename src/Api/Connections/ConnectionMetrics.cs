using System.Diagnostics.Metrics;
using Gateway.Api.Journal;
using Gateway.Api.Telemetry;

namespace Gateway.Api.Connections;

/// <summary>Measures each connection. Most values are read when the metrics are collected.</summary>
internal sealed class ConnectionMetrics
{
    private const string State = "db.client.connection.state";

    private readonly ConnectionRegistry _connections;
    private readonly Counter<long> _purges;
    private readonly Counter<long> _purged;

    public ConnectionMetrics(GatewayMeter gateway, ConnectionRegistry connections, TimeProvider clock)
    {
        _connections = connections;
        var meter = gateway.Meter;
        meter.CreateObservableUpDownCounter(
            "db.client.connection.count", CountSessions,
            "{connection}",
            "Sessions of callers: idle ones, and those that requests hold or open, or that could not be ended.");
        meter.CreateObservableUpDownCounter(
            "db.client.connection.max", () => Each(RequestMetrics.PoolName, connection => connection.Queue.Places),
            "{connection}", "The most sessions that callers may have.");
        meter.CreateObservableUpDownCounter(
            "db.client.connection.pending_requests",
            () => Each(RequestMetrics.PoolName, connection => connection.Queue.Waiting),
            "{request}", "Requests that wait for a session.");
        meter.CreateObservableUpDownCounter(
            "gateway.queue.limit", () => Each(RequestMetrics.PoolName, connection => connection.Queue.Limit),
            "{request}", "The most requests that wait for a session; what comes after that is refused.");
        meter.CreateObservableCounter(
            "gateway.queue.turns", () => Each(RequestMetrics.PoolName, connection => connection.Queue.Read().Turns),
            "{request}", "Requests that waited for a session and got one.");
        meter.CreateObservableUpDownCounter(
            "gateway.activities.waiting",
            () => Each(RequestMetrics.Connection, connection => connection.InFlight.Waiting),
            "{request}", "Requests that wait for an earlier attempt of their activity.");
        meter.CreateObservableGauge(
            "gateway.connection.reachable",
            () => Each(RequestMetrics.Connection, connection => ToNumber(connection.Reachability.Now.Reachable)),
            unit: null, "Whether the server can be reached, by the checks that readiness goes by.");
        meter.CreateObservableGauge(
            "gateway.journal.usable",
            () => EachKnown(connection => connection.JournalState is { } state ? ToNumber(state.IsUsable()) : null),
            unit: null, "Whether the journal can record exactly-once writes.");
        meter.CreateObservableGauge(
            "gateway.standbys.confirming",
            () => EachKnown(connection => connection.Standbys is { } standbys ? ToNumber(standbys.Confirm) : null),
            unit: null,
            "Whether synchronous standbys confirm writes, for a connection whose durability is synchronous.");
        meter.CreateObservableGauge(
            "gateway.journal.records", () => EachKnown(connection => connection.Journal.Contents?.Records),
            "{record}", "Records in the journal; above 100,000 an estimate.");
        meter.CreateObservableGauge(
            "gateway.journal.expired", () => EachKnown(connection => connection.Journal.Contents?.Expired),
            "{record}", "Expired records that are still in the journal; at most 100,000 are counted.");
        meter.CreateObservableGauge(
            "gateway.journal.size", () => EachKnown(connection => connection.Journal.Contents?.Bytes),
            "By", "The size of the journal's table, with its indexes.");
        var begun = clock.GetTimestamp();
        meter.CreateObservableGauge(
            "process.uptime", () => clock.GetElapsedTime(begun).TotalSeconds,
            "s", "The time since the gateway started.");

        _purges = meter.CreateCounter<long>(
            "gateway.journal.purges", "{purge}", "Rounds that looked for expired records of the journal.");
        _purged = meter.CreateCounter<long>(
            "gateway.journal.purged", "{record}", "Expired records of the journal that were deleted.");
        var created = gateway.Duration("db.client.connection.create_time", "How long new sessions took to open.");
        foreach (var connection in connections.All)
        {
            var pool = new KeyValuePair<string, object?>(RequestMetrics.PoolName, connection.Name);
            connection.Sessions.Opened = duration => created.Record(duration.TotalSeconds, pool);
            if (connection.ReadOnly)
                continue;
            // Begin with 0: a counter that appears with its first event shows no increase, and an alert does not fire.
            Count(connection.Name, "failed", 0);
            Count(connection.Name, "done", 0);
            _purged.Add(0, Tag(connection.Name));
        }
    }

    public void Purged(string connection, int records)
    {
        Count(connection, "done", 1);
        _purged.Add(records, Tag(connection));
    }

    public void PurgeFailed(string connection) => Count(connection, "failed", 1);

    private void Count(string connection, string outcome, int purges) =>
        _purges.Add(purges, new("gateway.journal.purge.outcome", outcome), Tag(connection));

    private IEnumerable<Measurement<long>> CountSessions()
    {
        foreach (var connection in _connections.All)
        {
            var pool = new KeyValuePair<string, object?>(RequestMetrics.PoolName, connection.Name);
            yield return new(connection.Sessions.Idle, [pool, new(State, "idle")]);
            yield return new(connection.Queue.Read().Taken, [pool, new(State, "used")]);
        }
    }

    /// <summary>Measures the connections whose value is not null.</summary>
    private IEnumerable<Measurement<long>> EachKnown(Func<NamedConnection, long?> value)
    {
        foreach (var connection in _connections.All)
        {
            if (value(connection) is { } known)
                yield return new(known, Tag(connection.Name));
        }
    }

    private static long ToNumber(bool isSo) => isSo ? 1 : 0;

    private IEnumerable<Measurement<long>> Each(string label, Func<NamedConnection, long> value) =>
        _connections.All.Select(connection =>
            new Measurement<long>(value(connection), new KeyValuePair<string, object?>(label, connection.Name)));

    private static KeyValuePair<string, object?> Tag(string connection) => new(RequestMetrics.Connection, connection);
}
