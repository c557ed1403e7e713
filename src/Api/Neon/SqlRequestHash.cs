using System.Collections.ObjectModel;
using System.Data;
using System.Diagnostics;
using System.Text.Json;
using Gateway.Api.Journal;

namespace Gateway.Api.Neon;

/// <summary>
/// Computes the request hash of <c>POST /sql</c>. Headers count too, since they change the answer as the body does.
/// </summary>
internal static class SqlRequestHash
{
    /// <param name="headers">The headers of the request.</param>
    /// <param name="batch">The transaction's mode; the default for a single query, which ignores the headers.</param>
    /// <param name="body">The body of a valid request.</param>
    public static RequestHash Of(SqlHeaders headers, SqlBatchMode batch, JsonElement body) =>
        RequestHash.Of(
            Tag(headers, batch), TagOfVersion1(headers, batch), body, ReadOnlyDictionary<string, FieldHash>.Empty);

    private static string Tag(SqlHeaders headers, SqlBatchMode batch) =>
        $"sql {Digit(headers.RawText)}{Digit(headers.ArrayMode)}{Digit(batch.Deferrable)} "
        + batch.Isolation switch
        {
            null => "default",
            IsolationLevel.ReadUncommitted => "read uncommitted",
            IsolationLevel.ReadCommitted => "read committed",
            IsolationLevel.RepeatableRead => "repeatable read",
            IsolationLevel.Serializable => "serializable",
            _ => throw new UnreachableException(),
        };

    private static string TagOfVersion1(SqlHeaders headers, SqlBatchMode batch) =>
        $"Sql {Word(headers.RawText)} {Word(headers.ArrayMode)} "
        + batch.Isolation switch
        {
            null => "",
            IsolationLevel.ReadUncommitted => "ReadUncommitted",
            IsolationLevel.ReadCommitted => "ReadCommitted",
            IsolationLevel.RepeatableRead => "RepeatableRead",
            IsolationLevel.Serializable => "Serializable",
            _ => throw new UnreachableException(),
        }
        + $" {Word(batch.Deferrable)}";

    private static char Digit(bool value) => value ? '1' : '0';

    private static string Word(bool value) => value ? "True" : "False";
}
