using Gateway.Api.Errors;
using Gateway.Api.Json;
using Gateway.Api.Postgres;
using Gateway.Api.Types;
using Gateway.Contracts;

namespace Gateway.Api.Results;

/// <summary>
/// The interface of all writers of a statement's result: JSON that is held (<see cref="JsonArrayWriter"/>), NDJSON, CSV
/// and Neon's format. A value comes as PostgreSQL's text.
/// </summary>
/// <param name="output">Gets the bytes; the writer owns it.</param>
internal abstract class ResultWriter(PooledBuffer output) : IDisposable
{
    public PooledBuffer Output => output;

    /// <summary>Gets whether <see cref="Begin"/> needs the server's descriptions of the columns.</summary>
    public virtual bool NeedsDescriptions => false;

    /// <summary>Begins a result.</summary>
    /// <param name="columns">Its columns; none for a statement that returns no rows.</param>
    /// <param name="descriptions">
    /// The server's descriptions of the columns; empty if the writer does not need them.
    /// </param>
    /// <exception cref="Failure"><c>duplicate_column</c></exception>
    public abstract void Begin(IReadOnlyList<Column> columns, IReadOnlyList<ColumnDescription> descriptions);

    public abstract void BeginRow();

    /// <summary>Begins a value: writes the separator, or the member's name.</summary>
    public abstract void BeginValue(int column);

    public abstract void WriteNull();

    public abstract void Write(DataType type, ReadOnlySpan<byte> text);

    /// <summary>Writes a part of a large string or JSON value, cut between characters.</summary>
    public abstract void WritePart(DataType type, ReadOnlySpan<byte> text, bool isFirst, bool isLast);

    public abstract void EndRow();

    /// <summary>Ends a result.</summary>
    public abstract void End(ResultEnd end);

    /// <summary>
    /// Ends a result with a failure, after rows. Returns false if the format has no place for a failure.
    /// </summary>
    /// <param name="problem">The problem as JSON.</param>
    public abstract bool Fail(ReadOnlySpan<byte> problem);

    public virtual void Dispose() => output.Dispose();
}

/// <summary>Represents the end of a result.</summary>
/// <param name="Command">The command tag's first word.</param>
/// <param name="RowCount">
/// The number of rows returned, or affected if it returns none; null for a statement without a count.
/// </param>
/// <param name="TagCount">
/// The command tag's number; null if the tag has none. That of <c>SHOW</c> has none, even if there are rows.
/// </param>
/// <param name="Truncated">Whether there were more rows than the maximum.</param>
internal readonly record struct ResultEnd(string Command, long? RowCount, long? TagCount, bool Truncated);
