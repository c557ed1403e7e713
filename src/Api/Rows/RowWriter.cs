using Gateway.Api.Errors;
using Gateway.Contracts;

namespace Gateway.Api.Rows;

/// <summary>Writes a result's rows in the form of one media type. A value comes as PostgreSQL's text of it.</summary>
/// <param name="output">Gets what is written; the writer's own.</param>
internal abstract class RowWriter(PooledBuffer output) : IDisposable
{
    public PooledBuffer Output => output;

    /// <summary>What the rows begin with.</summary>
    /// <exception cref="Failure"><c>duplicate_column</c></exception>
    public abstract void Begin(IReadOnlyList<Column> columns);

    public abstract void BeginRow();

    /// <summary>What stands before a value.</summary>
    public abstract void BeginValue(int column);

    public abstract void WriteNull();

    public abstract void Write(DataType type, ReadOnlySpan<byte> text);

    /// <summary>A part of a value that is too large to be held: of a string or of JSON, cut between characters.</summary>
    public abstract void WritePart(DataType type, ReadOnlySpan<byte> text, bool isFirst, bool isLast);

    public abstract void EndRow();

    /// <summary>What the rows end with.</summary>
    /// <param name="rowCount">As the answer says it.</param>
    /// <param name="truncated">Whether there were more.</param>
    public abstract void End(long? rowCount, bool truncated);

    /// <summary>Ends with a failure, after rows; false where the form has no place for one.</summary>
    /// <param name="problem">The problem as JSON.</param>
    public abstract bool Fail(ReadOnlySpan<byte> problem);

    public virtual void Dispose() => output.Dispose();
}
