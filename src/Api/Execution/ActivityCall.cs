using System.Data;
using Gateway.Api.Callers;
using Gateway.Api.Journal;
using Gateway.Api.Sql;
using Gateway.Contracts;

namespace Gateway.Api.Execution;

/// <summary>A valid request: the statements of one transaction, and how to run them. What the path takes.</summary>
internal sealed record ActivityCall
{
    /// <summary>Who asks, with what it may do.</summary>
    public required Caller Caller { get; init; }

    /// <summary>Who asks for what, where; callers take turns.</summary>
    public required ActivityIdentity Activity { get; init; }
    public required IReadOnlyList<StatementCall> Statements { get; init; }
    public required TransactionMode Mode { get; init; }

    /// <summary>Whether the answer is a list of results, or the one statement's.</summary>
    public required bool IsTransaction { get; init; }

    /// <summary>Whether it is a query, which may be answered in part and by a stream.</summary>
    public required bool IsQuery { get; init; }

    /// <summary>What the numbers are in the answer that a double may not hold.</summary>
    public required Numbers Numbers { get; init; }

    /// <summary>What the answer looks like.</summary>
    public AnswerLayout Layout { get; init; } = ContractLayout.Instance;

    /// <summary>The whole budget, from the request's arrival.</summary>
    public required TimeSpan Budget { get; init; }

    /// <summary>Gets the hash that the activity's record is compared by; null when the activity is not recorded.</summary>
    public RequestHash? RequestHash { get; init; }

    /// <summary>Whether the request says that it has been sent before: most often there is a record then.</summary>
    public bool IsRetry { get; init; }
}

/// <summary>One statement of a call.</summary>
/// <param name="Statement">The statement and its parameters.</param>
/// <param name="RowFormat">What a row of its answer is.</param>
/// <param name="ExpectedRowCount">The rows that must be returned or affected, where the request says so.</param>
/// <param name="MaxRows">The most rows that the answer is to have, where the request says so.</param>
internal sealed record StatementCall(BoundStatement Statement, RowFormat RowFormat, long? ExpectedRowCount, long? MaxRows);

/// <summary>What a transaction is begun with.</summary>
/// <param name="Access">Whether it may write.</param>
/// <param name="Isolation">Null for the server's default.</param>
/// <param name="Deferrable">Waits for a snapshot that no serialization failure can hit; PostgreSQL heeds it for serializable reads.</param>
internal readonly record struct TransactionMode(Access Access, IsolationLevel? Isolation = null, bool Deferrable = false)
{
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
            return $"BEGIN{isolation}{(Access == Access.ReadOnly ? " READ ONLY" : " READ WRITE")}{(Deferrable ? " DEFERRABLE" : "")}";
        }
    }
}
