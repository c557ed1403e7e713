using Gateway.Api.Execution;
using Gateway.Contracts;
using Npgsql;

namespace Gateway.Api.Errors;

/// <summary>
/// Classifies what PostgreSQL and Npgsql report: the one table SQLSTATE → code. A class stands for all its members
/// that have no entry of their own; what is in neither is the caller's SQL failing.
/// </summary>
internal static class PostgresFailure
{
    private static readonly Dictionary<string, ProblemCode> ByState = new(StringComparer.Ordinal)
    {
        [PostgresErrorCodes.ReadOnlySqlTransaction] = ProblemCode.ReadOnly,
        [PostgresErrorCodes.SerializationFailure] = ProblemCode.Conflict,
        [PostgresErrorCodes.DeadlockDetected] = ProblemCode.Conflict,
        [PostgresErrorCodes.LockNotAvailable] = ProblemCode.Conflict,
        [PostgresErrorCodes.QueryCanceled] = ProblemCode.DeadlineExceeded,
        [PostgresErrorCodes.AdminShutdown] = ProblemCode.DatabaseUnavailable,
        [PostgresErrorCodes.CrashShutdown] = ProblemCode.DatabaseUnavailable,
        [PostgresErrorCodes.CannotConnectNow] = ProblemCode.DatabaseUnavailable,
    };

    private static readonly Dictionary<string, ProblemCode> ByClass = new(StringComparer.Ordinal)
    {
        ["08"] = ProblemCode.DatabaseUnavailable,
        ["53"] = ProblemCode.DatabaseUnavailable,
    };

    private const string IdleSessionTimeout = "57P05";

    public static ProblemCode Classify(string sqlState) =>
        ByState.TryGetValue(sqlState, out var code) || ByClass.TryGetValue(sqlState[..2], out code)
            ? code
            : ProblemCode.SqlError;

    /// <summary>PostgreSQL refused the caller's statement, or its COMMIT.</summary>
    /// <param name="error">What PostgreSQL sent.</param>
    /// <param name="statements">
    /// The statement that failed, for its positions, or those that it may have been: what stands in their SQL may be shown.
    /// </param>
    /// <param name="showsValues">Whether the error is shown as it is, which Development may want.</param>
    public static Failure Refused(PostgresException error, IReadOnlyList<BoundStatement> statements, bool showsValues)
    {
        var texts = showsValues ? ErrorTexts.Whole(error) : ErrorTexts.WithoutValues(error, statements);
        var code = IsSeveralStatements(error) ? ProblemCode.SqlRejected : Classify(error.SqlState);
        return new Failure(code, texts.Message, error)
        {
            Refusal = new PostgresRefusal(error.SqlState)
            {
                Hint = texts.Hint,
                Position = error.Position > 0 && statements is [var statement] ? statement.Sql.OriginalPosition(error.Position) : null,
                Schema = error.SchemaName,
                Table = error.TableName,
                Column = error.ColumnName,
                DataType = error.DataTypeName,
                Constraint = error.ConstraintName,
                Context = new PostgresErrorContext(error.Severity)
                {
                    Detail = texts.Detail,
                    InternalPosition = error.InternalPosition > 0 && texts.InternalQuery is not null ? error.InternalPosition : null,
                    InternalQuery = texts.InternalQuery,
                    Where = texts.Where,
                    File = error.File,
                    Line = error.Line,
                    Routine = error.Routine,
                },
            },
        };
    }

    /// <summary>Whether the session is gone with the error: its server ended it. A statement that raises such a code does not.</summary>
    public static bool EndsSession(PostgresException error) => error.InvariantSeverity is ("FATAL" or "PANIC")
        && error.SqlState is (PostgresErrorCodes.AdminShutdown or PostgresErrorCodes.CrashShutdown or IdleSessionTimeout);

    /// <summary>The server can't be reached, or does not let the gateway in: the caller's SQL has not run.</summary>
    public static Failure Unreachable(NpgsqlException error, string connection) => new(
        ProblemCode.DatabaseUnavailable,
        $"The server of connection \"{connection}\" can't be reached at present{Reason(error)}.",
        error)
    { Refusal = error is PostgresException refusal ? new PostgresRefusal(refusal.SqlState) : null };

    /// <summary>The session was lost before COMMIT was sent: PostgreSQL rolls back.</summary>
    public static Failure Lost(Exception error, string connection) => new(
        ProblemCode.DatabaseUnavailable,
        $"The session on connection \"{connection}\" was lost before COMMIT; PostgreSQL rolls it back.",
        error);

    /// <summary>
    /// 42601 is any syntax error; that it is several statements shows in the server function which says so, since the
    /// message is in the server's language.
    /// </summary>
    private static bool IsSeveralStatements(PostgresException error) =>
        error is { SqlState: PostgresErrorCodes.SyntaxError, Routine: "exec_parse_message" };

    /// <summary>SQLSTATE or socket error only: the rest could hold addresses that callers need not know.</summary>
    private static string Reason(NpgsqlException error) => error switch
    {
        PostgresException refusal => $" (SQLSTATE {refusal.SqlState})",
        { InnerException: System.Net.Sockets.SocketException socket } => $" ({socket.SocketErrorCode})",
        { InnerException: TimeoutException } => " (timed out)",
        _ => "",
    };
}
