using Gateway.Api.Errors;
using Gateway.Api.Json;
using Gateway.Api.Postgres;
using Gateway.Api.Types;
using Gateway.Contracts;

namespace Gateway.Api.Results;

/// <summary>
/// Writes a row as a JSON object or array. The derived class writes the text between two rows, and around all of them.
/// </summary>
internal abstract class JsonRowWriter(PooledBuffer output, RowFormat format, Numbers numbers) : ResultWriter(output)
{
    /// <summary>Gets whether a row is an object or an array.</summary>
    protected RowFormat Format => format;

    // For an object: the member's name before each value.
    private byte[][] _names = [];

    public override void Begin(IReadOnlyList<Column> columns, IReadOnlyList<ColumnDescription> descriptions)
    {
        if (format == RowFormat.Object)
        {
            RefuseDuplicates(columns);
            _names = new byte[columns.Count][];
            for (var i = 0; i < _names.Length; i++)
                _names[i] = JsonString.MemberName(columns[i].Name);
        }
    }

    public override void BeginRow() => Output.Write((byte)(format == RowFormat.Object ? '{' : '['));

    public override void BeginValue(int column)
    {
        if (column > 0)
            Output.Write((byte)',');
        if (format == RowFormat.Object)
            Output.Write(_names[column]);
    }

    public override void WriteNull() => Output.Write("null"u8);

    public override void Write(DataType type, ReadOnlySpan<byte> text) => JsonValue.Write(Output, type, text, numbers);

    public override void WritePart(DataType type, ReadOnlySpan<byte> text, bool isFirst, bool isLast)
    {
        if (type.Form == JsonForm.Json)
        {
            Output.Write(text);
            return;
        }
        if (isFirst)
            Output.Write((byte)'"');
        JsonString.WriteEscaped(Output, text);
        if (isLast)
            Output.Write((byte)'"');
    }

    public override void EndRow() => Output.Write((byte)(format == RowFormat.Object ? '}' : ']'));

    /// <exception cref="Failure"><c>duplicate_column</c></exception>
    protected virtual void RefuseDuplicates(IReadOnlyList<Column> columns)
    {
        var seen = new DistinctNames();
        foreach (var column in columns)
        {
            if (!seen.Add(column.Name))
            {
                throw new Failure(
                    ProblemCode.DuplicateColumn,
                    $"Two columns are named \"{column.Name}\", and a JSON object can't hold both. "
                    + "Rename one with AS, or send \"rowFormat\": \"array\".");
            }
        }
    }
}
