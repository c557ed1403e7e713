using System.Text.Json;
using Gateway.Api.Json;
using Gateway.Api.Postgres;
using Gateway.Api.Types;
using Gateway.Contracts;

namespace Gateway.Api.Results;

/// <summary>
/// Writes <c>application/x-ndjson</c>: a line with the columns, a line for each row, and a line with the end or a
/// failure. Without the last line, the answer is incomplete.
/// </summary>
internal sealed class NdjsonWriter(PooledBuffer output, RowFormat format, Numbers numbers)
    : JsonRowWriter(output, format, numbers)
{
    public override void Begin(IReadOnlyList<Column> columns, IReadOnlyList<ColumnDescription> descriptions)
    {
        base.Begin(columns, descriptions);
        WriteLine(json => json.WriteColumns(columns));
    }

    public override void Write(DataType type, ReadOnlySpan<byte> text)
    {
        var start = Output.Length;
        base.Write(type, text);
        JoinLines(type, start);
    }

    public override void WritePart(DataType type, ReadOnlySpan<byte> text, bool isFirst, bool isLast)
    {
        var start = Output.Length;
        base.WritePart(type, text, isFirst, isLast);
        JoinLines(type, start);
    }

    public override void EndRow()
    {
        base.EndRow();
        Output.Write((byte)'\n');
    }

    public override void End(ResultEnd end) => WriteLine(json =>
    {
        json.WriteStartObject("end"u8);
        json.WriteRowCount(end.RowCount);
        json.WriteBoolean("truncated"u8, end.Truncated);
        json.WriteEndObject();
    });

    public override bool Fail(ReadOnlySpan<byte> problem)
    {
        Output.Write("{\"error\":"u8);
        Output.Write(problem);
        Output.Write("}\n"u8);
        return true;
    }

    /// <summary>
    /// Replaces the line breaks in a JSON value by spaces. They are between tokens, where a space means the same:
    /// strings have them escaped.
    /// </summary>
    private void JoinLines(DataType type, int start)
    {
        if (type.Form is not (JsonForm.Json or JsonForm.Array or JsonForm.Composite))
            return;
        var written = Output.From(start);
        written.Replace((byte)'\n', (byte)' ');
        written.Replace((byte)'\r', (byte)' ');
    }

    private void WriteLine(Action<Utf8JsonWriter> write)
    {
        using (var json = new Utf8JsonWriter(Output, JsonString.WriterOptions))
        {
            json.WriteStartObject();
            write(json);
            json.WriteEndObject();
        }
        Output.Write((byte)'\n');
    }
}
