using Gateway.Api.Sql;
using Npgsql;
using NpgsqlTypes;

namespace Gateway.Api.Postgres;

/// <summary>Creates the command of a statement.</summary>
internal static class StatementCommand
{
    /// <summary>Returns the command for one run.</summary>
    public static NpgsqlBatchCommand ToCommand(this BoundStatement statement)
    {
        var command = new NpgsqlBatchCommand(statement.Sql.Text);
        for (var i = 0; i < statement.Values.Count; i++)
            command.Parameters.Add(Parameter(statement.Values[i].Text, statement.TypeOids.ElementAtOrDefault(i)));
        return command;
    }

    /// <summary>Returns a parameter that is sent as text.</summary>
    /// <param name="text">PostgreSQL's text input; null for NULL.</param>
    /// <param name="typeOid">The OID of its type; 0 has the server infer it, as for a literal.</param>
    public static NpgsqlParameter Parameter(string? text, uint typeOid) => typeOid == 0
        ? new NpgsqlParameter { NpgsqlDbType = NpgsqlDbType.Unknown, Value = (object?)text ?? DBNull.Value }
        : new NpgsqlParameter<ParameterText> { TypedValue = new ParameterText(text, typeOid) };
}
