using Gateway.Api.Errors;
using Gateway.Api.Json;
using Gateway.Api.Types;
using Gateway.Contracts;
using Npgsql;

namespace Gateway.Api.Results;

/// <summary>Writes a result's rows in the form of one media type. A value comes as PostgreSQL's text of it.</summary>
/// <param name="output">Gets what is written; the writer's own.</param>
internal abstract class RowWriter(PooledBuffer output) : IDisposable
{
    public PooledBuffer Output => output;

    /// <summary>For a form that tells more of a column than its name and type: called before <see cref="Begin"/>.</summary>
    /// <param name="reader">The reader, at the result.</param>
    public virtual void Describe(NpgsqlDataReader reader)
    {
    }

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
    public abstract void End(ResultEnd end);

    /// <summary>Ends with a failure, after rows; false where the form has no place for one.</summary>
    /// <param name="problem">The problem as JSON.</param>
    public abstract bool Fail(ReadOnlySpan<byte> problem);

    public virtual void Dispose() => output.Dispose();
}

/// <summary>How a result ended.</summary>
/// <param name="Command">The command tag's first word.</param>
/// <param name="RowCount">Rows returned, or affected where none are; null for a statement that has no count.</param>
/// <param name="TagCount">The command tag's number; null where it has none, as that of <c>SHOW</c>, whatever rows there are.</param>
/// <param name="Truncated">Whether there were more rows than were asked for.</param>
internal readonly record struct ResultEnd(string Command, long? RowCount, long? TagCount, bool Truncated);
