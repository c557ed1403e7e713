using Gateway.Contracts;
using Npgsql;

namespace Gateway.Api.Errors;

/// <summary>
/// Classifies the errors of PostgreSQL and Npgsql. It contains the only table SQLSTATE → code, which docs/errors.md
/// shows; <see cref="ProblemTable"/> has code → status. The row of a class applies to its members without a row of
/// their own. Any other SQLSTATE means that the caller's SQL failed.
/// </summary>
internal static class PostgresFailure
{
    private const string IdleInTransactionTimeout = "25P03";
    private const string TransactionTimeout = "25P04";

    /// <summary>A server file that is missing, or already exists. The SQL named the file.</summary>
    private const string UndefinedFile = "58P01";
    private const string DuplicateFile = "58P02";

    private const string DataCorrupted = "XX001";
    private const string IndexCorrupted = "XX002";

    /// <summary>Gets the table, by SQLSTATE or by its first two characters.</summary>
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
            // As an ERROR it usually comes from SQL that a PostgreSQL function does not expect, so it fails on every
            // retry.
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
    /// Returns the failure for a refused statement of the gateway's own. It contains only the SQLSTATE, because the
    /// rest of the error describes the gateway's statements and their parameters.
    /// </summary>
    public static Failure OwnStatementRefused(PostgresException error) => new(
        Classify(error),
        "PostgreSQL refused a statement of the gateway's own in the request's transaction, and rolled back. "
        + "The request's SQL may have changed a setting or a role that the statement needs.")
    { Refusal = new PostgresRefusal(error.SqlState) };

    /// <summary>
    /// Returns whether the error ended the session. Only the severity tells: a statement can raise any SQLSTATE as an
    /// ERROR, and <c>exit_on_error</c> turns any ERROR into a FATAL.
    /// </summary>
    public static bool EndsSession(PostgresException error) => error.InvariantSeverity is "FATAL" or "PANIC";

    /// <summary>
    /// Returns the failure for a server that can't be reached, or refuses the gateway. The caller's SQL has not run.
    /// </summary>
    public static Failure Unreachable(NpgsqlException error, string connection) => new(
        ProblemCode.DatabaseUnavailable,
        $"The server of connection \"{connection}\" can't be reached at present"
            + (ReasonOf(error) is { } reason ? $" ({reason})." : "."),
        error)
    { Refusal = error is PostgresException refusal ? new PostgresRefusal(refusal.SqlState) : null };

    /// <summary>
    /// Returns the failure for a session that was lost before COMMIT was sent. PostgreSQL rolls back.
    /// </summary>
    public static Failure Lost(Exception error, string connection) => new(
        ProblemCode.DatabaseUnavailable,
        $"The session on connection \"{connection}\" was lost before COMMIT; PostgreSQL rolls it back.",
        error);

    /// <summary>Returns the failure for a request that needs the primary, on a standby. Nothing was kept.</summary>
    /// <param name="connection">The connection's name.</param>
    /// <param name="error">The error of the standby; null if nothing was sent.</param>
    public static Failure Standby(string connection, PostgresException? error = null) => new(
        ProblemCode.DatabaseUnavailable,
        $"The server of connection \"{connection}\" is a standby at present, and the request needs the primary. If it "
        + "stays one, name all servers in the DSN, with target_session_attrs=primary.",
        error)
    { Refusal = error is null ? null : new PostgresRefusal(error.SqlState) };

    /// <summary>
    /// Returns the SQLSTATE or the socket error, and null if there is neither. The rest of an error's text could hold
    /// values or addresses.
    /// </summary>
    public static string? ReasonOf(Exception error) => error switch
    {
        PostgresException refusal => $"SQLSTATE {refusal.SqlState}",
        { InnerException: System.Net.Sockets.SocketException socket } => socket.SocketErrorCode.ToString(),
        TimeoutException or { InnerException: TimeoutException } => "timed out",
        _ => null,
    };
}

/// <summary>Represents the codes of a SQLSTATE.</summary>
/// <param name="SessionLives">
/// The code if it is an ERROR: the transaction is rolled back, and the session stays open.
/// </param>
/// <param name="SessionEnded">The code if it is a FATAL or a PANIC: the session has ended.</param>
internal readonly record struct SqlStateCodes(ProblemCode SessionLives, ProblemCode SessionEnded)
{
    public SqlStateCodes(ProblemCode code)
        : this(code, code)
    {
    }
}
