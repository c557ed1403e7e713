using Gateway.Api.Sql;
using Gateway.Api.Types;
using Npgsql;

namespace Gateway.Api.Postgres;

/// <summary>
/// Makes the server compare the types of a statement's parameters with the types that the values were written for,
/// right before the statement and in the same round trip.
/// </summary>
/// <remarks>
/// If the types differ, the check fails, and PostgreSQL does not run the commands after it. So a cached type is only a
/// guess. PREPARE infers the types as the protocol does, at that point of the transaction, and does not run the
/// statement.
/// </remarks>
internal sealed class TypeCheck
{
    /// <summary>
    /// Fails with 22P02 if the types differ. All names and operators are qualified, because this runs in callers'
    /// sessions.
    /// </summary>
    private const string Compare =
        """
        SELECT CASE WHEN pg_catalog.array_to_string(parameter_types::pg_catalog.oid[], ',') OPERATOR(pg_catalog.=) $2
                    THEN '1' ELSE 'other types' END::pg_catalog.int4
          FROM (SELECT $1::pg_catalog.text AS expected) one
          LEFT JOIN pg_catalog.pg_prepared_statements ON from_sql AND name OPERATOR(pg_catalog.=) expected
        """;

    private readonly NpgsqlBatchCommand _prepare;
    private readonly NpgsqlBatchCommand _compare;
    private readonly NpgsqlBatchCommand _remove;

    private TypeCheck(BoundStatement statement, IReadOnlyList<DataType> types, int index)
    {
        var name = $"gateway {index}";
        _prepare = new NpgsqlBatchCommand(
            $"PREPARE \"{name}\" {Declared(statement.DeclaredTypes)}AS {statement.Sql.Text}");
        _compare = new NpgsqlBatchCommand(Compare)
        {
            Parameters =
            {
                new NpgsqlParameter<string> { TypedValue = name },
                new NpgsqlParameter<string> { TypedValue = string.Join(',', types.Select(type => type.Oid)) },
            },
        };
        _remove = new NpgsqlBatchCommand($"DEALLOCATE \"{name}\"");
    }

    /// <summary>
    /// Gets the commands of the check; only the second has a result. They must go right before the statement. If none
    /// fails, they leave nothing in the session.
    /// </summary>
    public IEnumerable<NpgsqlBatchCommand> Commands => [_prepare, _compare, _remove];

    /// <summary>Returns the check for a statement; null if PREPARE does not accept such a statement.</summary>
    /// <param name="statement">The statement.</param>
    /// <param name="types">The expected types.</param>
    /// <param name="index">The statement's index in the transaction.</param>
    public static TypeCheck? For(BoundStatement statement, IReadOnlyList<DataType> types, int index) =>
        statement.Sql.FirstWord() is "SELECT" or "INSERT" or "UPDATE" or "DELETE" or "MERGE" or "WITH" or "VALUES"
            or "TABLE"
            ? new TypeCheck(statement, types, index)
            : null;

    /// <summary>Returns whether a command belongs to this check.</summary>
    public bool Has(NpgsqlBatchCommand? command) => command is not null && Commands.Contains(command);

    /// <summary>
    /// Returns the declared types for PREPARE. The server has accepted each name as a type's before, so no other SQL is
    /// in it. Each name has its own line, because it may end with a comment.
    /// </summary>
    private static string Declared(IReadOnlyList<string?> types) =>
        types.Count == 0 ? "" : $"({string.Join(",", types.Select(type => $"{type ?? "pg_catalog.unknown"}\n"))}) ";
}
