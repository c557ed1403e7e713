using Gateway.Api.Sql;
using Npgsql;

namespace Gateway.Api.Postgres;

/// <summary>Makes the command of a statement.</summary>
internal static class StatementCommand
{
    /// <summary>Returns the command for one run. PostgreSQL infers a parameter's type when none is sent, as for a literal.</summary>
    public static NpgsqlBatchCommand ToCommand(this BoundStatement statement)
    {
        var command = new NpgsqlBatchCommand(statement.Sql.Text);
        for (var i = 0; i < statement.Values.Count; i++)
        {
            var text = new ParameterText(statement.Values[i].Text, statement.TypeOids.ElementAtOrDefault(i));
            command.Parameters.Add(new NpgsqlParameter<ParameterText> { TypedValue = text });
        }
        return command;
    }
}
