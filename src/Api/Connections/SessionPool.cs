using System.Collections.Concurrent;
using Npgsql;

namespace Gateway.Api.Connections;

/// <summary>
/// The clean sessions of one connection. It stands in for Npgsql's own pool, which cleans a session before its next use
/// instead of after this one, and which one caller's error (SQLSTATE XX000, say) empties for all (docs/decisions/0003).
/// How many there may be is the queue's business.
/// </summary>
internal sealed class SessionPool(NpgsqlDataSource source) : IAsyncDisposable
{
    // Last in, first out: what is in use stays warm, and what is not grows old.
    private readonly ConcurrentStack<Session> _idle = new();
    private volatile bool _closed;

    /// <summary>A clean session: an idle one, or a new one where there is none or <paramref name="fresh"/> is asked.</summary>
    /// <exception cref="NpgsqlException">The server can't be reached, or does not let the gateway in.</exception>
    public async ValueTask<Session> RentAsync(bool fresh, CancellationToken cancellation)
    {
        if (!fresh && _idle.TryPop(out var session))
            return session;
        return new Session(await source.OpenConnectionAsync(cancellation));
    }

    /// <summary>Takes a session back; one that is not clean is closed.</summary>
    public async ValueTask ReturnAsync(Session session)
    {
        if (!session.Clean || _closed)
        {
            await session.DisposeAsync();
            return;
        }
        _idle.Push(session);
    }

    public async ValueTask DisposeAsync()
    {
        _closed = true;
        while (_idle.TryPop(out var session))
            await session.DisposeAsync();
        await source.DisposeAsync();
    }
}
