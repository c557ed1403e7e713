using System.Diagnostics;

namespace Gateway.Api.Endpoints;

/// <summary>The operation that an endpoint of <c>/v1</c> runs.</summary>
internal enum Operation
{
    Query,
    Execute,
    Transaction,
}

/// <summary>Extends <see cref="Operation"/>.</summary>
internal static class OperationExtensions
{
    /// <summary>Returns the operation's tag in request hashes. Hashes are stored, so a tag never changes.</summary>
    public static string HashTag(this Operation operation) => operation switch
    {
        Operation.Query => "query",
        Operation.Execute => "execute",
        Operation.Transaction => "transaction",
        _ => throw new UnreachableException(),
    };

    /// <summary>Returns the operation's tag in request hashes of version 1.</summary>
    public static string HashTagOfVersion1(this Operation operation) => operation switch
    {
        Operation.Query => "Query",
        Operation.Execute => "Execute",
        Operation.Transaction => "Transaction",
        _ => throw new UnreachableException(),
    };
}
