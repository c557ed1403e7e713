using System.Text;
using System.Text.Json;
using Gateway.Api.Json;
using Gateway.Api.Postgres;
using Gateway.Api.Results;
using Gateway.Api.Types;
using Gateway.Contracts;

namespace Gateway.Api.Neon;

/// <summary>
/// Writes a result in the protocol's form: the fields as PostgreSQL describes them, the rows, and the command tag.
/// Drivers read a value by the OID of its type.
/// </summary>
internal sealed class SqlResultWriter(PooledBuffer output, RowFormat format, bool rawText)
    : JsonArrayWriter(output, format, Numbers.Exact)
{
    // The type that each column's values are written as; set at the first value.
    private DataType?[] _types = [];
    private int _column;

    public override bool NeedsDescriptions => true;

    public override void Begin(IReadOnlyList<Column> columns, IReadOnlyList<ColumnDescription> descriptions)
    {
        _types = new DataType?[columns.Count];
        using (var json = new Utf8JsonWriter(Output, JsonString.WriterOptions))
        {
            // The object stays open, because the rows are its member.
            json.WriteStartObject();
            json.WriteStartArray("fields"u8);
            for (var i = 0; i < columns.Count; i++)
                WriteField(json, columns[i].Name, descriptions[i]);
            json.WriteEndArray();
            json.WritePropertyName("rows"u8);
        }
        base.Begin(columns, descriptions);
    }

    public override void BeginValue(int column)
    {
        _column = column;
        base.BeginValue(column);
    }

    public override void Write(DataType type, ReadOnlySpan<byte> text)
    {
        if (rawText)
            JsonString.Write(Output, text);
        else
            base.Write(_types[_column] ??= Plain(type), text);
    }

    public override void End(ResultEnd end)
    {
        base.End(end);
        Output.Write(",\"command\":"u8);
        JsonString.Write(Output, Encoding.UTF8.GetBytes(end.Command));
        Output.Write(",\"rowCount\":"u8);
        Output.Write(end.TagCount is { } count ? Encoding.UTF8.GetBytes(count.ToString()) : "null"u8);
        Output.Write(Format == RowFormat.Array ? ",\"rowAsArray\":true}"u8 : ",\"rowAsArray\":false}"u8);
    }

    /// <summary>Allows duplicate names: as in any JavaScript driver, the last column of a name is visible.</summary>
    protected override void RefuseDuplicates(IReadOnlyList<Column> columns)
    {
    }

    /// <summary>
    /// Returns the type in the protocol's form. Values that every JSON reader reads without loss are inlined; all
    /// others are PostgreSQL's text.
    /// </summary>
    private static DataType Plain(DataType type) => type.Form switch
    {
        JsonForm.Boolean or JsonForm.Number or JsonForm.Json => type,
        JsonForm.Array => type with { Element = Plain(type.Element!) },
        _ => type with { Form = JsonForm.Text },
    };

    private static void WriteField(Utf8JsonWriter json, string name, ColumnDescription column)
    {
        json.WriteStartObject();
        json.WriteString("name"u8, name);
        json.WriteNumber("dataTypeID"u8, column.TypeOid);
        json.WriteNumber("tableID"u8, column.TableOid);
        json.WriteNumber("columnID"u8, column.ColumnNumber);
        json.WriteNumber("dataTypeSize"u8, column.TypeSize);
        json.WriteNumber("dataTypeModifier"u8, column.TypeModifier);
        json.WriteString("format"u8, "text"u8);
        json.WriteEndObject();
    }
}
