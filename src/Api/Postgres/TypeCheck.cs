using Gateway.Api.Sql;
using Gateway.Api.Types;
using Npgsql;

namespace Gateway.Api.Postgres;

/// <summary>
/// Has the server compare the types of a statement's parameters with those that its values were made for, right before
/// it runs and in the same round trip: where they differ, the check fails, and PostgreSQL does not run what comes
/// behind it. So what is remembered of types is no more than a guess. PREPARE infers them as the protocol does, at that
/// point of that transaction, and runs nothing.
/// </summary>
internal sealed class TypeCheck
{
    /// <summary>
    /// Fails with 22P02 where they differ. Every name is qualified, and operators are: it runs in sessions of callers.
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
    }

    /// <summary>They go right before the statement.</summary>
    public IEnumerable<NpgsqlBatchCommand> Commands => [_prepare, _compare];

    /// <param name="statement">The statement.</param>
    /// <param name="types">The types that are expected.</param>
    /// <param name="index">Its place in the transaction.</param>
    /// <returns>Null where PREPARE takes no such statement.</returns>
    public static TypeCheck? For(BoundStatement statement, IReadOnlyList<DataType> types, int index) =>
        statement.Sql.FirstWord() is "SELECT" or "INSERT" or "UPDATE" or "DELETE" or "MERGE" or "WITH" or "VALUES"
            or "TABLE"
            ? new TypeCheck(statement, types, index)
            : null;

    /// <summary>Whether a command is one of it.</summary>
    public bool Has(NpgsqlBatchCommand? command) => command is not null && (command == _prepare || command == _compare);

    /// <summary>
    /// A declared type's name, which the server has taken for one before, so that no other SQL is in it. A line for
    /// each: it may end with a comment.
    /// </summary>
    private static string Declared(IReadOnlyList<string?> types) =>
        types.Count == 0 ? "" : $"({string.Join(",", types.Select(type => $"{type ?? "pg_catalog.unknown"}\n"))}) ";
}
