using System.Text.RegularExpressions;
using Gateway.Api.Errors;
using Npgsql;

namespace Gateway.Api.Postgres;

/// <summary>
/// The queries that are prepared in a session, so that PostgreSQL need not parse and plan them each time: the one
/// statement of a transaction that reads, and the gateway's own queries around it (docs/decisions/0016).
/// </summary>
/// <remarks>
/// A function that callers' SQL calls can remove a prepared statement, and make another one of the same name. So what
/// holds a caller in its rights is not prepared (BEGIN, ROLLBACK), and what is prepared is compared with the server's
/// list from time to time.
/// </remarks>
/// <param name="connection">The session's connection.</param>
/// <param name="clock">The clock for the ages.</param>
internal sealed partial class PreparedQueries(NpgsqlConnection connection, TimeProvider clock)
{
    /// <summary>The start of the statements' names. Only the protocol can make a name that is not in SQL.</summary>
    public const string NamePrefix = "gateway_prepared_";

    /// <summary>Maximum number of prepared queries in a session, the gateway's own two included.</summary>
    public const int MaxCount = 10;

    /// <summary>Maximum length of a query's SQL, in UTF-16 units. The session keeps the text.</summary>
    public const int MaxSqlLength = 8192;

    /// <summary>Maximum number of columns. The session keeps their descriptions.</summary>
    public const int MaxColumns = 100;

    /// <summary>Number of requests after which the list is compared.</summary>
    public const int CheckAfterRequests = 64;

    /// <summary>
    /// Maximum age. PostgreSQL keeps the types that it has inferred for the parameters, although the columns that they
    /// are compared with may have been altered since.
    /// </summary>
    public static readonly TimeSpan MaxAge = TimeSpan.FromSeconds(10);

    /// <summary>Time after which the list is compared.</summary>
    public static readonly TimeSpan CheckAfter = TimeSpan.FromSeconds(1);

    private readonly List<PreparedQuery> _queries = [];

    // Hashes of queries that were run once. A query is prepared when it comes again.
    private readonly int[] _seen = new int[2 * MaxCount];
    private int _nextSeen;

    private int _requestsSinceCheck;
    private long _checkedAt;
    private long _uses;

    // Those of the current request; null if it does not use a prepared one.
    private Use? _query;
    private Use? _tag;
    private Use? _end;

    // Whether the current request may use prepared queries, and whether the session is not cleaned in full after it.
    private bool _isTagged;
    private bool _leaves;

    /// <summary>
    /// Gets whether statements may be prepared in the session, by the gateway or by callers' SQL: it was not cleaned in
    /// full after an earlier request.
    /// </summary>
    public bool MayHoldStatements { get; private set; }

    /// <summary>
    /// Returns a command that compares the server's list of prepared statements with this one, if it is time for that;
    /// otherwise null. It goes before the query in the same round trip; <see cref="AreUnchangedAsync"/> reads its
    /// result. Call it before the other methods of a request.
    /// </summary>
    public NpgsqlBatchCommand? Check()
    {
        var isDue = ++_requestsSinceCheck >= CheckAfterRequests || clock.GetElapsedTime(_checkedAt) >= CheckAfter;
        if (!MayHoldStatements || !isDue)
            return null;
        MarkChecked();
        return new NpgsqlBatchCommand(
            $"""
            SELECT pg_catalog.count(*) OPERATOR(pg_catalog.=) {_queries.Count}
                   AND coalesce(pg_catalog.bool_and(NOT from_sql), true)
              FROM pg_catalog.pg_prepared_statements
            """);
    }

    /// <summary>Reads the result of <see cref="Check"/>.</summary>
    public static async Task<bool> AreUnchangedAsync(NpgsqlDataReader reader, CancellationToken cancellation) =>
        await reader.ReadAsync(cancellation) && reader.GetString(0) == "t";

    /// <summary>
    /// Has the command use its prepared query, or prepare it. It stays as it is if its SQL was not run lately in this
    /// session, or is too long.
    /// </summary>
    /// <param name="command">The command, whose parameters are set.</param>
    /// <param name="types">The OID of each parameter's type; 0 or none where the server infers it.</param>
    /// <returns>Whether the query was prepared before.</returns>
    public bool UseForQuery(NpgsqlBatchCommand command, IReadOnlyList<uint> types)
    {
        _query = TryUse(command, types);
        return _query is { IsReused: true };
    }

    /// <summary>Same as <see cref="UseForQuery"/>, for the gateway's command that tags the transaction.</summary>
    public void UseForTag(NpgsqlBatchCommand command)
    {
        _isTagged = true;
        _tag = TryUse(command, []);
    }

    /// <summary>
    /// Same as <see cref="UseForQuery"/>, for the gateway's command before ROLLBACK, after which the session is not
    /// cleaned in full. It is not prepared if the tags may not be: nothing was checked then.
    /// </summary>
    public void UseForEnd(NpgsqlBatchCommand command)
    {
        _leaves = true;
        _end = _isTagged ? TryUse(command, []) : null;
    }

    /// <summary>
    /// Returns whether the error may come from the query's being prepared, so that it may succeed if it is not: types
    /// have changed, or callers' SQL has changed the prepared statements.
    /// </summary>
    /// <remarks>08P01: another statement of that name has another number of parameters.</remarks>
    public bool MayHaveCaused(PostgresException error) => _query is { } query && error.BatchCommand == query.Command
        && (query.IsReused
            ? error.SqlState[..2] is "08" or "0A" or "22" or "26" or "42" or "XX" && !PostgresFailure.EndsSession(error)
            : error.SqlState == PostgresErrorCodes.DuplicatePreparedStatement);

    /// <summary>
    /// Returns whether the error may come from what SQL of an earlier request did to prepared statements. A cleaning in
    /// full would have undone it.
    /// </summary>
    public bool MayBeOfAnEarlierRequest(PostgresException error) => MayHoldStatements && error.SqlState is
        PostgresErrorCodes.DuplicatePreparedStatement or PostgresErrorCodes.InvalidSqlStatementName;

    /// <summary>
    /// Returns whether one of the gateway's own queries failed, and is prepared. If it is not, it fails only for
    /// reasons of these classes: a conflict, a lack of resources, an intervention.
    /// </summary>
    public bool FailedOwn(PostgresException error) => error.BatchCommand is { } command
        && (command == _tag?.Command || command == _end?.Command) && error.SqlState[..2] is not ("40" or "53" or "57");

    /// <summary>Forgets the query of the current request if its result has too many columns to be kept.</summary>
    public void Release(NpgsqlBatchCommand command, int columns)
    {
        if (columns <= MaxColumns || command != _query?.Command)
            return;
        // The name stays taken on the server, until the next query takes its place.
        var query = _query.Query;
        (query.Sql, query.LastUse) = ("", 0);
        query.Statement = NpgsqlInternals.CreateStatement(connection, "", query.Name, null);
    }

    /// <summary>Forgets the commands of the current request, and with them its parameters.</summary>
    public void EndRequest()
    {
        if (_leaves && !MayHoldStatements)
        {
            MayHoldStatements = true;
            MarkChecked();
        }
        (_query, _tag, _end, _isTagged, _leaves) = (null, null, null, false, false);
    }

    /// <summary>Forgets all queries: the session is being cleaned in full, which removes them there.</summary>
    public void Forget()
    {
        _queries.Clear();
        (_leaves, MayHoldStatements) = (false, false);
        EndRequest();
    }

    private Use? TryUse(NpgsqlBatchCommand command, IReadOnlyList<uint> types)
    {
        var sql = command.CommandText;
        if (sql.Length > MaxSqlLength)
            return null;
        var query = Find(sql, types);
        if (query is null && (!WasSeen(sql, types) || NamesAMoment().IsMatch(sql)))
            return null;

        var isReused = query is not null && clock.GetElapsedTime(query.PreparedAt) < MaxAge;
        query ??= PlaceForAnother();
        if (isReused)
            NpgsqlInternals.UsePrepared(command, query.Statement!);
        else
            Prepare(query, command, types);
        query.LastUse = ++_uses;
        return new Use(query, command, isReused);
    }

    private PreparedQuery? Find(string sql, IReadOnlyList<uint> types)
    {
        foreach (var query in _queries)
        {
            if (query.Sql == sql && query.Types.SequenceEqual(types))
                return query;
        }
        return null;
    }

    private void Prepare(PreparedQuery query, NpgsqlBatchCommand command, IReadOnlyList<uint> types)
    {
        query.Statement = NpgsqlInternals.CreateStatement(connection, command.CommandText, query.Name, query.Statement);
        (query.Sql, query.Types, query.PreparedAt) = (command.CommandText, types, clock.GetTimestamp());
        NpgsqlInternals.Prepare(command, query.Statement);
    }

    /// <summary>Returns a new place, or that of the query which was not used for longest.</summary>
    private PreparedQuery PlaceForAnother()
    {
        if (_queries.Count == MaxCount)
            return _queries.MinBy(query => query.LastUse)!;
        var place = new PreparedQuery($"{NamePrefix}{_queries.Count}");
        _queries.Add(place);
        return place;
    }

    /// <summary>
    /// Finds words that PostgreSQL turns into a time when it parses a literal such as <c>date 'today'</c>. The function
    /// <c>now()</c> is not one of them.
    /// </summary>
    [GeneratedRegex(
        @"\b(today|tomorrow|yesterday|now\b(?!\s*\())", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex NamesAMoment();

    private void MarkChecked() => (_requestsSinceCheck, _checkedAt) = (0, clock.GetTimestamp());

    private bool WasSeen(string sql, IReadOnlyList<uint> types)
    {
        var hash = HashCode.Combine(sql, types.Count, types.Count > 0 ? types[0] : 0);
        if (_seen.Contains(hash))
            return true;
        _seen[_nextSeen] = hash;
        _nextSeen = (_nextSeen + 1) % _seen.Length;
        return false;
    }

    private sealed class PreparedQuery(string name)
    {
        public string Name => name;
        public string Sql { get; set; } = "";
        public IReadOnlyList<uint> Types { get; set; } = [];
        public long PreparedAt { get; set; }
        public long LastUse { get; set; }

        /// <summary>Gets or sets Npgsql's object; null in a new place.</summary>
        public object? Statement { get; set; }
    }

    /// <summary>The use of a query by a command.</summary>
    /// <param name="Query">The query.</param>
    /// <param name="Command">The command.</param>
    /// <param name="IsReused">Whether the query was prepared before.</param>
    private sealed record Use(PreparedQuery Query, NpgsqlBatchCommand Command, bool IsReused);
}
