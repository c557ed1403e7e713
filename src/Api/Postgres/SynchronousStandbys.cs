using Dapper;
using Gateway.Api.Errors;
using Gateway.Contracts;
using Npgsql;
using NpgsqlTypes;

namespace Gateway.Api.Postgres;

/// <summary>
/// Asks the primary about its synchronous standbys, for a connection with <c>Durability=synchronous</c>
/// (docs/decisions/0020). Requests that wait for the standbys share one query at a time.
/// </summary>
/// <param name="control">The control role's sessions on the primary, for nothing else.</param>
/// <param name="connection">The connection's name.</param>
/// <param name="clock">The clock for pauses.</param>
internal sealed class SynchronousStandbys(ControlSessions control, string connection, TimeProvider clock)
{
    /// <summary>The privilege that shows the control role the primary's standbys.</summary>
    public const string Privilege = "pg_read_all_stats";

    /// <summary>
    /// Finds the primary's timeline, and the position that as many synchronous standbys as COMMIT waits for have
    /// stored; null if there are not so many. <c>synchronous_standby_names</c> is a list, or a number with a list:
    /// <c>ANY 2 (a, b, c)</c>.
    /// </summary>
    private const string Look =
        $"""
        SELECT {ServerPosition.TimelineOfPrimary},
               (SELECT flush_lsn::pg_catalog.text FROM pg_catalog.pg_stat_replication
                 WHERE names OPERATOR(pg_catalog.<>) ''
                   AND state OPERATOR(pg_catalog.=) 'streaming'
                   AND sync_state OPERATOR(pg_catalog.=) ANY (ARRAY['sync', 'quorum'])
                 ORDER BY flush_lsn DESC
                OFFSET coalesce(pg_catalog.substring(
                    names, '(?i)^\s*(?:(?:first|any)\s+)?(\d+)\s*\(')::pg_catalog.int8, 1) OPERATOR(pg_catalog.-) 1
                 LIMIT 1)
          FROM pg_catalog.current_setting('synchronous_standby_names') AS names
         WHERE NOT pg_catalog.pg_is_in_recovery()
        """;

    private static readonly string MaySee =
        $"""
        SELECT pg_catalog.pg_has_role(session_user, '{Privilege}', 'USAGE'), session_user::pg_catalog.text,
               {ServerPosition.MayRead("session_user")}, {ServerPosition.MayRead("$1")}
        """;

    private static readonly TimeSpan LookTime = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(2);

    private static readonly TimeSpan LongestPause = TimeSpan.FromMilliseconds(100);

    private readonly Lock _lock = new();

    // The look that has not begun yet, and the one before it.
    private Task<StandbyPosition>? _next;
    private Task _last = Task.CompletedTask;

    private volatile bool _confirm = true;

    /// <summary>
    /// Gets the state as seen last: <c>ok</c>, or <c>no_standby</c> if no synchronous standby would confirm a write.
    /// </summary>
    public string State => _confirm ? "ok" : "no_standby";

    /// <summary>Gets whether writes can be confirmed, as seen last.</summary>
    public bool Confirm => _confirm;

    /// <summary>Looks whether writes can be confirmed.</summary>
    /// <exception cref="NpgsqlException">The server can't be reached, or does not answer.</exception>
    /// <exception cref="OperationCanceledException">The token came first.</exception>
    public async Task LookAsync(CancellationToken cancellation) =>
        _confirm = (await LookNextAsync().WaitAsync(cancellation)).Lsn is not null;

    /// <summary>Waits until the synchronous standbys have stored everything up to a position.</summary>
    /// <param name="position">The position; null if the server has not said it.</param>
    /// <param name="isExactlyOnce">Whether the effect has a record.</param>
    /// <param name="end">Ends the wait.</param>
    /// <exception cref="Failure">
    /// <c>outcome_unknown</c>: they have not by the end; or that can't be known any more, since the primary was
    /// replaced, or the position is not known.
    /// </exception>
    public async Task ConfirmAsync(ServerPosition? position, bool isExactlyOnce, CancellationToken end)
    {
        Exception? cause = null;
        try
        {
            if (await WaitAsync(position, end))
                return;
        }
        catch (OperationCanceledException error)
        {
            cause = error;
        }
        throw new Failure(
            ProblemCode.OutcomeUnknown,
            $"The effect is committed on the primary of connection \"{connection}\". The gateway could not find out "
            + "in time that a synchronous standby has it, so a failover could lose it. "
            + (isExactlyOnce
                ? "Send the same request again, under the same activity ID: it is answered when a standby has the "
                    + "record."
                : "Delivery is at-least-once, so sending the request again may do it twice: look at the data first."),
            cause)
        { Committed = Committed.Unknown };
    }

    /// <summary>Returns the fault of a role, as the end of a sentence; null if there is none.</summary>
    /// <param name="role">The role that callers' SQL runs as.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <exception cref="NpgsqlException">The server can't be reached.</exception>
    public async Task<string?> FindFaultAsync(string role, CancellationToken cancellation)
    {
        var (maySee, controlRole, controlMayRead, mayRead) = await control.AskAsync(
            (session, ending) => session.QuerySingleAsync<(bool, string, bool, bool)>(
                FixedStatement.Of(MaySee, ending, role)),
            cancellation);
        return !maySee ? $"the control role can't see the standbys: GRANT {Privilege} TO \"{controlRole}\""
            : !controlMayRead || !mayRead
                ? $"role \"{(controlMayRead ? role : controlRole)}\" may not call pg_current_wal_flush_lsn(), "
                    + "pg_current_wal_insert_lsn() and pg_walfile_name(pg_lsn): GRANT EXECUTE on them"
                : null;
    }

    /// <summary>Returns the failure for a write that no synchronous standby would confirm. Nothing was kept.</summary>
    public Failure Missing() => new(
        ProblemCode.DatabaseUnavailable,
        $"No synchronous standby of connection \"{connection}\" would confirm a write at present, and "
        + $"Gateway__Connections__{connection}__Durability is synchronous.");

    /// <returns>
    /// False if it can't be known any more whether the standbys have the position.
    /// </returns>
    private async Task<bool> WaitAsync(ServerPosition? position, CancellationToken end)
    {
        if (position?.Timeline is not { } timeline)
            return false;
        var lsn = NpgsqlLogSequenceNumber.Parse(position.Lsn);
        for (var pause = FirstPause; ; pause = pause * 2 < LongestPause ? pause * 2 : LongestPause)
        {
            try
            {
                var found = await LookNextAsync().WaitAsync(end);
                // A server of another timeline may have passed the position without the effect.
                if (found.Timeline is not null && found.Timeline != timeline)
                    return false;
                if (found.Lsn is { } stored && NpgsqlLogSequenceNumber.Parse(stored) >= lsn)
                    return true;
            }
            catch (NpgsqlException)
            {
                // The next look may succeed.
            }
            await Task.Delay(pause, clock, end);
        }
    }

    /// <summary>Returns the result of a look that has not begun yet. Only one runs at a time.</summary>
    private Task<StandbyPosition> LookNextAsync()
    {
        lock (_lock)
        {
            if (_next is not null)
                return _next;
            var last = _last;
            // It serves other requests too, so it must not be part of this one's trace.
            using (ExecutionContext.SuppressFlow())
                _last = _next = Task.Run(() => LookAfterAsync(last));
            return _next;
        }
    }

    private async Task<StandbyPosition> LookAfterAsync(Task last)
    {
        await last.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        lock (_lock)
            _next = null;
        // No row on a standby.
        var (timeline, lsn) = await control.AskAsync(
            (session, ending) => session.QuerySingleOrDefaultAsync<(string?, string?)>(FixedStatement.Of(Look, ending)),
            CancellationToken.None, LookTime);
        return new StandbyPosition(timeline, lsn);
    }

    /// <summary>Represents what the primary says about its standbys.</summary>
    /// <param name="Timeline">Its timeline; null if the server is a standby.</param>
    /// <param name="Lsn">
    /// The position that enough synchronous standbys have stored; null if there are not enough of them.
    /// </param>
    private sealed record StandbyPosition(string? Timeline, string? Lsn);
}
