using Gateway.Contracts;
using Npgsql;

namespace Gateway.Api.Errors;

/// <summary>
/// Classifies what PostgreSQL and Npgsql report: the one table SQLSTATE → code, which docs/errors.md shows. A class
/// stands for all its members that have no row of their own; what is in neither is the caller's SQL failing.
/// </summary>
internal static class PostgresFailure
{
    private const string IdleInTransactionTimeout = "25P03";
    private const string TransactionTimeout = "25P04";

    /// <summary>A file of the server's that is missing, or there already: the SQL named it.</summary>
    private const string UndefinedFile = "58P01";
    private const string DuplicateFile = "58P02";

    private const string DataCorrupted = "XX001";
    private const string IndexCorrupted = "XX002";

    /// <summary>The rows of the table, by SQLSTATE or by its first two characters.</summary>
    public static IReadOnlyDictionary<string, SqlStateCodes> Codes { get; } =
        new Dictionary<string, SqlStateCodes>(StringComparer.Ordinal)
        {
            [PostgresErrorCodes.ReadOnlySqlTransaction] = new(ProblemCode.ReadOnly),
            [IdleInTransactionTimeout] = new(ProblemCode.SqlError, ProblemCode.DeadlineExceeded),
            [TransactionTimeout] = new(ProblemCode.SqlError, ProblemCode.DeadlineExceeded),
            [PostgresErrorCodes.SerializationFailure] = new(ProblemCode.Conflict),
            [PostgresErrorCodes.DeadlockDetected] = new(ProblemCode.Conflict),
            [PostgresErrorCodes.LockNotAvailable] = new(ProblemCode.Conflict),
            [PostgresErrorCodes.QueryCanceled] = new(ProblemCode.DeadlineExceeded),
            [UndefinedFile] = new(ProblemCode.SqlError, ProblemCode.DatabaseUnavailable),
            [DuplicateFile] = new(ProblemCode.SqlError, ProblemCode.DatabaseUnavailable),
            [DataCorrupted] = new(ProblemCode.DatabaseUnavailable),
            [IndexCorrupted] = new(ProblemCode.DatabaseUnavailable),
            ["08"] = new(ProblemCode.DatabaseUnavailable),
            ["53"] = new(ProblemCode.DatabaseUnavailable),
            ["57"] = new(ProblemCode.DatabaseUnavailable),
            ["58"] = new(ProblemCode.DatabaseUnavailable),
            // As an ERROR it is most often SQL that a function of PostgreSQL's does not expect, and so fails each time.
            ["XX"] = new(ProblemCode.SqlError, ProblemCode.DatabaseUnavailable),
        };

    public static ProblemCode Classify(PostgresException error) => Classify(error.SqlState, EndsSession(error));

    /// <param name="sqlState">The SQLSTATE.</param>
    /// <param name="endsSession">Whether its severity is FATAL or PANIC.</param>
    public static ProblemCode Classify(string sqlState, bool endsSession)
    {
        if (!Codes.TryGetValue(sqlState, out var codes) && !Codes.TryGetValue(sqlState[..2], out codes))
            return ProblemCode.SqlError;
        return endsSession ? codes.SessionEnded : codes.SessionLives;
    }

    /// <summary>
    /// PostgreSQL refused a statement of the gateway's own. Only the SQLSTATE is kept of what it says: the rest speaks of the
    /// gateway's statements and their parameters.
    /// </summary>
    public static Failure OwnStatementRefused(PostgresException error) => new(
        Classify(error),
        "PostgreSQL refused a statement of the gateway's own in the request's transaction, and rolled back. The request's SQL may have "
        + "changed a setting or a role that the statement needs.")
    { Refusal = new PostgresRefusal(error.SqlState) };

    /// <summary>
    /// Whether the session is gone with the error. The severity says so, and no SQLSTATE does: a statement may raise
    /// any, as an ERROR, and <c>exit_on_error</c> makes any ERROR a FATAL.
    /// </summary>
    public static bool EndsSession(PostgresException error) => error.InvariantSeverity is "FATAL" or "PANIC";

    /// <summary>The server can't be reached, or does not let the gateway in: the caller's SQL has not run.</summary>
    public static Failure Unreachable(NpgsqlException error, string connection) => new(
        ProblemCode.DatabaseUnavailable,
        $"The server of connection \"{connection}\" can't be reached at present{(ReasonOf(error) is { } reason ? $" ({reason})" : "")}.",
        error)
    { Refusal = error is PostgresException refusal ? new PostgresRefusal(refusal.SqlState) : null };

    /// <summary>The session was lost before COMMIT was sent: PostgreSQL rolls back.</summary>
    public static Failure Lost(Exception error, string connection) => new(
        ProblemCode.DatabaseUnavailable,
        $"The session on connection \"{connection}\" was lost before COMMIT; PostgreSQL rolls it back.",
        error);

    /// <summary>
    /// Returns the SQLSTATE or the socket error, and null if there is neither. The rest of an error's text could hold values
    /// or addresses.
    /// </summary>
    public static string? ReasonOf(Exception error) => error switch
    {
        PostgresException refusal => $"SQLSTATE {refusal.SqlState}",
        { InnerException: System.Net.Sockets.SocketException socket } => socket.SocketErrorCode.ToString(),
        TimeoutException or { InnerException: TimeoutException } => "timed out",
        _ => null,
    };
}

/// <summary>What a SQLSTATE is answered with.</summary>
/// <param name="SessionLives">As an ERROR: the transaction is rolled back, and the session lives.</param>
/// <param name="SessionEnded">As a FATAL or a PANIC: the session is gone.</param>
internal readonly record struct SqlStateCodes(ProblemCode SessionLives, ProblemCode SessionEnded)
{
    public SqlStateCodes(ProblemCode code)
        : this(code, code)
    {
    }
}
