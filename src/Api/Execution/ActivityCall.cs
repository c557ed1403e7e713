using System.Data;
using Gateway.Api.Callers;
using Gateway.Api.Journal;
using Gateway.Api.Sql;
using Gateway.Contracts;
using NpgsqlTypes;

namespace Gateway.Api.Execution;

/// <summary>
/// A valid request: the statements of one transaction, and how to run them. The input of <see cref="StatementPath"/>.
/// </summary>
internal sealed record ActivityCall
{
    /// <summary>Gets the caller, with its rights.</summary>
    public required Caller Caller { get; init; }

    /// <summary>Gets the caller, the connection and the activity ID: the key of the activity's record.</summary>
    public required ActivityIdentity Activity { get; init; }

    public required IReadOnlyList<StatementCall> Statements { get; init; }
    public required TransactionMode Mode { get; init; }

    /// <summary>Gets whether the answer is a list of results, or the result of the one statement.</summary>
    public required bool IsTransaction { get; init; }

    /// <summary>Gets whether it is a query, whose answer may be truncated or streamed.</summary>
    public required bool IsQuery { get; init; }

    /// <summary>Gets how the answer has numbers that a double may not hold exactly.</summary>
    public required Numbers Numbers { get; init; }

    /// <summary>Gets the format of a held answer.</summary>
    public AnswerLayout Layout { get; init; } = ContractLayout.Instance;

    /// <summary>Gets the time until the deadline, from the request's arrival.</summary>
    public required TimeSpan Budget { get; init; }

    /// <summary>
    /// Gets the hash that the activity's record is compared by; null when the activity is not recorded.
    /// </summary>
    public RequestHash? RequestHash { get; init; }

    /// <summary>
    /// Gets the position in the write-ahead log that the server must have replayed; null for any. Only for reads.
    /// </summary>
    public NpgsqlLogSequenceNumber? MinLsn { get; init; }

    /// <summary>Gets whether the request says that it was sent before. Most often there is a record then.</summary>
    public bool IsRetry { get; init; }

    /// <summary>Gets whether it runs on if the caller disconnects.</summary>
    public bool OutlivesCaller { get; init; }

    /// <summary>
    /// Returns whether the next run looks for the activity's record before it opens a session. After a wait for another
    /// attempt there was a look already.
    /// </summary>
    public bool LooksFirst(RunHistory history) =>
        IsRetry && RequestHash is not null && history.MetOtherAttempts == 0;
}

/// <summary>One statement of a call.</summary>
/// <param name="Statement">The statement and its parameters.</param>
/// <param name="RowFormat">Whether a row is an object or an array.</param>
/// <param name="ExpectedRowCount">The number of rows that must be returned or affected; null for any.</param>
/// <param name="MaxRows">The maximum number of rows in the answer; null for all.</param>
internal sealed record StatementCall(
    BoundStatement Statement, RowFormat RowFormat, long? ExpectedRowCount, long? MaxRows);

/// <summary>The modes of a transaction.</summary>
/// <param name="Access">Whether it may write.</param>
/// <param name="Isolation">The isolation level; null for the server's default.</param>
/// <param name="Deferrable">
/// Whether to wait for a snapshot that no serialization failure can hit. It has an effect on serializable reads only.
/// </param>
internal readonly record struct TransactionMode(
    Access Access, IsolationLevel? Isolation = null, bool Deferrable = false)
{
    /// <summary>Gets the statement that begins the transaction.</summary>
    public string Begin
    {
        get
        {
            var isolation = Isolation switch
            {
                IsolationLevel.ReadUncommitted => " ISOLATION LEVEL READ UNCOMMITTED",
                IsolationLevel.ReadCommitted => " ISOLATION LEVEL READ COMMITTED",
                IsolationLevel.RepeatableRead => " ISOLATION LEVEL REPEATABLE READ",
                IsolationLevel.Serializable => " ISOLATION LEVEL SERIALIZABLE",
                _ => "",
            };
            var access = Access == Access.ReadOnly ? " READ ONLY" : " READ WRITE";
            return $"BEGIN{isolation}{access}{(Deferrable ? " DEFERRABLE" : "")}";
        }
    }
}
