using Gateway.Contracts;

namespace Gateway.Api.Execution;

/// <summary>A valid request to run one statement: what the path takes.</summary>
internal sealed record StatementCall
{
    /// <summary>Who asks; callers take turns.</summary>
    public required string Caller { get; init; }
    public required string ActivityId { get; init; }
    public required string Connection { get; init; }
    public required BoundStatement Statement { get; init; }
    public required Access Access { get; init; }

    /// <summary>The whole budget, from the request's arrival.</summary>
    public required TimeSpan Budget { get; init; }
    public RowFormat RowFormat { get; init; }

    /// <summary>The rows that must be returned or affected, where the request says so.</summary>
    public long? ExpectedRowCount { get; init; }
    public Delivery Delivery { get; init; }
}

/// <summary>What a statement may do to the database.</summary>
internal enum Access
{
    ReadOnly,
    ReadWrite,
}
