using Gateway.Api.Errors;
using Gateway.Contracts;
using Npgsql;
using NpgsqlTypes;

namespace Gateway.Api.Replay;

/// <summary>
/// One connection's journal, as the gateway speaks to it; <c>journal.sql</c> is the other side. Its functions ask for the
/// session's proof, which callers' SQL, in the same session and by the same role, can't know.
/// </summary>
/// <param name="retention">How long a record is kept at least.</param>
/// <param name="clock">The clock that a look at the database counts by.</param>
internal sealed class Journal(TimeSpan retention, TimeProvider clock)
{
    /// <summary>The activity has a record: <c>claim</c>.</summary>
    public const string Recorded = "GJ001";

    /// <summary>The transaction that claimed has been ended from within: <c>finish</c>.</summary>
    public const string ClaimLost = "GJ002";

    /// <summary>
    /// The session may not, or not any more: <c>enter</c>, where the session is older than the journal, or an earlier one left
    /// its proof under the same process ID; the others, where a purge took this session's.
    /// </summary>
    public const string Taken = "GJ003";

    /// <summary>
    /// Its operators too are PostgreSQL's: a role may set its own search_path for all sessions to come, and a function that
    /// a caller's SQL has made would else run before the session is entered, and enter it.
    /// </summary>
    private const string HasEntrance =
        """
        SELECT NOT pg_catalog.pg_is_in_recovery() AND coalesce(pg_catalog.bool_and(
               pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_function_privilege(p.oid, 'EXECUTE')), false)
          FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_proc p ON p.pronamespace OPERATOR(pg_catalog.=) n.oid
         WHERE n.nspname OPERATOR(pg_catalog.=) 'gateway_journal'
           AND (p.proname OPERATOR(pg_catalog.=) 'enter' OR p.proname OPERATOR(pg_catalog.=) 'claim')
        """;

    private static readonly TimeSpan LookAgainAfter = TimeSpan.FromMilliseconds(200);

    // Of the gateway's own sessions, which no caller's SQL runs in; each may be given it several times.
    private readonly Guid _ownProof = Guid.NewGuid();
    private long _foundMissing;

    /// <summary>What a session's reset is where it has entered: as DISCARD ALL, and functions' plans stay.</summary>
    public const string Clean = "SELECT gateway_journal.clean()";

    /// <summary>
    /// Whether a session has just found that it may not use a journal: opening another to look again would be in vain.
    /// </summary>
    public bool IsMissing => Volatile.Read(ref _foundMissing) is not 0 and var found && clock.GetElapsedTime(found) < LookAgainAfter;

    /// <summary>
    /// Leaves a proof with the journal, in a session that no caller's SQL has run in yet: one that is new to each session, so
    /// that what only looks like a journal can do nothing with it.
    /// </summary>
    /// <returns>
    /// The proof, where the session may use the journal: there is one, of this version or a later one, and the role may. Else
    /// null.
    /// </returns>
    /// <exception cref="NpgsqlException">
    /// The session was lost; or an earlier one left its proof under the same process ID, and a new session is needed.
    /// </exception>
    public async Task<Guid?> EnterAsync(NpgsqlConnection session, CancellationToken cancellation)
    {
        var proof = Guid.NewGuid();
        return await EnterAsync(session, proof, cancellation) ? proof : null;
    }

    private async Task<bool> EnterAsync(NpgsqlConnection session, Guid proof, CancellationToken cancellation)
    {
        await using var look = new NpgsqlCommand(HasEntrance, session);
        await using var enter = new NpgsqlCommand("SELECT gateway_journal.enter($1)", session) { Parameters = { Uuid(proof) } };
        var enters = await look.ExecuteScalarAsync(cancellation) is true
            && await enter.ExecuteScalarAsync(cancellation) is >= JournalScript.Version;
        Volatile.Write(ref _foundMissing, enters ? 0 : clock.GetTimestamp());
        return enters;
    }

    /// <summary>
    /// Takes the activity for the transaction, and tags the session. Where there is a record it fails, so that nothing runs that
    /// comes after. Its result is where the claim is.
    /// </summary>
    /// <param name="proof">The session's.</param>
    /// <param name="tag">Which activity, and what the transaction tells of it.</param>
    /// <param name="requestHash">What its record is compared by.</param>
    public NpgsqlBatchCommand Claim(Guid proof, ActivityTag tag, byte[] requestHash) =>
        new("SELECT gateway_journal.claim($1, $2, $3, $4, $5, $6, $7)")
        {
            Parameters =
            {
                Uuid(proof), Text(tag.Activity.Caller), Text(tag.Activity.Connection), Text(tag.Activity.ActivityId),
                new NpgsqlParameter<byte[]> { TypedValue = requestHash, NpgsqlDbType = NpgsqlDbType.Bytea },
                new NpgsqlParameter<int> { TypedValue = (int)retention.TotalSeconds }, Text(tag.ApplicationName),
            },
        };

    /// <summary>Looks for the record; <see cref="ActivityRecord"/> reads the result.</summary>
    /// <param name="proof">The session's.</param>
    /// <param name="activity">Which activity.</param>
    public static NpgsqlBatchCommand Find(Guid proof, ActivityIdentity activity) =>
        new("SELECT request_hash, answer, recorded_at, expires_at FROM gateway_journal.recorded($1, $2, $3, $4)")
        {
            Parameters = { Uuid(proof), Text(activity.Caller), Text(activity.Connection), Text(activity.ActivityId) },
        };

    /// <summary>Records the answer; the last before COMMIT.</summary>
    /// <param name="proof">The session's.</param>
    /// <param name="claim">What <see cref="Claim"/> answered.</param>
    /// <param name="answer">The body, as it is sent.</param>
    public static NpgsqlBatchCommand Finish(Guid proof, string claim, ReadOnlyMemory<byte> answer) =>
        new("SELECT gateway_journal.finish($1, $2, $3)")
        {
            Parameters =
            {
                Uuid(proof),
                new NpgsqlParameter { Value = claim, NpgsqlDbType = NpgsqlDbType.Unknown },
                new NpgsqlParameter<ReadOnlyMemory<byte>> { TypedValue = answer, NpgsqlDbType = NpgsqlDbType.Bytea },
            },
        };

    /// <summary>Deletes some records that have expired, in a session of the gateway's own.</summary>
    /// <returns>How many.</returns>
    public async Task<int> PurgeAsync(NpgsqlConnection session, int atMost, CancellationToken cancellation)
    {
        if (!await EnterAsync(session, _ownProof, cancellation))
            return 0;
        await using var command = new NpgsqlCommand("SELECT gateway_journal.purge($1, $2)", session)
        {
            Parameters = { Uuid(_ownProof), new NpgsqlParameter<int> { TypedValue = atMost } },
        };
        return (int)(await command.ExecuteScalarAsync(cancellation))!;
    }

    /// <summary>Looks for the record, in a session of the gateway's own.</summary>
    /// <returns>Null where there is none, or no journal.</returns>
    public async Task<ActivityRecord?> FindAsync(
        NpgsqlConnection session, ActivityIdentity activity, CancellationToken cancellation)
    {
        if (!await EnterAsync(session, _ownProof, cancellation))
            return null;
        await using var batch = new NpgsqlBatch(session) { BatchCommands = { Find(_ownProof, activity) } };
        await using var reader = await batch.ExecuteReaderAsync(cancellation);
        return await ActivityRecord.ReadAsync(reader, cancellation);
    }

    /// <summary>What an exactly-once request is told where the session may not use a journal.</summary>
    /// <param name="connection">The connection's name.</param>
    public static Failure Missing(string connection) => new(
        ProblemCode.JournalMissing,
        $"exactly-once, the default, needs a journal in the database of connection \"{connection}\", of version "
        + $"{JournalScript.Version} and open to the gateway's role: \"journal install --connection {connection}\" installs it. Or send "
        + "\"delivery\": \"at-least-once\", and make the statement safe to repeat.");

    /// <summary>Another transaction has the activity, and is open still.</summary>
    public static Failure InFlight(PostgresException? error = null) => new(
        ProblemCode.ActivityInFlight,
        "An earlier attempt of the activity is still running; its answer will be there when it has ended.",
        error);

    /// <summary>The record is another request's.</summary>
    public static Failure Mismatch() => new(
        ProblemCode.ActivityMismatch,
        "The activity ID was used for another request: its SQL, its parameters or what is asked of its answer differ. An ID "
        + "belongs to one activity of one run of a workflow.");

    /// <summary>The transaction that claimed was ended by the caller's own SQL, which no lawful statement does.</summary>
    public static Failure Escaped(Exception? cause = null) => new(
        ProblemCode.SqlRejected,
        "The activity's SQL ended the gateway's transaction. What it did before that may be there, and is not done again; "
        + "look at the data.",
        cause)
    { Committed = Committed.Unknown };

    private static NpgsqlParameter<Guid> Uuid(Guid value) => new() { TypedValue = value };

    private static NpgsqlParameter<string> Text(string value) => new() { TypedValue = value };
}
