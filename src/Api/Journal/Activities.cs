using Gateway.Api.Postgres;
using Gateway.Contracts;
using Npgsql;

namespace Gateway.Api.Journal;

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
    ActivityJournal journal, ControlSessions control, NpgsqlDataSource unpooled, string role, TimeProvider clock)
{
    /// <summary>
    /// The role's transactions. Here and below all names are qualified, and operators are: one of public's could fit better, and
    /// would be a caller's SQL in a session of the control role.
    /// </summary>
    private const string Transactions =
        """
        SELECT pid, client_port, application_name, xact_start
          FROM pg_catalog.pg_stat_activity
         WHERE datname OPERATOR(pg_catalog.=) pg_catalog.current_database() AND usename OPERATOR(pg_catalog.=) $1
           AND xact_start IS NOT NULL AND client_port IS NOT NULL
        """;

    /// <summary>Those that are still the same, to be ended.</summary>
    private const string StillOpen =
        """
          FROM pg_catalog.pg_stat_activity a
          JOIN ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3)) AS t (pid, tag, xact_start)
            ON a.pid OPERATOR(pg_catalog.=) t.pid AND a.application_name OPERATOR(pg_catalog.=) t.tag
               AND a.xact_start OPERATOR(pg_catalog.=) t.xact_start
         WHERE a.query_start IS NOT NULL
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
    /// A cancel is announced by the name of the session that cancels, so that the replica whose statement fails by it can tell it from
    /// others. Only the control role's sessions count: callers' SQL can give its own session any name, and can take any lock.
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
        var running = await FindRunningAsync(activity, cancellation);
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
        var keys = await journal.ReadKeysAsync(cancellation);
        await using (var session = await unpooled.OpenConnectionAsync(cancellation))
        {
            await AnnounceAsync(session, activity, cancellation);
            var begun = clock.GetTimestamp();
            var terminated = false;
            do
            {
                // Its tag goes with the statement's failure, and its replica looks for the announcement after that.
                terminated |= clock.GetElapsedTime(begun) >= TerminateAfter;
                var running = await ReadRunningAsync(session, activity, keys, cancellation);
                foreach (var (processId, since) in await EndAsync(session, terminated, running, cancellation))
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
        try
        {
            return await control.AskAsync(
                async (session, ending) =>
                {
                    await using var command = new NpgsqlCommand(Announced, session)
                    {
                        Parameters = { new NpgsqlParameter<string> { TypedValue = activity.CancelName } },
                    };
                    return await command.ExecuteScalarAsync(ending) is true;
                },
                CancellationToken.None, LookTime);
        }
        catch (NpgsqlException)
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

    private async Task<ActivityState?> FindRunningAsync(ActivityIdentity activity, CancellationToken cancellation)
    {
        var keys = await journal.ReadKeysAsync(cancellation);
        var running = await control.AskAsync((session, ending) => ReadRunningAsync(session, activity, keys, ending), cancellation);
        return running.Count == 0
            ? null
            : new ActivityState(ActivityStatus.Running) { RunningSince = new DateTimeOffset(running.Min(transaction => transaction.Since)) };
    }

    /// <returns>The transactions that run the activity.</returns>
    private async Task<IReadOnlyList<TaggedTransaction>> ReadRunningAsync(
        NpgsqlConnection session, ActivityIdentity activity, IReadOnlyList<CodeKey> keys, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand(Transactions, session)
        {
            Parameters = { new NpgsqlParameter<string> { TypedValue = role } },
        };
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var running = new List<TaggedTransaction>();
        while (await reader.ReadAsync(cancellation))
        {
            var transaction = new TaggedTransaction(reader.GetInt32(0), reader.GetString(2), reader.GetDateTime(3));
            var port = reader.GetInt32(1);
            if (activity.IsTaggedBy(
                transaction.Tag, keys, new Backend(transaction.ProcessId, port == Backend.UnixSocket ? null : port)))
            {
                running.Add(transaction);
            }
        }
        return running;
    }

    /// <summary>It ends with the session.</summary>
    private static async Task AnnounceAsync(NpgsqlConnection session, ActivityIdentity activity, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand("SELECT pg_catalog.set_config('application_name', $1, false)", session)
        {
            Parameters = { new NpgsqlParameter<string> { TypedValue = activity.CancelName } },
        };
        await command.ExecuteNonQueryAsync(cancellation);
    }

    /// <summary>Ends those of the transactions that are open still.</summary>
    /// <returns>Their sessions, and since when their statements run.</returns>
    private static async Task<IReadOnlyList<(int ProcessId, DateTime Since)>> EndAsync(
        NpgsqlConnection session, bool terminate, IReadOnlyList<TaggedTransaction> transactions, CancellationToken cancellation)
    {
        var function = terminate ? "pg_terminate_backend" : "pg_cancel_backend";
        await using var command = new NpgsqlCommand($"SELECT a.pid, a.query_start, pg_catalog.{function}(a.pid) {StillOpen}", session)
        {
            Parameters =
            {
                new NpgsqlParameter<int[]> { TypedValue = [.. transactions.Select(transaction => transaction.ProcessId)] },
                new NpgsqlParameter<string[]> { TypedValue = [.. transactions.Select(transaction => transaction.Tag)] },
                new NpgsqlParameter<DateTime[]> { TypedValue = [.. transactions.Select(transaction => transaction.Since)] },
            },
        };
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var found = new List<(int, DateTime)>();
        while (await reader.ReadAsync(cancellation))
            found.Add((reader.GetInt32(0), reader.GetDateTime(1)));
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

    /// <summary>An open transaction whose session has a tag.</summary>
    private sealed record TaggedTransaction(int ProcessId, string Tag, DateTime Since);
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
