using Gateway.Api.Connections;
using Gateway.Api.Errors;
using Gateway.Contracts;
using Npgsql;
using NpgsqlTypes;

namespace Gateway.Api.Replay;

/// <summary>
/// One connection's journal, as the gateway speaks to it; <c>journal.sql</c> is the other side. Claims and answers go through
/// callers' sessions, each with a code that allows that one call. All else, the key of the codes above all, goes through the
/// control role's sessions, which no caller's SQL runs in.
/// </summary>
/// <param name="control">The control role's sessions; those of the connection's own role where it has no control role.</param>
/// <param name="role">The connection's own role, which claims.</param>
/// <param name="journalKey">What is shown for the key where there is no control role; null where there is one.</param>
/// <param name="retention">How long a record is kept at least.</param>
/// <param name="clock">The clock that the key's age counts by.</param>
internal sealed class Journal(
    NpgsqlDataSource control, string role, JournalKey? journalKey, TimeSpan retention, TimeProvider clock)
{
    /// <summary>The activity has a record: <c>claim</c>.</summary>
    public const string Recorded = "GJ001";

    /// <summary>The transaction that claimed has been ended from within: <c>finish</c>.</summary>
    public const string ClaimLost = "GJ002";

    /// <summary>The code is not valid: the key that it was made with is not the journal's, or not any more.</summary>
    public const string InvalidCode = "GJ003";

    /// <summary>What resets a session that has used the journal: as DISCARD ALL does, and functions' plans stay.</summary>
    public const string Clean = "SELECT gateway_journal.clean()";

    /// <summary>
    /// The functions that the gateway may use. A schema of that name is the journal only where the journal's owner has it, or this
    /// role itself, which then has no control role: a function that a caller's SQL has made must not run in the control role's
    /// session, nor be shown the journal key.
    /// </summary>
    private const string Look =
        $"""
        SELECT pg_catalog.bool_or(p.proname OPERATOR(pg_catalog.=) 'key' AND pg_catalog.has_function_privilege(p.oid, 'EXECUTE')),
               pg_catalog.bool_or(p.proname OPERATOR(pg_catalog.=) 'key_for' AND o.rolname OPERATOR(pg_catalog.=) '{JournalScript.Owner}'
                                  AND pg_catalog.has_function_privilege(p.oid, 'EXECUTE')),
               pg_catalog.bool_or(p.proname OPERATOR(pg_catalog.=) 'claim' AND p.pronargs OPERATOR(pg_catalog.=) 8
                                  AND pg_catalog.has_function_privilege($1, p.oid, 'EXECUTE')),
               pg_catalog.bool_or(p.proname OPERATOR(pg_catalog.=) 'key')
          FROM pg_catalog.pg_namespace n
          JOIN pg_catalog.pg_roles o ON o.oid OPERATOR(pg_catalog.=) n.nspowner
          JOIN pg_catalog.pg_proc p ON p.pronamespace OPERATOR(pg_catalog.=) n.oid AND p.proowner OPERATOR(pg_catalog.=) n.nspowner
         WHERE n.nspname OPERATOR(pg_catalog.=) 'gateway_journal'
           AND (o.rolname OPERATOR(pg_catalog.=) '{JournalScript.Owner}' OR o.rolname OPERATOR(pg_catalog.=) session_user)
           AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
        """;

    private static readonly TimeSpan LookAgainAfter = TimeSpan.FromMilliseconds(200);

    /// <summary>The journal makes a new key every day, and takes the one before for a day more.</summary>
    private static readonly TimeSpan KeyIsFresh = TimeSpan.FromHours(1);

    /// <summary>Maximum time for one question to the control role's server.</summary>
    private static readonly TimeSpan AskTime = TimeSpan.FromSeconds(5);

    private volatile KnownKey? _known;

    /// <summary>Returns the key of the codes, from memory where it is there.</summary>
    /// <returns>Null where the connection has no journal that it may use; <see cref="Missing(string)"/> says why.</returns>
    /// <exception cref="NpgsqlException">The server can't be reached or does not answer, and no key is known.</exception>
    public ValueTask<CodeKey?> FindKeyAsync(CancellationToken cancellation)
    {
        var known = _known;
        return known is not null && clock.GetElapsedTime(known.At) < (known.Key is null ? LookAgainAfter : KeyIsFresh)
            ? new ValueTask<CodeKey?>(known.Key)
            : new ValueTask<CodeKey?>(ReadKeyAgainAsync(known, cancellation));
    }

    /// <summary>Forgets a key that the journal did not take, so that the next request reads it again.</summary>
    public void Forget(CodeKey key)
    {
        var known = _known;
        if (known?.Key == key)
            Interlocked.CompareExchange(ref _known, null, known);
    }

    /// <summary>
    /// Takes the activity for the transaction, and tags the session. Where there is a record it fails, so that nothing runs that
    /// comes after. Its result is for <see cref="Replay.Claim.Parse"/>.
    /// </summary>
    /// <param name="key">The key of the codes.</param>
    /// <param name="backend">The session.</param>
    /// <param name="tag">Which activity, and what the transaction tells of it.</param>
    /// <param name="requestHash">What its record is compared by.</param>
    public NpgsqlBatchCommand Claim(CodeKey key, Backend backend, ActivityTag tag, byte[] requestHash)
    {
        var keepSeconds = (int)retention.TotalSeconds;
        var code = key.ForClaim(backend, tag.Activity, requestHash, keepSeconds, tag.ApplicationName);
        return new NpgsqlBatchCommand("SELECT gateway_journal.claim($1, $2, $3, $4, $5, $6, $7, $8)")
        {
            Parameters =
            {
                Number(key.Id), Bytes(code), Text(tag.Activity.Caller), Text(tag.Activity.Connection), Text(tag.Activity.ActivityId),
                Bytes(requestHash), Number(keepSeconds), Text(tag.ApplicationName),
            },
        };
    }

    /// <summary>Records the answer; the last before COMMIT.</summary>
    /// <param name="key">The key that the claim was made with.</param>
    /// <param name="backend">The session.</param>
    /// <param name="claim">What <see cref="Claim"/> answered.</param>
    /// <param name="answer">The body, as it is sent.</param>
    public static NpgsqlBatchCommand Finish(CodeKey key, Backend backend, Claim claim, ReadOnlyMemory<byte> answer) =>
        new("SELECT gateway_journal.finish($1, $2, $3, $4)")
        {
            Parameters =
            {
                Number(key.Id), Bytes(key.ForFinish(backend, claim, answer.Span)),
                new NpgsqlParameter { Value = claim.Row, NpgsqlDbType = NpgsqlDbType.Unknown },
                new NpgsqlParameter<ReadOnlyMemory<byte>> { TypedValue = answer, NpgsqlDbType = NpgsqlDbType.Bytea },
            },
        };

    /// <summary>Looks for the record of an activity.</summary>
    /// <returns>Null where there is none, or no journal.</returns>
    /// <exception cref="NpgsqlException">The server can't be reached, or does not answer.</exception>
    public Task<ActivityRecord?> FindAsync(ActivityIdentity activity, CancellationToken cancellation) => AskAsync(
        async (key, session, ending) =>
        {
            await using var find = new NpgsqlCommand(
                "SELECT request_hash, answer, recorded_at, expires_at FROM gateway_journal.recorded($1, $2, $3, $4, $5)", session)
            {
                Parameters =
                {
                    Number(key.Id), Bytes(key.ForRecord(activity)),
                    Text(activity.Caller), Text(activity.Connection), Text(activity.ActivityId),
                },
            };
            // A recorded answer is read into its place at once.
            await using var reader = await find.ExecuteReaderAsync(System.Data.CommandBehavior.SequentialAccess, ending);
            return await ActivityRecord.ReadAsync(reader, ending);
        },
        AskTime, cancellation);

    /// <summary>Deletes some records that have expired.</summary>
    /// <param name="atMost">Maximum number of records.</param>
    /// <param name="limit">Maximum time.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <returns>How many; 0 where there is no journal.</returns>
    /// <exception cref="NpgsqlException">The server can't be reached, or does not answer.</exception>
    public Task<int> PurgeAsync(int atMost, TimeSpan limit, CancellationToken cancellation) => AskAsync(
        async (key, session, ending) =>
        {
            await using var purge = new NpgsqlCommand("SELECT gateway_journal.purge($1, $2, $3)", session)
            {
                Parameters = { Number(key.Id), Bytes(key.ForPurge(atMost)), Number(atMost) },
            };
            return (int)(await purge.ExecuteScalarAsync(ending))!;
        },
        limit, cancellation);

    /// <summary>What an exactly-once request is told where the connection has no journal that it may use.</summary>
    /// <param name="connection">The connection's name.</param>
    public Failure Missing(string connection) => Missing(connection, _known?.State ?? JournalState.Missing);

    /// <summary>As <see cref="Missing(string)"/>, for a state.</summary>
    public static Failure Missing(string connection, JournalState state)
    {
        var install = $"\"journal install --connection {connection}\" ";
        var cure = state switch
        {
            JournalState.Outdated => $"The one there is of an earlier version than {JournalScript.Version}; {install}migrates it.",
            JournalState.Closed =>
                $"The one there is not open to this connection: set Gateway__Connections__{connection}__ControlDsn (docs/journal.md), "
                + $"or run {install}again.",
            _ => $"{install}installs it.",
        };
        return new Failure(
            ProblemCode.JournalMissing,
            $"exactly-once, the default, needs a journal in the database of connection \"{connection}\". {cure} Or send "
            + "\"delivery\": \"at-least-once\", and make the statement safe to repeat.");
    }

    /// <summary>The journal did not take the gateway's code for a session, and not after the key was read again either.</summary>
    /// <param name="connection">The connection's name.</param>
    public static Failure CodeRefused(string connection) => new(
        ProblemCode.DatabaseUnavailable,
        $"The journal of connection \"{connection}\" does not take the gateway's code for this session. Behind a pooler in transaction mode "
        + "a session changes its backend: connect the gateway to PostgreSQL itself.")
    { Refusal = new PostgresRefusal(InvalidCode) };

    /// <summary>Another transaction has the activity, and is open still.</summary>
    public static Failure InFlight() => new(
        ProblemCode.ActivityInFlight,
        "An earlier attempt of the activity is still running; its answer will be there when it has ended.");

    /// <summary>The record is another request's.</summary>
    public static Failure Mismatch() => new(
        ProblemCode.ActivityMismatch,
        "The activity ID was used for another request: its SQL, its parameters or what is asked of its answer differ. An ID "
        + "belongs to one activity of one run of a workflow.");

    /// <summary>The transaction that claimed was ended by the caller's own SQL, which no lawful statement does.</summary>
    public static Failure Escaped() => new(
        ProblemCode.SqlRejected,
        "The activity's SQL ended the gateway's transaction. What it did before that may be there, and is not done again; "
        + "look at the data.")
    { Committed = Committed.Unknown };

    /// <summary>Asks something of the journal by the control role, once more where the key has been replaced meanwhile.</summary>
    private async Task<T?> AskAsync<T>(
        Func<CodeKey, NpgsqlConnection, CancellationToken, Task<T>> ask, TimeSpan limit, CancellationToken cancellation)
    {
        for (var isSecond = false; ; isSecond = true)
        {
            if (await FindKeyAsync(cancellation) is not { } key)
                return default;
            try
            {
                return await InControlSessionAsync((session, ending) => ask(key, session, ending), limit, cancellation);
            }
            catch (PostgresException error) when (!isSecond && IsOfAnotherJournal(error))
            {
                Forget(key);
            }
        }
    }

    /// <summary>Whether the journal is not the one that the key was read from: the key is replaced, or the journal gone.</summary>
    public static bool IsOfAnotherJournal(PostgresException error) => error.SqlState is InvalidCode
        or PostgresErrorCodes.InvalidSchemaName or PostgresErrorCodes.UndefinedFunction or PostgresErrorCodes.UndefinedTable
        or PostgresErrorCodes.InsufficientPrivilege;

    private async Task<CodeKey?> ReadKeyAgainAsync(KnownKey? known, CancellationToken cancellation)
    {
        try
        {
            var read = await InControlSessionAsync(ReadKeyAsync, AskTime, cancellation);
            _known = read;
            return read.Key;
        }
        catch (NpgsqlException) when (known?.Key is not null)
        {
            // It is good for a day. Whoever is next tries again.
            return known.Key;
        }
    }

    private async Task<KnownKey> ReadKeyAsync(NpgsqlConnection session, CancellationToken cancellation)
    {
        bool mayReadKey, mayShowKey;
        await using (var look = new NpgsqlCommand(Look, session) { Parameters = { Text(role) } })
        await using (var reader = await look.ExecuteReaderAsync(cancellation))
        {
            await reader.ReadAsync(cancellation);
            if (reader.IsDBNull(0))
                return Unknown(JournalState.Missing);
            if (!reader.GetBoolean(3))
                return Unknown(JournalState.Outdated);
            (mayReadKey, mayShowKey) = (reader.GetBoolean(0), reader.GetBoolean(1) && journalKey is not null);
            if (!reader.GetBoolean(2) || (!mayReadKey && !mayShowKey))
                return Unknown(JournalState.Closed);
        }
        await using var command = new NpgsqlCommand(
            $"SELECT key_id, key_secret FROM gateway_journal.{(mayReadKey ? "key()" : "key_for($1)")}", session);
        if (!mayReadKey)
            command.Parameters.Add(Bytes(journalKey!.Bytes));
        try
        {
            await using var reader = await command.ExecuteReaderAsync(cancellation);
            await reader.ReadAsync(cancellation);
            // A standby has none that its primary never made.
            return reader.IsDBNull(0)
                ? Unknown(JournalState.Missing)
                : new KnownKey(new CodeKey(reader.GetInt32(0), reader.GetFieldValue<byte[]>(1)), JournalState.Open, clock.GetTimestamp());
        }
        catch (PostgresException error) when (error.SqlState == InvalidCode)
        {
            return Unknown(JournalState.Closed);
        }
    }

    private KnownKey Unknown(JournalState state) => new(null, state, clock.GetTimestamp());

    /// <summary>Asks in a session of the control role; in another one where its server had closed the first.</summary>
    private async Task<T> InControlSessionAsync<T>(
        Func<NpgsqlConnection, CancellationToken, Task<T>> ask, TimeSpan limit, CancellationToken cancellation)
    {
        for (var isSecond = false; ; isSecond = true)
        {
            T answer = default!;
            try
            {
                await Bounded.RunAsync(
                    async ending =>
                    {
                        await using var session = await control.OpenConnectionAsync(ending);
                        answer = await ask(session, ending);
                    },
                    limit, cancellation);
                return answer;
            }
            catch (NpgsqlException error) when (!isSecond && (error is not PostgresException refusal || PostgresFailure.EndsSession(refusal)))
            {
                // Those that are idle are most likely closed as well.
                control.Clear();
            }
            catch (TimeoutException error)
            {
                throw new NpgsqlException("The server does not answer.", error);
            }
        }
    }

    private static NpgsqlParameter<int> Number(int value) => new() { TypedValue = value };

    private static NpgsqlParameter<string> Text(string value) => new() { TypedValue = value };

    private static NpgsqlParameter<byte[]> Bytes(byte[] value) => new() { TypedValue = value, NpgsqlDbType = NpgsqlDbType.Bytea };

    /// <summary>What the last look at the journal found.</summary>
    /// <param name="Key">The key; null where there is none for this connection.</param>
    /// <param name="State">Why.</param>
    /// <param name="At">The clock's timestamp then.</param>
    private sealed record KnownKey(CodeKey? Key, JournalState State, long At);
}

/// <summary>Whether a connection can use its journal.</summary>
internal enum JournalState
{
    /// <summary>It can.</summary>
    Open,

    /// <summary>The database has none.</summary>
    Missing,

    /// <summary>There is one of an earlier version.</summary>
    Outdated,

    /// <summary>There is one, which neither the control role nor the journal key opens.</summary>
    Closed,
}
