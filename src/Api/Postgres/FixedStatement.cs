using System.Data;
using Dapper;
using Npgsql;

namespace Gateway.Api.Postgres;

/// <summary>
/// Makes Dapper's commands for the gateway's own statements. Their parameters are positional: without SQL rewriting,
/// Npgsql has no named parameters (docs/decisions/0001), and Dapper has only named ones (docs/decisions/0015).
/// </summary>
internal static class FixedStatement
{
    /// <param name="sql">The statement. It must not be a caller's: Dapper caches each text.</param>
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
