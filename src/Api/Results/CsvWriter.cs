using System.Buffers;
using System.Text;
using Gateway.Api.Json;
using Gateway.Api.Postgres;
using Gateway.Api.Types;
using Gateway.Contracts;

namespace Gateway.Api.Results;

/// <summary>
/// Writes <c>text/csv</c> (RFC 4180): a header with the columns' names, and a record for each row. A field is the value
/// in JSON; a string has no JSON quotes. NULL is an empty field, and an empty string is a quoted empty field.
/// </summary>
internal sealed class CsvWriter(PooledBuffer output, Numbers numbers) : ResultWriter(output)
{
    private static readonly SearchValues<byte> Special = SearchValues.Create(",\"\r\n"u8);

    private readonly PooledBuffer _json = new(int.MaxValue);

    public override void Begin(IReadOnlyList<Column> columns, IReadOnlyList<ColumnDescription> descriptions)
    {
        if (columns.Count == 0)
            return;
        foreach (var (index, column) in columns.Index())
        {
            BeginValue(index);
            WriteField(Encoding.UTF8.GetBytes(column.Name));
        }
        EndRow();
    }

    public override void BeginRow()
    {
    }

    public override void BeginValue(int column)
    {
        if (column > 0)
            Output.Write((byte)',');
    }

    public override void WriteNull()
    {
    }

    public override void Write(DataType type, ReadOnlySpan<byte> text)
    {
        if (type.Form == JsonForm.Text)
        {
            WriteField(text);
            return;
        }
        _json.CutTo(0);
        JsonValue.Write(_json, type, text, numbers);
        var json = _json.Written.Span;
        // These have nothing to escape. A json value that is a string stays JSON, with its quotes.
        if (type.Form is JsonForm.Date or JsonForm.Timestamp or JsonForm.Number or JsonForm.ExactNumber)
            json = json.Trim((byte)'"');
        WriteField(json);
    }

    public override void WritePart(DataType type, ReadOnlySpan<byte> text, bool isFirst, bool isLast)
    {
        if (isFirst)
            Output.Write((byte)'"');
        WriteDoubled(text);
        if (isLast)
            Output.Write((byte)'"');
    }

    public override void EndRow() => Output.Write("\r\n"u8);

    public override void End(ResultEnd end)
    {
    }

    public override bool Fail(ReadOnlySpan<byte> problem) => false;

    public override void Dispose()
    {
        _json.Dispose();
        base.Dispose();
    }

    private void WriteField(ReadOnlySpan<byte> text)
    {
        if (!text.IsEmpty && !text.ContainsAny(Special))
        {
            Output.Write(text);
            return;
        }
        Output.Write((byte)'"');
        WriteDoubled(text);
        Output.Write((byte)'"');
    }

    private void WriteDoubled(ReadOnlySpan<byte> text)
    {
        while (text.IndexOf((byte)'"') is var quote and >= 0)
        {
            Output.Write(text[..(quote + 1)]);
            Output.Write((byte)'"');
            text = text[(quote + 1)..];
        }
        Output.Write(text);
    }
}
