using System.Data;
using Microsoft.Extensions.Primitives;

namespace Gateway.Api.Neon;

/// <summary>Represents the protocol's headers. A flag is on only if its text is exactly <c>true</c>.</summary>
/// <param name="RawText">Whether every value is PostgreSQL's text, or null.</param>
/// <param name="ArrayMode">Whether rows are arrays, unless a query says otherwise.</param>
/// <param name="Batch">The mode of a batch's transaction.</param>
internal sealed record SqlHeaders(bool RawText, bool ArrayMode, SqlBatchMode Batch)
{
    public const string ConnectionString = "Neon-Connection-String";
    public const string RawTextOutput = "Neon-Raw-Text-Output";
    public const string ArrayModeOutput = "Neon-Array-Mode";
    public const string IsolationLevel = "Neon-Batch-Isolation-Level";
    public const string ReadOnly = "Neon-Batch-Read-Only";
    public const string Deferrable = "Neon-Batch-Deferrable";

    private const string Yes = "true";

    /// <summary>Reads the headers. Returns null if the isolation level is not valid.</summary>
    public static SqlHeaders? Read(IHeaderDictionary headers)
    {
        IsolationLevel? isolation = null;
        if (headers.TryGetValue(IsolationLevel, out var level))
        {
            isolation = IsolationOf(level);
            if (isolation is null)
                return null;
        }
        return new SqlHeaders(
            Is(headers, RawTextOutput), Is(headers, ArrayModeOutput),
            new SqlBatchMode(isolation, Is(headers, ReadOnly), Is(headers, Deferrable)));
    }

    private static bool Is(IHeaderDictionary headers, string name) => headers[name] is [Yes];

    private static IsolationLevel? IsolationOf(StringValues level) => level is [var name]
        ? name switch
        {
            "ReadUncommitted" => System.Data.IsolationLevel.ReadUncommitted,
            "ReadCommitted" => System.Data.IsolationLevel.ReadCommitted,
            "RepeatableRead" => System.Data.IsolationLevel.RepeatableRead,
            "Serializable" => System.Data.IsolationLevel.Serializable,
            _ => null,
        }
        : null;
}

/// <summary>Represents the mode of a batch's transaction.</summary>
/// <param name="Isolation">Null for the server's default.</param>
/// <param name="ReadOnly">Whether it must not write.</param>
/// <param name="Deferrable">Whether it waits for a snapshot that can't fail with a serialization failure.</param>
internal readonly record struct SqlBatchMode(IsolationLevel? Isolation, bool ReadOnly, bool Deferrable)
{
    /// <summary>Sets the headers that tell the client how a batch ran.</summary>
    public void Echo(IHeaderDictionary headers)
    {
        if (ReadOnly)
            headers[SqlHeaders.ReadOnly] = "true";
        if (Deferrable)
            headers[SqlHeaders.Deferrable] = "true";
        if (Isolation is { } level)
            headers[SqlHeaders.IsolationLevel] = level.ToString();
    }
}
