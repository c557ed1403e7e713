using Gateway.Api.Connections;
using Gateway.Api.Dsns;
using Gateway.Api.Journal;
using Gateway.Api.Postgres;
using Npgsql;

namespace Gateway.Api.Hosting;

/// <summary>
/// The sessions of a command that asks a connection's journal, as the control role if there is one. A command opens a
/// few sessions only, so none is pooled.
/// </summary>
internal sealed class JournalSessions : IAsyncDisposable
{
    /// <summary>The maximum time for one query: nothing but the command waits for a slow server.</summary>
    private static readonly TimeSpan AskTime = TimeSpan.FromSeconds(30);

    private readonly SessionSource _source;

    /// <param name="dsn">The connection's DSNs.</param>
    /// <param name="role">The role that callers' SQL runs as.</param>
    public JournalSessions(ConnectionDsn dsn, string role)
    {
        _source = SessionSource.Plain(NpgsqlDataSource.Create(Unpooled((dsn.Control ?? dsn).Value).ConnectionString));
        Control = new ControlSessions(_source, TimeProvider.System, AskTime);
        Journal = new ActivityJournal(Control, role, dsn.JournalKey, TimeSpan.Zero, TimeProvider.System);
    }

    public ControlSessions Control { get; }

    public ActivityJournal Journal { get; }

    /// <summary>Returns a DSN for sessions that are not pooled.</summary>
    public static NpgsqlConnectionStringBuilder Unpooled(NpgsqlConnectionStringBuilder dsn)
    {
        var unpooled = new NpgsqlConnectionStringBuilder(dsn.ConnectionString) { Pooling = false };
        unpooled.DisableGssByDefault();
        return unpooled;
    }

    public ValueTask DisposeAsync() => _source.DisposeAsync();
}
