using Npgsql;

namespace Gateway.Api.Postgres;

/// <summary>
/// The callers' queries that are prepared in a session, so that PostgreSQL need not parse and plan them each time. Only
/// the one statement of a transaction that reads is prepared (docs/decisions/0016).
/// </summary>
/// <remarks>
/// A function that callers' SQL calls can remove a prepared statement, and make another one of the same name. So none
/// of the gateway's own statements is prepared, and what is prepared is compared with the server's list from time to
/// time.
/// </remarks>
/// <param name="connection">The session's connection.</param>
/// <param name="clock">The clock for the ages.</param>
internal sealed class PreparedQueries(NpgsqlConnection connection, TimeProvider clock)
{
    /// <summary>The start of the statements' names. Only the protocol can make a name that is not in SQL.</summary>
    public const string NamePrefix = "gateway_query_";

    /// <summary>Maximum number of prepared queries in a session.</summary>
    public const int MaxCount = 8;

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
    private NpgsqlBatchCommand? _command;
    private bool _isReused;

    /// <summary>Gets whether a query is prepared in the session.</summary>
    public bool Any => _queries.Count > 0;

    /// <summary>
    /// Returns a command that compares the server's list of prepared statements with this one, if it is time for that;
    /// otherwise null. It goes before the query in the same round trip; <see cref="AreUnchangedAsync"/> reads its
    /// result. Call it before <see cref="Use"/>.
    /// </summary>
    public NpgsqlBatchCommand? Check()
    {
        if (!Any || (++_requestsSinceCheck < CheckAfterRequests && clock.GetElapsedTime(_checkedAt) < CheckAfter))
            return null;
        MarkChecked();
        return new NpgsqlBatchCommand(
            $"""
            SELECT pg_catalog.count(*) OPERATOR(pg_catalog.=) {_queries.Count} AND pg_catalog.bool_and(NOT from_sql)
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
    public bool Use(NpgsqlBatchCommand command, IReadOnlyList<uint> types)
    {
        (_command, _isReused) = (null, false);
        var sql = command.CommandText;
        if (sql.Length > MaxSqlLength)
            return false;
        var query = _queries.Find(query => query.Sql == sql && query.Types.SequenceEqual(types));
        if (query is null && !WasSeen(sql, types))
            return false;

        _command = command;
        if (query is not null && clock.GetElapsedTime(query.PreparedAt) < MaxAge)
        {
            _isReused = true;
            NpgsqlInternals.UsePrepared(command, query.Statement!);
        }
        else
        {
            query = Prepare(query ?? PlaceForAnother(), command, types);
        }
        // The list is in the order of the last use.
        _queries.Remove(query);
        _queries.Add(query);
        return _isReused;
    }

    /// <summary>
    /// Returns whether the error may come from the query's being prepared, so that it may succeed if it is not: types
    /// have changed, or callers' SQL has changed the prepared statements.
    /// </summary>
    public bool MayHaveCaused(PostgresException error) => _command is not null && error.BatchCommand == _command
        && (_isReused ? error.SqlState[..2] is "0A" or "22" or "26" or "42" or "XX"
            : error.SqlState == PostgresErrorCodes.DuplicatePreparedStatement);

    /// <summary>Forgets the query of the current request if its result has too many columns to be kept.</summary>
    public void Release(NpgsqlBatchCommand command, int columns)
    {
        if (columns <= MaxColumns || command != _command)
            return;
        // The name stays taken on the server, until the next query takes its place.
        var query = _queries[^1];
        query.Sql = "";
        query.Statement = NpgsqlInternals.CreateStatement(connection, "", query.Name, null);
        _queries.RemoveAt(_queries.Count - 1);
        _queries.Insert(0, query);
    }

    /// <summary>Forgets all queries: the session is being cleaned in full, which removes them from the server.</summary>
    public void Forget()
    {
        _queries.Clear();
        (_command, _isReused) = (null, false);
    }

    private PreparedQuery Prepare(PreparedQuery query, NpgsqlBatchCommand command, IReadOnlyList<uint> types)
    {
        query.Statement = NpgsqlInternals.CreateStatement(connection, command.CommandText, query.Name, query.Statement);
        (query.Sql, query.Types, query.PreparedAt) = (command.CommandText, types, clock.GetTimestamp());
        NpgsqlInternals.Prepare(command, query.Statement);
        return query;
    }

    /// <summary>Returns a new place, or that of the query which was not used for longest.</summary>
    private PreparedQuery PlaceForAnother()
    {
        if (_queries.Count == MaxCount)
            return _queries[0];
        if (!Any)
            MarkChecked();
        return new PreparedQuery($"{NamePrefix}{_queries.Count}");
    }

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

        /// <summary>Gets or sets Npgsql's object; null in a new place.</summary>
        public object? Statement { get; set; }
    }
}
