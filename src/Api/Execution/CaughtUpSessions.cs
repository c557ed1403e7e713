using Gateway.Api.Errors;
using Gateway.Api.Postgres;
using Gateway.Contracts;
using Npgsql;
using NpgsqlTypes;

namespace Gateway.Api.Execution;

/// <summary>
/// Finds sessions on servers that have replayed what a caller has written before (<c>minLsn</c>). A server that is
/// behind is given some time. Then the others of the DSN are asked: the primary first, unless the DSN excludes it.
/// </summary>
/// <param name="connection">The connection's name.</param>
/// <param name="sessions">The connection's sessions.</param>
/// <param name="clock">The clock for pauses.</param>
internal sealed class CaughtUpSessions(string connection, SessionPool sessions, TimeProvider clock)
{
    /// <summary>The maximum time for a server, if there are others.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(500);

    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(2);

    private static readonly TimeSpan LongestPause = TimeSpan.FromMilliseconds(50);

    /// <summary>Rents a session on a server that is at or after a position.</summary>
    /// <exception cref="NpgsqlException">The server can't be reached, or refuses.</exception>
    /// <exception cref="Failure">
    /// <c>deadline_exceeded</c>: no server has replayed enough by then. <c>invalid_request</c>: the server has no
    /// positions.
    /// </exception>
    /// <exception cref="CallerLeftException">The caller has disconnected.</exception>
    public async Task<Session> RentAsync(
        string caller, bool needsNew, NpgsqlLogSequenceNumber minLsn, Deadline deadline)
    {
        var others = FindOthers();
        // Half of the time at most, so that a short budget has time for the others.
        var patience = others.Count == 0 ? Timeout.InfiniteTimeSpan
            : deadline.Left / 2 < Patience ? deadline.Left / 2
            : Patience;
        var seen = "";
        for (var turn = 0; ; turn = (turn + 1) % (others.Count + 1))
        {
            Session? session = null;
            var isCaughtUp = false;
            try
            {
                session = turn > 0
                    ? await sessions.RentAtAsync(others[turn - 1], caller, deadline)
                    : await sessions.RentAsync(caller, reads: true, needsNew, deadline);
                if (turn > 0 && !sessions.Hosts.MayBeOnPrimary && !session.IsOnStandby)
                    continue;
                var position = await WaitAsync(session, minLsn, patience, deadline);
                isCaughtUp = HasReached(position, minLsn);
                if (isCaughtUp)
                    return session;
                seen = $", and a server has replayed {position?.Lsn ?? "nothing"}";
            }
            catch (PostgresException error) when (ServerPosition.IsMissing(error))
            {
                throw Failure.Invalid([new RequestFault(
                    "/minLsn",
                    $"The server of connection \"{connection}\" does not say its position; remove minLsn.")]);
            }
            catch (Exception error) when (
                deadline.Token.IsCancellationRequested && error is NpgsqlException or OperationCanceledException)
            {
                throw Ended(error);
            }
            catch (NpgsqlException) when (turn > 0 || (session is { Used: true } && !needsNew))
            {
                // Another server may do; and a new session may be better than one that was idle.
                needsNew = true;
            }
            finally
            {
                if (session is not null && !isCaughtUp)
                    await sessions.ReturnAsync(session);
            }
            if (deadline.Token.IsCancellationRequested)
                throw Ended();
        }

        Exception Ended(Exception? cause = null) =>
            deadline.Ended($"waiting for a server that has replayed {minLsn} (minLsn){seen}", cause);
    }

    /// <summary>Returns the servers to ask after the one that the pool has chosen.</summary>
    private IReadOnlyList<HostChoice> FindOthers()
    {
        var hosts = sessions.Hosts;
        var others = hosts.Spread.Select(host => new HostChoice(One: host));
        return hosts is { Spread.Count: > 0, MayBeOnPrimary: true } ? [HostChoice.Primary, .. others] : [.. others];
    }

    /// <param name="session">The session.</param>
    /// <param name="minLsn">The position to wait for.</param>
    /// <param name="patience">The maximum time; infinite until the deadline.</param>
    /// <param name="deadline">The request's deadline.</param>
    /// <returns>The server's last position: enough, or all that there was when the time ended.</returns>
    private async Task<ServerPosition?> WaitAsync(
        Session session, NpgsqlLogSequenceNumber minLsn, TimeSpan patience, Deadline deadline)
    {
        var begun = clock.GetTimestamp();
        for (var pause = FirstPause; ; pause = pause * 2 < LongestPause ? pause * 2 : LongestPause)
        {
            var position = await session.ReadPositionAsync(deadline.Token);
            var isOver = patience != Timeout.InfiniteTimeSpan && clock.GetElapsedTime(begun) >= patience;
            if (isOver || HasReached(position, minLsn))
                return position;
            try
            {
                await Task.Delay(pause, clock, deadline.Token);
            }
            catch (OperationCanceledException)
            {
                return position;
            }
        }
    }

    private static bool HasReached(ServerPosition? position, NpgsqlLogSequenceNumber minLsn) =>
        position is not null && NpgsqlLogSequenceNumber.Parse(position.Lsn) >= minLsn;
}
