using Dapper;
using Gateway.Api.Dsns;
using Gateway.Api.Postgres;
using Gateway.Contracts;
using Npgsql;

namespace Gateway.Api.Journal;

/// <summary>
/// Finds and cancels a connection's activities, whichever replica runs them. PostgreSQL itself knows the
/// running ones: a session is tagged with its activity while its transaction is open.
/// </summary>
/// <param name="journal">The connection's journal.</param>
/// <param name="inFlight">Knows the requests of this replica that wait for an activity.</param>
/// <param name="control">The control role's sessions.</param>
/// <param name="unpooled">Opens a session of the control role for one use.</param>
/// <param name="hosts">The hosts that callers' sessions are on.</param>
/// <param name="role">The role that callers' SQL runs as.</param>
/// <param name="clock">The clock for pauses.</param>
internal sealed class Activities(
    ActivityJournal journal, InFlightActivities inFlight, ControlSessions control, SessionSource unpooled,
    ServerHosts hosts, string role, TimeProvider clock)
{
    /// <summary>Selects those of the transactions that are still open, to end them.</summary>
    private const string StillOpen =
        $"""
          FROM pg_catalog.pg_stat_activity a
          JOIN ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3))
            AS t (pid, tag, xact_start)
            ON a.pid OPERATOR(pg_catalog.=) t.pid AND a.application_name OPERATOR(pg_catalog.=) t.tag
               AND a.xact_start OPERATOR(pg_catalog.=) t.xact_start
         WHERE a.query_start IS NOT NULL AND NOT {SyncReplication.IsAwaited}
        """;

    /// <summary>
    /// Returns whether any of the statements is still its session's last one. A failed transaction has lost its tag,
    /// but until it is rolled back its statement is the session's last.
    /// </summary>
    private const string Open =
        """
        SELECT EXISTS (
            SELECT FROM pg_catalog.pg_stat_activity a
              JOIN ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2)) AS t (pid, query_start)
                ON a.pid OPERATOR(pg_catalog.=) t.pid AND a.query_start OPERATOR(pg_catalog.=) t.query_start)
        """;

    /// <summary>
    /// Returns whether a cancel is announced. The cancelling session's name announces it, so that the replica whose
    /// statement fails can distinguish this cancel from others. Only sessions of the control role count: callers' SQL
    /// can give its own session any name, and can take any lock.
    /// </summary>
    private const string Announced =
        """
        SELECT EXISTS (
            SELECT FROM pg_catalog.pg_stat_activity
             WHERE usename OPERATOR(pg_catalog.=) session_user AND application_name OPERATOR(pg_catalog.=) $1
               AND datname OPERATOR(pg_catalog.=) pg_catalog.current_database())
        """;

    private static readonly TimeSpan LookTime = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(25);

    /// <summary>
    /// After this time the session is terminated: PL/pgSQL can catch a cancel, but nothing can catch a termination.
    /// </summary>
    private static readonly TimeSpan TerminateAfter = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan GiveUpAfter = TimeSpan.FromSeconds(3);

    /// <summary>
    /// The time that the announcement stays after a termination: the session may end before its replica has looked for
    /// the announcement.
    /// </summary>
    private static readonly TimeSpan Grace = LookTime;

    /// <summary>
    /// The time that the announcement stays in any case: requests on other replicas that wait for the activity look for
    /// it every 50 ms (<see cref="InFlightActivities"/>).
    /// </summary>
    private static readonly TimeSpan ShortGrace = TimeSpan.FromMilliseconds(100);

    /// <summary>Returns an activity's state; null if it is neither running nor recorded.</summary>
    /// <exception cref="NpgsqlException">The server can't be reached, or refuses the gateway.</exception>
    public async Task<ActivityState?> FindAsync(ActivityIdentity activity, CancellationToken cancellation)
    {
        // Must begin before the look into the journal: an activity that ends between the two is found there.
        var finding = FindRunningAsync(activity, cancellation);
        await ((Task)finding).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return await journal.FindAsync(activity, cancellation) is { Answer: { } answer } record
            ? new ActivityState(ActivityStatus.Completed)
            {
                Answer = answer,
                RecordedAt = record.RecordedAt,
                ExpiresAt = record.ExpiresAt,
                Position = record.Position,
            }
            // Only without a record does it matter that a host could not be asked.
            : await finding;
    }

    /// <summary>Cancels an activity's running statement, and waits for its end.</summary>
    /// <returns>
    /// The activity's state after that: completed if the cancel came too late, cancelled, or still running if it can't
    /// be ended. Null if there is no such activity.
    /// </returns>
    /// <exception cref="NpgsqlException">The server can't be reached, or refuses the gateway.</exception>
    public async Task<ActivityState?> CancelAsync(ActivityIdentity activity, CancellationToken cancellation)
    {
        var keys = await journal.ReadKeysAsync(cancellation);
        var found = await hosts.AskEachAsync(
            host => CancelAtAsync(host, activity, keys, cancellation), wasRunning => wasRunning);
        var state = await FindAsync(activity, cancellation);
        return state ?? (found.Contains(true) ? new ActivityState(ActivityStatus.Cancelled) : null);
    }

    /// <summary>
    /// Returns whether the activity is being cancelled through the gateway; false if the server can't be asked.
    /// </summary>
    /// <param name="activity">The activity.</param>
    /// <param name="backend">The backend that runs it, or did.</param>
    public async Task<bool> IsBeingCancelledAsync(ActivityIdentity activity, Backend backend)
    {
        try
        {
            return await control.AskAsync(
                (session, ending) => session.ExecuteScalarAsync<bool>(
                    FixedStatement.Of(Announced, ending, activity.CancelName)),
                CancellationToken.None, LookTime, backend.Host);
        }
        catch (NpgsqlException)
        {
            // Then it counts as any other failure, and the activity may run again.
            return false;
        }
    }

    /// <summary>Cancels the activity at one host. Returns whether it was running there.</summary>
    private async Task<bool> CancelAtAsync(
        DsnHost? host, ActivityIdentity activity, IReadOnlyList<CodeKey> keys, CancellationToken cancellation)
    {
        var found = new Dictionary<int, DateTime>();
        await using var session = await unpooled.OpenConnectionAsync(host, cancellation);
        await AnnounceAsync(session, activity, cancellation);
        var begun = clock.GetTimestamp();
        var terminated = false;
        do
        {
            // The session loses its tag when the statement fails, and its replica looks for the announcement after
            // that.
            terminated |= clock.GetElapsedTime(begun) >= TerminateAfter;
            var running = await ReadRunningAsync(session, activity, keys, cancellation);
            foreach (var (processId, since) in await EndAsync(session, terminated, running, cancellation))
                found[processId] = since;
            if (found.Count > 0)
                inFlight.Cancel(activity);
            if (!await AnyOpenAsync(session, found, cancellation))
                break;
            await Task.Delay(Pause, clock, cancellation);
        }
        while (clock.GetElapsedTime(begun) < GiveUpAfter);
        if (found.Count > 0)
            await Task.Delay(terminated ? Grace : ShortGrace, clock, cancellation);
        // A pooler may keep the session of the server, and its name.
        if (unpooled.Pooler.IsPresent)
            await session.ExecuteAsync(FixedStatement.Of("RESET application_name", cancellation));
        return found.Count > 0;
    }

    private async Task<ActivityState?> FindRunningAsync(ActivityIdentity activity, CancellationToken cancellation)
    {
        var keys = await journal.ReadKeysAsync(cancellation);
        var found = await hosts.AskEachAsync(host => control.AskAsync(
            (session, ending) => ReadRunningAsync(session, activity, keys, ending), cancellation, host: host),
            transactions => transactions.Count > 0);
        var running = found.SelectMany(transactions => transactions).ToList();
        return running.Count == 0
            ? null
            : new ActivityState(ActivityStatus.Running)
            {
                RunningSince = new DateTimeOffset(running.Min(transaction => transaction.Since)),
                Waiting = inFlight.CountWaiting(activity),
            };
    }

    /// <returns>The transactions that run the activity.</returns>
    private async Task<IReadOnlyList<OpenTransaction>> ReadRunningAsync(
        NpgsqlConnection session, ActivityIdentity activity, IReadOnlyList<CodeKey> keys,
        CancellationToken cancellation)
    {
        var (open, _) = await OpenTransaction.ReadAsync(session, role, cancellation);
        return [.. open.Where(transaction => transaction.Runs(activity, keys))];
    }

    /// <summary>Announces the cancel. The announcement ends with the session.</summary>
    private static Task<int> AnnounceAsync(
        NpgsqlConnection session, ActivityIdentity activity, CancellationToken cancellation) =>
        session.ExecuteAsync(FixedStatement.Of(
            "SELECT pg_catalog.set_config('application_name', $1, false)", cancellation, activity.CancelName));

    /// <summary>Ends those of the transactions that are open still.</summary>
    /// <returns>Their sessions, and since when their statements run.</returns>
    private static Task<IEnumerable<(int ProcessId, DateTime Since)>> EndAsync(
        NpgsqlConnection session, bool terminate, IReadOnlyList<OpenTransaction> transactions,
        CancellationToken cancellation)
    {
        var function = terminate ? "pg_terminate_backend" : "pg_cancel_backend";
        return session.QueryAsync<(int, DateTime)>(FixedStatement.Of(
            $"SELECT a.pid, a.query_start, pg_catalog.{function}(a.pid) {StillOpen}", cancellation,
            transactions.Select(transaction => transaction.Backend.ProcessId).ToArray(),
            transactions.Select(transaction => transaction.Tag).ToArray(),
            transactions.Select(transaction => transaction.Since).ToArray()));
    }

    private static Task<bool> AnyOpenAsync(
        NpgsqlConnection session, Dictionary<int, DateTime> statements, CancellationToken cancellation) =>
        session.ExecuteScalarAsync<bool>(
            FixedStatement.Of(Open, cancellation, statements.Keys.ToArray(), statements.Values.ToArray()));
}

/// <summary>Represents an activity's state.</summary>
internal sealed record ActivityState(ActivityStatus Status)
{
    /// <summary>Gets the recorded answer's body.</summary>
    public byte[]? Answer { get; init; }

    /// <summary>Gets the position of the server that has the record.</summary>
    public ServerPosition? Position { get; init; }
    public DateTimeOffset? RecordedAt { get; init; }
    public DateTimeOffset? ExpiresAt { get; init; }
    public DateTimeOffset? RunningSince { get; init; }

    /// <summary>
    /// Gets how many requests of this replica wait for the activity's end; null if it is not running.
    /// </summary>
    public int? Waiting { get; init; }
}
