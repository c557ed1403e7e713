using System.Data;
using Microsoft.Extensions.Primitives;

namespace Gateway.Api.Neon;

/// <summary>The protocol's headers. A flag counts only as exactly <c>true</c>; anything else is no.</summary>
/// <param name="RawText">Every value as PostgreSQL's text, or null.</param>
/// <param name="ArrayMode">A row is an array, where its query does not say itself.</param>
/// <param name="Batch">What a batch is begun with.</param>
internal sealed record SqlHeaders(bool RawText, bool ArrayMode, SqlBatchMode Batch)
{
    public const string ConnectionString = "Neon-Connection-String";
    public const string RawTextOutput = "Neon-Raw-Text-Output";
    public const string ArrayModeOutput = "Neon-Array-Mode";
    public const string IsolationLevel = "Neon-Batch-Isolation-Level";
    public const string ReadOnly = "Neon-Batch-Read-Only";
    public const string Deferrable = "Neon-Batch-Deferrable";

    private const string Yes = "true";

    /// <summary>Reads them; null where the isolation level is none.</summary>
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

/// <summary>What a batch is begun with.</summary>
/// <param name="Isolation">Null for the server's default.</param>
/// <param name="ReadOnly">Whether it must not write.</param>
/// <param name="Deferrable">Whether it waits for a snapshot that no serialization failure can hit.</param>
internal readonly record struct SqlBatchMode(IsolationLevel? Isolation, bool ReadOnly, bool Deferrable)
{
    /// <summary>Says with a batch's answer how it ran.</summary>
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
