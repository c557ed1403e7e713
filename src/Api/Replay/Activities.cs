using Gateway.Api.Connections;
using Gateway.Contracts;
using Npgsql;

namespace Gateway.Api.Replay;

/// <summary>
/// What is to be known of a connection's activities, whichever replica runs them. PostgreSQL itself says what is running:
/// a session is tagged with its activity while its transaction is open.
/// </summary>
/// <param name="journal">The connection's journal.</param>
/// <param name="control">The control role's sessions.</param>
/// <param name="unpooled">Opens a session of the control role for one use.</param>
/// <param name="role">The role that callers' SQL runs as.</param>
/// <param name="clock">The clock that pauses run by.</param>
internal sealed class Activities(
    Journal journal, NpgsqlDataSource control, NpgsqlDataSource unpooled, string role, TimeProvider clock)
{
    /// <summary>
    /// Here and below all names are qualified, and operators are: min(timestamptz) could be one of public's, and so a caller's
    /// SQL in a session of the control role.
    /// </summary>
    private static readonly string Running =
        $"""
        FROM pg_catalog.pg_stat_activity
        WHERE datname OPERATOR(pg_catalog.=) pg_catalog.current_database() AND usename OPERATOR(pg_catalog.=) $2
          AND pg_catalog.right(application_name, {ActivityIdentity.MarkLength}) OPERATOR(pg_catalog.=) $1
        """;

    /// <summary>
    /// A transaction that has failed has lost its tag; but its statement is the session's last until it is rolled back.
    /// </summary>
    private const string Open =
        """
        SELECT EXISTS (
            SELECT FROM pg_catalog.pg_stat_activity a
              JOIN ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2)) AS t (pid, query_start)
                ON a.pid OPERATOR(pg_catalog.=) t.pid AND a.query_start OPERATOR(pg_catalog.=) t.query_start)
        """;

    /// <summary>
    /// A cancel is announced by an advisory lock, so that the replica whose statement fails by it can tell it from others. Only
    /// the control role's count: callers' SQL may take any advisory lock. Looked up rather than tried: a lock that is tried is in
    /// the way of the announcement itself.
    /// </summary>
    private const string Announced =
        """
        SELECT EXISTS (
            SELECT FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid OPERATOR(pg_catalog.=) l.pid
             WHERE a.usename OPERATOR(pg_catalog.=) session_user AND l.granted
               AND l.locktype OPERATOR(pg_catalog.=) 'advisory' AND l.objsubid OPERATOR(pg_catalog.=) 1
               AND l.database OPERATOR(pg_catalog.=) (
                   SELECT oid FROM pg_catalog.pg_database WHERE datname OPERATOR(pg_catalog.=) pg_catalog.current_database())
               AND ((l.classid::bigint OPERATOR(pg_catalog.<<) 32) OPERATOR(pg_catalog.|) l.objid::bigint) OPERATOR(pg_catalog.=) $1)
        """;

    private static readonly TimeSpan LookTime = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(25);

    /// <summary>PL/pgSQL can catch a cancel, and nothing can catch a termination.</summary>
    private static readonly TimeSpan TerminateAfter = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan GiveUpAfter = TimeSpan.FromSeconds(3);

    /// <summary>How long the announcement stays behind a termination: the session is gone before its replica has looked.</summary>
    private static readonly TimeSpan Grace = LookTime;

    /// <summary>Small enough that one delete is over in a moment.</summary>
    private const int PurgeBatch = 1000;

    private static readonly TimeSpan PurgeTime = TimeSpan.FromSeconds(30);

    /// <summary>How an activity stands; null where it is neither running nor recorded.</summary>
    /// <exception cref="NpgsqlException">The server can't be reached, or does not let the gateway in.</exception>
    public async Task<ActivityState?> FindAsync(ActivityIdentity activity, CancellationToken cancellation)
    {
        // First: what ends between the two is recorded by the second.
        var running = await ReadRunningAsync(activity, cancellation);
        return await journal.FindAsync(activity, cancellation) is { Answer: { } answer } record
            ? new ActivityState(ActivityStatus.Completed)
            {
                Answer = answer,
                RecordedAt = record.RecordedAt,
                ExpiresAt = record.ExpiresAt,
            }
            : running;
    }

    /// <summary>Cancels what the activity is running, and waits for its end.</summary>
    /// <returns>
    /// How it stands then: completed where the cancel came too late, cancelled, running still where it can't be ended; null
    /// where there is no such activity.
    /// </returns>
    /// <exception cref="NpgsqlException">The server can't be reached, or does not let the gateway in.</exception>
    public async Task<ActivityState?> CancelAsync(ActivityIdentity activity, CancellationToken cancellation)
    {
        var found = new Dictionary<int, DateTime>();
        await using (var session = await unpooled.OpenConnectionAsync(cancellation))
        {
            await AnnounceAsync(session, activity, cancellation);
            var begun = clock.GetTimestamp();
            var terminated = false;
            do
            {
                // Its tag goes with the statement's failure, and its replica looks for the announcement after that.
                terminated |= clock.GetElapsedTime(begun) >= TerminateAfter;
                foreach (var (processId, since) in await EndAsync(session, terminated, activity, cancellation))
                    found[processId] = since;
                if (!await AnyOpenAsync(session, found, cancellation))
                    break;
                await Task.Delay(Pause, clock, cancellation);
            }
            while (clock.GetElapsedTime(begun) < GiveUpAfter);
            if (terminated)
                await Task.Delay(Grace, clock, cancellation);
        }
        var state = await FindAsync(activity, cancellation);
        return state ?? (found.Count > 0 ? new ActivityState(ActivityStatus.Cancelled) : null);
    }

    /// <summary>Whether somebody is cancelling the activity through the gateway, as far as the server can be asked.</summary>
    public async Task<bool> IsBeingCancelledAsync(ActivityIdentity activity)
    {
        var announced = false;
        try
        {
            await Bounded.RunAsync(
                async ending =>
                {
                    await using var command = control.CreateCommand(Announced);
                    command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = activity.CancelKey });
                    announced = await command.ExecuteScalarAsync(ending) is true;
                },
                LookTime);
            return announced;
        }
        catch (Exception error) when (error is NpgsqlException or TimeoutException)
        {
            // Then it is a failure like others, and the activity may be run again.
            return false;
        }
    }

    /// <summary>Deletes all records that have expired, in batches.</summary>
    /// <returns>How many.</returns>
    /// <exception cref="NpgsqlException">The server can't be reached, or does not answer.</exception>
    public async Task<int> PurgeAsync(CancellationToken cancellation)
    {
        var deleted = 0;
        for (var batch = PurgeBatch; batch == PurgeBatch; deleted += batch)
            batch = await journal.PurgeAsync(PurgeBatch, PurgeTime, cancellation);
        return deleted;
    }

    private async Task<ActivityState?> ReadRunningAsync(ActivityIdentity activity, CancellationToken cancellation)
    {
        await using var command = control.CreateCommand($"SELECT pg_catalog.min(xact_start) {Running}");
        AddRunning(command, activity);
        return await command.ExecuteScalarAsync(cancellation) is DateTime since
            ? new ActivityState(ActivityStatus.Running) { RunningSince = new DateTimeOffset(since) }
            : null;
    }

    /// <summary>Adds the parameters of <see cref="Running"/>.</summary>
    private void AddRunning(NpgsqlCommand command, ActivityIdentity activity)
    {
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = activity.Mark });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = role });
    }

    /// <summary>Shared, so that two who cancel do not wait for each other; it ends with the session.</summary>
    private static async Task AnnounceAsync(NpgsqlConnection session, ActivityIdentity activity, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand("SELECT pg_catalog.pg_try_advisory_lock_shared($1)", session)
        {
            Parameters = { new NpgsqlParameter<long> { TypedValue = activity.CancelKey } },
        };
        await command.ExecuteNonQueryAsync(cancellation);
    }

    /// <returns>The sessions that run the activity, and since when their statements run.</returns>
    private async Task<IReadOnlyList<(int ProcessId, DateTime Since)>> EndAsync(
        NpgsqlConnection session, bool terminate, ActivityIdentity activity, CancellationToken cancellation)
    {
        var function = terminate ? "pg_terminate_backend" : "pg_cancel_backend";
        await using var command = new NpgsqlCommand($"SELECT pid, query_start, pg_catalog.{function}(pid) {Running}", session);
        AddRunning(command, activity);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var found = new List<(int, DateTime)>();
        while (await reader.ReadAsync(cancellation))
        {
            if (!reader.IsDBNull(1))
                found.Add((reader.GetInt32(0), reader.GetDateTime(1)));
        }
        return found;
    }

    private static async Task<bool> AnyOpenAsync(
        NpgsqlConnection session, Dictionary<int, DateTime> statements, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand(Open, session)
        {
            Parameters =
            {
                new NpgsqlParameter<int[]> { TypedValue = [.. statements.Keys] },
                new NpgsqlParameter<DateTime[]> { TypedValue = [.. statements.Values] },
            },
        };
        return await command.ExecuteScalarAsync(cancellation) is true;
    }
}

/// <summary>How an activity stands.</summary>
internal sealed record ActivityState(ActivityStatus Status)
{
    /// <summary>The recorded answer's body.</summary>
    public byte[]? Answer { get; init; }
    public DateTimeOffset? RecordedAt { get; init; }
    public DateTimeOffset? ExpiresAt { get; init; }
    public DateTimeOffset? RunningSince { get; init; }
}
