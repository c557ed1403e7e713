using Gateway.Api.Callers;
using Npgsql;

namespace Gateway.Api.Postgres;

/// <summary>
/// What a request's last round trip ends with: the end of its transaction, and of all that it has left in the session. Npgsql
/// leaves a command's tag with the command, and so tells how far the server got.
/// </summary>
/// <param name="access">
/// What only reads is rolled back, so that it can't have written: READ ONLY leaves gaps (large objects before version 16,
/// EXPLAIN ANALYZE of CREATE TABLE AS).
/// </param>
/// <param name="cleaning">What throws away the rest.</param>
internal sealed class TransactionEnd(Access access, string cleaning)
{
    private readonly NpgsqlBatchCommand _end = new(access == Access.ReadOnly ? "ROLLBACK" : "COMMIT");
    private readonly NpgsqlBatchCommand _cleaning = new(cleaning);

    public NpgsqlBatchCommand[] Commands => [_end, _cleaning];

    /// <summary>Whether PostgreSQL has said that the transaction is over.</summary>
    public bool IsOver => _end.StatementType != StatementType.Unknown;

    /// <summary>Whether it has said that the session is clean.</summary>
    public bool HasCleaned => _cleaning.StatementType != StatementType.Unknown;

    /// <summary>Whether it is the transaction's end that PostgreSQL refused.</summary>
    public bool IsRefusedBy(PostgresException error) => error.BatchCommand == _end;

    /// <summary>Whether the transaction is over and what came after it failed: nothing that a caller would have to know.</summary>
    public bool HasFailedToClean(PostgresException error) => error.BatchCommand == _cleaning;
}
