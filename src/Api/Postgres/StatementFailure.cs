using Gateway.Api.Errors;
using Gateway.Api.Sql;
using Gateway.Contracts;
using Npgsql;

namespace Gateway.Api.Postgres;

/// <summary>
/// Creates the failure of a statement that PostgreSQL refused, with the parts of the error that may be shown.
/// </summary>
internal static class StatementFailure
{
    /// <summary>Returns the failure of a caller's statement, or of its COMMIT.</summary>
    /// <param name="error">The error from PostgreSQL.</param>
    /// <param name="statements">
    /// The statement that failed; the failure then has its position. If it is not known, the statements that may have
    /// failed. Text that is in their SQL may be shown.
    /// </param>
    /// <param name="showsValues">Whether the error is shown with its values, a setting for Development.</param>
    public static Failure Of(PostgresException error, IReadOnlyList<BoundStatement> statements, bool showsValues)
    {
        var texts = showsValues ? ErrorTexts.Whole(error) : ErrorTexts.WithoutValues(error, statements);
        var code = IsSeveralStatements(error) ? ProblemCode.SqlRejected : PostgresFailure.Classify(error);
        return new Failure(code, texts.Message, error)
        {
            Refusal = new PostgresRefusal(error.SqlState)
            {
                Hint = texts.Hint,
                Position = error.Position > 0 && statements is [var statement]
                    ? statement.Sql.OriginalPosition(error.Position)
                    : null,
                Schema = error.SchemaName,
                Table = error.TableName,
                Column = error.ColumnName,
                DataType = error.DataTypeName,
                Constraint = error.ConstraintName,
                Context = new PostgresErrorContext(error.Severity)
                {
                    Detail = texts.Detail,
                    InternalPosition = error.InternalPosition > 0 && texts.InternalQuery is not null
                        ? error.InternalPosition
                        : null,
                    InternalQuery = texts.InternalQuery,
                    Where = texts.Where,
                    File = error.File,
                    Line = error.Line,
                    Routine = error.Routine,
                },
            },
        };
    }

    /// <summary>
    /// Returns whether the SQL has several statements. SQLSTATE 42601 is any syntax error, and the message is in the
    /// server's language, so the name of the server's function decides.
    /// </summary>
    private static bool IsSeveralStatements(PostgresException error) =>
        error is { SqlState: PostgresErrorCodes.SyntaxError, Routine: "exec_parse_message" };
}
