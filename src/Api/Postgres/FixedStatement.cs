using System.Data;
using Dapper;
using Npgsql;

namespace Gateway.Api.Postgres;

/// <summary>
/// Makes Dapper's commands of the gateway's own statements. Their parameters are positional: Npgsql takes no names
/// where it does not rewrite SQL (docs/decisions/0001), and Dapper has names only.
/// </summary>
internal static class FixedStatement
{
    /// <param name="sql">The statement; never a caller's, since Dapper keeps what it has made of each text.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <param name="values">The values of $1, $2 and so on.</param>
    public static CommandDefinition Of(string sql, CancellationToken cancellation, params object[] values) =>
        new(sql, new PositionalParameters(values), cancellationToken: cancellation);

    private sealed class PositionalParameters(object[] values) : SqlMapper.IDynamicParameters
    {
        public void AddParameters(IDbCommand command, SqlMapper.Identity identity)
        {
            foreach (var value in values)
                command.Parameters.Add(new NpgsqlParameter { Value = value });
        }
    }
}
