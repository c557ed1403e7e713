using Dapper;
using Gateway.Api.Errors;
using Gateway.Api.Postgres;
using Gateway.Contracts;
using Npgsql;
using NpgsqlTypes;

namespace Gateway.Api.Journal;

/// <summary>
/// Calls one connection's journal; <c>journal.sql</c> implements it. Claims and answers go through callers' sessions,
/// each with a code that allows that one call. Everything else, especially the key of the codes, goes through the
/// control role's sessions, in which no caller's SQL runs.
/// </summary>
/// <param name="control">
/// The control role's sessions; without a control role, those of the connection's own role.
/// </param>
/// <param name="role">The connection's own role, which makes the claims.</param>
/// <param name="journalKey">
/// The secret that is exchanged for the key if there is no control role; null if there is one.
/// </param>
/// <param name="retention">The minimum time that a record is kept.</param>
/// <param name="clock">The clock for the key's age.</param>
internal sealed class ActivityJournal(
    ControlSessions control, string role, JournalKey? journalKey, TimeSpan retention, TimeProvider clock)
{
    /// <summary>The SQLSTATE of <c>claim</c> if the activity has a record.</summary>
    public const string Recorded = PostgresErrorCodes.UniqueViolation;

    /// <summary>The SQLSTATE of <c>finish</c> if the caller's SQL has ended the transaction of the claim.</summary>
    public const string ClaimLost = "GJ002";

    /// <summary>The SQLSTATE for an invalid code: its key is not the journal's, or no longer.</summary>
    public const string InvalidCode = "GJ003";

    /// <summary>
    /// Resets a session that has used the journal. As DISCARD ALL, but it keeps the plans of functions.
    /// </summary>
    public const string Clean = "CALL gateway_journal.clean_session()";

    /// <summary>
    /// Finds the functions that the gateway may use. A schema of that name counts as the journal only if its owner is
    /// the journal's owner, or this role itself, which then has no control role. A caller's function must not run in
    /// the control role's session, and must not receive the journal key.
    /// </summary>
    private const string Look =
        $"""
        SELECT pg_catalog.bool_or(p.proname OPERATOR(pg_catalog.=) 'keys'
                                  AND pg_catalog.has_function_privilege(p.oid, 'EXECUTE')),
               pg_catalog.bool_or(p.proname OPERATOR(pg_catalog.=) 'keys_for'
                                  AND o.rolname OPERATOR(pg_catalog.=) '{JournalScript.Owner}'
                                  AND pg_catalog.has_function_privilege(p.oid, 'EXECUTE')),
               pg_catalog.bool_or(p.proname OPERATOR(pg_catalog.=) 'claim' AND p.pronargs OPERATOR(pg_catalog.=) 9
                                  AND pg_catalog.has_function_privilege($1, p.oid, 'EXECUTE')),
               pg_catalog.bool_or(p.proname OPERATOR(pg_catalog.=) 'claim' AND p.pronargs OPERATOR(pg_catalog.=) 9),
               pg_catalog.pg_is_in_recovery(),
               pg_catalog.max(pg_catalog.substring(
                   pg_catalog.obj_description(n.oid, 'pg_namespace'), 'version ([0-9][0-9]?[0-9]?)$')::pg_catalog.int4)
          FROM pg_catalog.pg_namespace n
          JOIN pg_catalog.pg_roles o ON o.oid OPERATOR(pg_catalog.=) n.nspowner
          JOIN pg_catalog.pg_proc p ON p.pronamespace OPERATOR(pg_catalog.=) n.oid
                                   AND p.proowner OPERATOR(pg_catalog.=) n.nspowner
         WHERE n.nspname OPERATOR(pg_catalog.=) 'gateway_journal'
           AND (o.rolname OPERATOR(pg_catalog.=) '{JournalScript.Owner}'
                OR o.rolname OPERATOR(pg_catalog.=) session_user)
           AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
        """;

    /// <summary>Maximum age of the state that <see cref="LookAsync"/> returns while the journal can be used.</summary>
    private static readonly TimeSpan StateIsFresh = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan ContentsTime = TimeSpan.FromSeconds(30);

    /// <summary>The number of records per delete, small enough that one delete is short.</summary>
    private const int PurgeBatch = 1000;

    private static readonly TimeSpan PurgeTime = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan LookAgainAfter = TimeSpan.FromMilliseconds(200);

    /// <summary>
    /// The interval for connections without a journal, where a request would otherwise pay a round trip for each look.
    /// </summary>
    private static readonly TimeSpan LookAgainForTagsAfter = TimeSpan.FromMinutes(1);

    /// <summary>
    /// The maximum age of the cached key. The journal makes a new key every day, and accepts the previous one for
    /// another day.
    /// </summary>
    private static readonly TimeSpan KeyIsFresh = TimeSpan.FromHours(1);

    private readonly PositionSupport _positions = new(clock);
    private volatile KnownKeys? _known;
    private volatile JournalContents? _contents;

    // The clock's timestamp of the last failure; 0 for none.
    private long _tagKeyFailed;

    /// <summary>Gets the state as seen last; null before the first look.</summary>
    public JournalState? State => _known?.State;

    /// <summary>Gets or sets what the journal held last; null if that is not known.</summary>
    public JournalContents? Contents { get => _contents; set => _contents = value; }

    /// <summary>Gets the installed version as seen last; null if there is no journal, or it does not say.</summary>
    public int? Version => _known?.Version;

    /// <summary>Returns the state. Looks again if the journal can't be used, or the last look is not recent.</summary>
    /// <param name="cancellation">Ends the wait.</param>
    /// <param name="limit">The maximum time for one try; null for the default.</param>
    /// <exception cref="NpgsqlException">The server can't be reached, or does not answer.</exception>
    public async Task<JournalState> LookAsync(CancellationToken cancellation, TimeSpan? limit = null)
    {
        var known = _known;
        if (known?.State.IsUsable() is not true || clock.GetElapsedTime(known.At) >= StateIsFresh)
            _known = known = await control.AskAsync(ReadKeysAsync, cancellation, limit);
        return known.State;
    }

    /// <summary>Returns the key of the codes, from the cache if possible.</summary>
    /// <returns>
    /// Null if the connection has no journal that it may use; <see cref="Missing(string)"/> says why.
    /// </returns>
    /// <exception cref="NpgsqlException">
    /// The server can't be reached or does not answer, and no key is cached.
    /// </exception>
    public ValueTask<CodeKey?> FindKeyAsync(CancellationToken cancellation) =>
        FindKeyAsync(LookAgainAfter, cancellation);

    /// <summary>
    /// Returns the key for the tag of a request that is not recorded. Such a request can run without a key.
    /// </summary>
    /// <returns>Null if there is none, or reading it has just failed.</returns>
    public ValueTask<CodeKey?> FindTagKeyAsync(CancellationToken cancellation)
    {
        var failed = Volatile.Read(ref _tagKeyFailed);
        var hasJustFailed = failed != 0 && clock.GetElapsedTime(failed) < ControlSessions.AskTime;
        var known = _known;
        return hasJustFailed || IsFresh(known, LookAgainForTagsAfter)
            ? new(known?.Newest)
            : ReadTagKeyAsync(cancellation);
    }

    /// <summary>Reads the keys that tags may have been made with.</summary>
    /// <returns>The key in use and the previous one; none if the connection has no journal that it may use.</returns>
    /// <exception cref="NpgsqlException">The server can't be reached, or does not answer.</exception>
    public async Task<IReadOnlyList<CodeKey>> ReadKeysAsync(CancellationToken cancellation) =>
        (_known = await control.AskAsync(ReadKeysAsync, cancellation)).Keys;

    /// <summary>
    /// Removes a key that the journal refused from the cache, so that the next request reads it again.
    /// </summary>
    public void Forget(CodeKey key)
    {
        var known = _known;
        if (known?.Newest == key)
            Interlocked.CompareExchange(ref _known, null, known);
    }

    /// <summary>
    /// Returns the command that claims the activity for the transaction, and tags the session. If there is a record,
    /// the command fails, so that the following statements do not run. Its result is <see cref="Journal.Claim.Row"/>.
    /// </summary>
    /// <param name="key">The key of the codes.</param>
    /// <param name="backend">The session.</param>
    /// <param name="tag">The activity, and the transaction's tags.</param>
    /// <param name="requestHash">The hash that the record is compared by.</param>
    /// <param name="proof">A new proof.</param>
    public NpgsqlBatchCommand Claim(
        CodeKey key, Backend backend, ActivityTag tag, byte[] requestHash, ClaimProof proof)
    {
        var keepSeconds = (int)retention.TotalSeconds;
        var code = key.ForClaim(backend, tag.Activity, requestHash, keepSeconds, tag.ApplicationName, proof);
        return new NpgsqlBatchCommand("SELECT gateway_journal.claim($1, $2, $3, $4, $5, $6, $7, $8, $9)")
        {
            Parameters =
            {
                Number(key.Id), Bytes(code),
                Text(tag.Activity.Caller), Text(tag.Activity.Connection), Text(tag.Activity.ActivityId),
                Bytes(requestHash), Number(keepSeconds), Text(tag.ApplicationName), Bytes(proof.Digest),
            },
        };
    }

    /// <summary>
    /// Returns the command that records the answer. After it, only deferred triggers of the caller's SQL can run.
    /// </summary>
    /// <param name="claim">The claim.</param>
    /// <param name="answer">The body, as it is sent.</param>
    public static NpgsqlBatchCommand Finish(Claim claim, ReadOnlyMemory<byte> answer) =>
        new("CALL gateway_journal.finish($1, $2, $3)")
        {
            Parameters =
            {
                Bytes(claim.Proof.Secret),
                new NpgsqlParameter { Value = claim.Row, NpgsqlDbType = NpgsqlDbType.Unknown },
                new NpgsqlParameter<ReadOnlyMemory<byte>> { TypedValue = answer, NpgsqlDbType = NpgsqlDbType.Bytea },
            },
        };

    /// <summary>Finds the record of an activity.</summary>
    /// <returns>Null if there is no record, or no journal.</returns>
    /// <exception cref="NpgsqlException">The server can't be reached, or does not answer.</exception>
    public Task<ActivityRecord?> FindAsync(ActivityIdentity activity, CancellationToken cancellation) => AskAsync(
        async (key, session, ending) =>
        {
            var find = new NpgsqlBatchCommand(
                "SELECT request_hash, answer, recorded_at, expires_at "
                + "FROM gateway_journal.recorded($1, $2, $3, $4, $5)")
            {
                Parameters =
                {
                    Number(key.Id), Bytes(key.ForRecord(activity)),
                    Text(activity.Caller), Text(activity.Connection), Text(activity.ActivityId),
                },
            };
            await using var batch = new NpgsqlBatch(session) { BatchCommands = { find } };
            var asksPosition = _positions.IsExpected;
            if (asksPosition)
                batch.BatchCommands.Add(new NpgsqlBatchCommand(ServerPosition.Select));
            // Sequential access: the answer is read directly into its array.
            await using var reader =
                await batch.ExecuteReaderAsync(System.Data.CommandBehavior.SequentialAccess, ending);
            var record = await ActivityRecord.ReadAsync(reader, ending);
            var position = asksPosition ? await ReadPositionAsync(reader, ending) : null;
            return record is null ? null : record with { Position = position };
        },
        cancellation);

    /// <summary>Deletes all expired records, in batches.</summary>
    /// <returns>The number of deleted records.</returns>
    /// <exception cref="NpgsqlException">The server can't be reached, or does not answer.</exception>
    public async Task<int> PurgeAsync(CancellationToken cancellation)
    {
        var deleted = 0;
        for (var batch = PurgeBatch; batch == PurgeBatch; deleted += batch)
            batch = await PurgeAsync(PurgeBatch, PurgeTime, cancellation);
        return deleted;
    }

    /// <summary>Deletes some expired records.</summary>
    /// <param name="atMost">Maximum number of records.</param>
    /// <param name="limit">Maximum time.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <returns>The number of deleted records; 0 if there is no journal, or the server is a standby.</returns>
    /// <exception cref="NpgsqlException">The server can't be reached, or does not answer.</exception>
    public async Task<int> PurgeAsync(int atMost, TimeSpan limit, CancellationToken cancellation)
    {
        try
        {
            return await AskAsync(
                (key, session, ending) => session.ExecuteScalarAsync<int>(FixedStatement.Of(
                    "SELECT gateway_journal.purge($1, $2, $3)", ending, key.Id, key.ForPurge(atMost), atMost)),
                cancellation, limit);
        }
        catch (PostgresException error) when (error.SqlState == PostgresErrorCodes.ReadOnlySqlTransaction)
        {
            // A standby gets the deletions of its primary.
            return 0;
        }
    }

    /// <summary>Reads what the journal holds.</summary>
    /// <returns>Null if the connection has no journal that it may use.</returns>
    /// <exception cref="NpgsqlException">The server can't be reached, or does not answer.</exception>
    public Task<JournalContents?> ReadContentsAsync(CancellationToken cancellation) => AskAsync(
        async (key, session, ending) =>
        {
            var (records, isEstimate, bytes, expired, oldest) =
                await session.QuerySingleAsync<(long, bool, long, long, DateTime?)>(FixedStatement.Of(
                    "SELECT records, is_estimate, bytes, expired, oldest FROM gateway_journal.status($1, $2)",
                    ending, key.Id, key.ForStatus()));
            return new JournalContents(records, isEstimate, bytes, expired, oldest);
        },
        cancellation, ContentsTime);

    /// <summary>
    /// Returns the failure for an exactly-once request on a connection without a journal that it may use.
    /// </summary>
    /// <param name="connection">The connection's name.</param>
    public Failure Missing(string connection) => _known is { Newest: null, State: var state }
        ? Missing(connection, state)
        // Another request or check has seen more in the meantime.
        : new Failure(
            ProblemCode.DatabaseUnavailable,
            $"The journal of connection \"{connection}\" has just changed; send the request again.");

    /// <summary>Same as <see cref="Missing(string)"/>, for a given state.</summary>
    public static Failure Missing(string connection, JournalState state)
    {
        if (state == JournalState.OnStandby)
            return PostgresFailure.Standby(connection);
        var install = $"\"journal install --connection {connection}\" ";
        var cure = state switch
        {
            JournalState.Incompatible =>
                "A later gateway installed the one there is, and this gateway can't use it: replace this gateway.",
            JournalState.Outdated =>
                $"The one there is of an earlier version than {JournalScript.Version}; {install}migrates it.",
            JournalState.Closed =>
                "The one there is not open to this connection: "
                + $"set Gateway__Connections__{connection}__ControlDsn (docs/journal.md), or run {install}again.",
            _ => $"{install}installs it.",
        };
        return new Failure(
            ProblemCode.JournalMissing,
            $"exactly-once, the default, needs a journal in the database of connection \"{connection}\". {cure} "
            + "Or send \"delivery\": \"at-least-once\", and make the statement safe to repeat.");
    }

    /// <summary>
    /// Returns the failure for a session whose codes the journal refuses, even after the key was read again.
    /// </summary>
    /// <param name="connection">The connection's name.</param>
    public static Failure CodeRefused(string connection) => new(
        ProblemCode.DatabaseUnavailable,
        $"The journal of connection \"{connection}\" does not take the gateway's code for this session. "
        + "Behind a pooler in transaction mode a session changes its backend: "
        + "set session mode, or connect the gateway to PostgreSQL itself (docs/poolers.md).")
    { Refusal = new PostgresRefusal(InvalidCode) };

    /// <summary>Returns the failure for an activity that another open transaction has claimed.</summary>
    /// <param name="age">How long that transaction has been open; null if that is not known.</param>
    public static Failure InFlight(TimeSpan? age = null)
    {
        var since = age is { } known ? $", for {known.TotalSeconds:0} s so far" : "";
        // A short pause in relation to the time it has run, because nobody waits for its answer meanwhile.
        return InFlight(since, (age ?? TimeSpan.Zero) / 10);
    }

    /// <summary>Returns the failure for an activity that is running, if too many requests wait for theirs.</summary>
    public static Failure TooManyWait() =>
        InFlight(", and too many requests wait for such attempts", TimeSpan.FromSeconds(5));

    private static Failure InFlight(string also, TimeSpan retryAfter) => new(
        ProblemCode.ActivityInFlight,
        $"An earlier attempt of the activity is still running{also}. Send the request again: it waits for that "
        + "attempt, within its own timeoutMs, and gets that attempt's answer.")
    {
        Committed = Committed.Unknown,
        RetryAfterSeconds = Math.Max(1, (int)retryAfter.TotalSeconds),
    };

    /// <summary>Returns the failure for a request whose activity was cancelled while it waited for it.</summary>
    public static Failure Cancelled() => new(
        ProblemCode.Cancelled, "The activity was cancelled while this request waited for an earlier attempt of it.");

    /// <summary>Returns the failure for an activity whose record is of another request.</summary>
    public static Failure Mismatch() => new(
        ProblemCode.ActivityMismatch,
        "The activity ID was used for another request: its SQL, its parameters or what is asked of its answer differ. "
        + "An ID belongs to one activity of one run of a workflow.");

    /// <summary>
    /// Returns the failure for a transaction that the caller's own SQL ended after the claim. No allowed statement can
    /// do that.
    /// </summary>
    public static Failure Escaped() => new(
        ProblemCode.SqlRejected,
        "The activity's SQL ended the gateway's transaction. What it did before that may be there, and is not done "
        + "again; look at the data.")
    { Committed = Committed.Unknown };

    /// <summary>Calls the journal with the control role; once more if the key has been replaced.</summary>
    private async Task<T?> AskAsync<T>(
        Func<CodeKey, NpgsqlConnection, CancellationToken, Task<T>> ask,
        CancellationToken cancellation, TimeSpan? limit = null)
    {
        for (var isSecond = false; ; isSecond = true)
        {
            if (await FindKeyAsync(cancellation) is not { } key)
                return default;
            try
            {
                return await control.AskAsync((session, ending) => ask(key, session, ending), cancellation, limit);
            }
            catch (PostgresException error) when (!isSecond && IsOfAnotherJournal(error))
            {
                Forget(key);
            }
        }
    }

    /// <summary>
    /// Returns whether the key was read from another journal: the key was replaced, or the journal is gone.
    /// </summary>
    public static bool IsOfAnotherJournal(PostgresException error) => error.SqlState is InvalidCode
        or PostgresErrorCodes.InvalidSchemaName or PostgresErrorCodes.UndefinedFunction
        or PostgresErrorCodes.UndefinedTable or PostgresErrorCodes.InsufficientPrivilege;

    private ValueTask<CodeKey?> FindKeyAsync(TimeSpan lookAgainAfter, CancellationToken cancellation)
    {
        var known = _known;
        return IsFresh(known, lookAgainAfter) ? new(known?.Newest) : new(FindKeyAgainAsync(known, cancellation));
    }

    private async ValueTask<CodeKey?> ReadTagKeyAsync(CancellationToken cancellation)
    {
        try
        {
            return await FindKeyAgainAsync(_known, cancellation);
        }
        catch (NpgsqlException)
        {
            // Remembered, so that not every read waits for a server that does not answer.
            Volatile.Write(ref _tagKeyFailed, clock.GetTimestamp());
            return _known?.Newest;
        }
    }

    private bool IsFresh(KnownKeys? known, TimeSpan lookAgainAfter) =>
        known is not null && clock.GetElapsedTime(known.At) < (known.Newest is null ? lookAgainAfter : KeyIsFresh);

    private async Task<CodeKey?> FindKeyAgainAsync(KnownKeys? known, CancellationToken cancellation)
    {
        try
        {
            return await ReadKeysAsync(cancellation) is [var newest, ..] ? newest : null;
        }
        catch (NpgsqlException) when (known?.Newest is not null)
        {
            // The key is valid for a day. The next request tries again.
            return known.Newest;
        }
    }

    private async Task<ServerPosition?> ReadPositionAsync(NpgsqlDataReader reader, CancellationToken cancellation)
    {
        try
        {
            await reader.NextResultAsync(cancellation);
            return await ServerPosition.ReadAsync(reader, isInserted: false, cancellation);
        }
        catch (PostgresException error) when (ServerPosition.IsMissing(error))
        {
            _positions.SetMissing();
            return null;
        }
    }

    private async Task<KnownKeys> ReadKeysAsync(NpgsqlConnection session, CancellationToken cancellation)
    {
        // An aggregate of no functions is null.
        var (mayReadKeys, takesJournalKey, mayClaim, isCurrent, isStandby, version) =
            await session.QuerySingleAsync<(bool?, bool, bool, bool, bool, int?)>(
                FixedStatement.Of(Look, cancellation, role));
        if (mayReadKeys is null)
            return None(JournalState.Missing);
        if (!isCurrent)
            return None(version > JournalScript.Version ? JournalState.Incompatible : JournalState.Outdated);
        if (!mayClaim || !(mayReadKeys.Value || (takesJournalKey && journalKey is not null)))
            return None(JournalState.Closed);
        var read = mayReadKeys.Value
            ? FixedStatement.Of("SELECT key_id, key_secret FROM gateway_journal.keys()", cancellation)
            : FixedStatement.Of(
                "SELECT key_id, key_secret FROM gateway_journal.keys_for($1)", cancellation, journalKey!.Bytes);
        try
        {
            var rows = await session.QueryAsync<(int Id, byte[] Secret)>(read);
            var keys = rows.Select(row => FindKnown(row.Id, row.Secret) ?? new CodeKey(row.Id, row.Secret)).ToList();
            var state = isStandby ? JournalState.OnStandby
                : keys.Count == 0 ? JournalState.Missing
                : version > JournalScript.Version ? JournalState.Newer
                : JournalState.Open;
            return new KnownKeys(keys, state, version, clock.GetTimestamp());
        }
        catch (PostgresException error) when (error.SqlState == InvalidCode)
        {
            return None(JournalState.Closed);
        }

        // A known key has hashes that are prepared for it.
        CodeKey? FindKnown(int id, byte[] secret) =>
            _known?.Keys.FirstOrDefault(key => key.Id == id && key.Secret.AsSpan().SequenceEqual(secret));

        // The primary may have what a standby does not have yet.
        KnownKeys None(JournalState state) =>
            new([], isStandby ? JournalState.OnStandby : state, version, clock.GetTimestamp());
    }

    private static NpgsqlParameter<int> Number(int value) => new() { TypedValue = value };

    private static NpgsqlParameter<string> Text(string value) => new() { TypedValue = value };

    private static NpgsqlParameter<byte[]> Bytes(byte[] value) =>
        new() { TypedValue = value, NpgsqlDbType = NpgsqlDbType.Bytea };

    /// <summary>Represents the result of the last look at the journal.</summary>
    /// <param name="Keys">The keys, newest first; empty if there are none for this connection.</param>
    /// <param name="State">The journal's state.</param>
    /// <param name="Version">The installed version; null if there is none, or it does not say.</param>
    /// <param name="At">The clock's timestamp of the look.</param>
    private sealed record KnownKeys(IReadOnlyList<CodeKey> Keys, JournalState State, int? Version, long At)
    {
        /// <summary>Gets the key in use.</summary>
        public CodeKey? Newest => Keys is [var newest, ..] ? newest : null;
    }
}

/// <summary>Represents what a journal holds.</summary>
/// <param name="Records">The number of records.</param>
/// <param name="IsEstimate">Whether that number is an estimate.</param>
/// <param name="Bytes">The size of the table and its indexes.</param>
/// <param name="Expired">The number of expired records, at most 100,000.</param>
/// <param name="Oldest">When the record was made that expires first; null if there is none.</param>
internal sealed record JournalContents(long Records, bool IsEstimate, long Bytes, long Expired, DateTime? Oldest);
