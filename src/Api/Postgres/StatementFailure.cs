using Gateway.Api.Errors;
using Gateway.Api.Sql;
using Gateway.Contracts;
using Npgsql;

namespace Gateway.Api.Postgres;

/// <summary>Makes the failure of a statement that PostgreSQL refused, with what may be shown of the error.</summary>
internal static class StatementFailure
{
    /// <summary>PostgreSQL refused the caller's statement, or its COMMIT.</summary>
    /// <param name="error">What PostgreSQL sent.</param>
    /// <param name="statements">
    /// The statement that failed, for its positions, or those that it may have been: what stands in their SQL may be shown.
    /// </param>
    /// <param name="showsValues">Whether the error is shown as it is, which Development may want.</param>
    public static Failure Of(PostgresException error, IReadOnlyList<BoundStatement> statements, bool showsValues)
    {
        var texts = showsValues ? ErrorTexts.Whole(error) : ErrorTexts.WithoutValues(error, statements);
        var code = IsSeveralStatements(error) ? ProblemCode.SqlRejected : PostgresFailure.Classify(error);
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

    /// <summary>
    /// 42601 is any syntax error; that it is several statements shows in the server function which says so, since the
    /// message is in the server's language.
    /// </summary>
    private static bool IsSeveralStatements(PostgresException error) =>
        error is { SqlState: PostgresErrorCodes.SyntaxError, Routine: "exec_parse_message" };
}
