using System.Text;
using Gateway.Api.Errors;
using Gateway.Api.Json;
using Gateway.Api.Neon;
using Gateway.Api.Postgres;
using Gateway.Api.Results;
using Gateway.Api.Types;
using Gateway.Contracts;

namespace Gateway.Api.Tests.Results;

/// <summary>One result, in each format that the interface of writers has.</summary>
public sealed class ResultWriterTests
{
    private static readonly DataType[] Types = [DataTypes.Integer, DataTypes.Text, DataTypes.Json];

    private static readonly string?[][] Rows = [["1", "a,\"b\"", "{\"x\":\n1}"], [null, "", "null"]];

    [Theory]
    [InlineData("array of objects", """[{"n":1,"t":"a,\"b\"","j":{"x":¶1}},{"n":null,"t":"","j":null}]""")]
    [InlineData("array of arrays", """[[1,"a,\"b\"",{"x":¶1}],[null,"",null]]""")]
    [InlineData(
        "ndjson",
        """{"columns":[{"name":"n","type":"integer"},{"name":"t","type":"text"},{"name":"j","type":"json"}]}¶"""
        + """{"n":1,"t":"a,\"b\"","j":{"x": 1}}¶{"n":null,"t":"","j":null}¶{"end":{"rowCount":2,"truncated":true}}¶""")]
    [InlineData("csv", "n,t,j↵1,\"a,\"\"b\"\"\",\"{\"\"x\"\":¶1}\"↵,\"\",null↵")]
    [InlineData(
        "neon",
        """{"fields":[{"name":"n","dataTypeID":23,"tableID":0,"columnID":1,"dataTypeSize":4,"dataTypeModifier":-1,"format":"text"},"""
        + """{"name":"t","dataTypeID":23,"tableID":0,"columnID":2,"dataTypeSize":4,"dataTypeModifier":-1,"format":"text"},"""
        + """{"name":"j","dataTypeID":23,"tableID":0,"columnID":3,"dataTypeSize":4,"dataTypeModifier":-1,"format":"text"}],"rows":"""
        + """[{"n":1,"t":"a,\"b\"","j":{"x":¶1}},{"n":null,"t":"","j":null}],"command":"SELECT","rowCount":2,"rowAsArray":false}""")]
    public void Result_IsWritten(string format, string expected)
    {
        using var writer = WriterOf(format);
        Write(writer, ["n", "t", "j"]);

        Assert.Equal(expected.Replace('¶', '\n').Replace("↵", "\r\n", StringComparison.Ordinal), TextOf(writer));
    }

    [Theory]
    [InlineData("array of objects", "[]")]
    [InlineData("ndjson", "{\"columns\":[]}\n{\"end\":{\"rowCount\":2,\"truncated\":true}}\n")]
    [InlineData("csv", "")]
    [InlineData("neon", """{"fields":[],"rows":[],"command":"SELECT","rowCount":2,"rowAsArray":false}""")]
    public void StatementWithoutRows_IsWritten(string format, string expected)
    {
        using var writer = WriterOf(format);
        writer.Begin([], []);
        writer.End(new ResultEnd("SELECT", 2, 2, Truncated: true));

        Assert.Equal(expected, TextOf(writer));
    }

    /// <summary>A JSON object can't hold both. Neon's drivers show the last one, as every driver for JavaScript does.</summary>
    [Theory]
    [InlineData("array of objects", true)]
    [InlineData("ndjson", true)]
    [InlineData("array of arrays", false)]
    [InlineData("csv", false)]
    [InlineData("neon", false)]
    public void TwoColumnsOfOneName_AreRefusedInObjects(string format, bool isRefused)
    {
        using var writer = WriterOf(format);
        var error = Record.Exception(() => Write(writer, ["n", "t", "n"]));

        Assert.Equal(isRefused ? ProblemCode.DuplicateColumn : null, (error as Failure)?.Code);
    }

    [Theory]
    [InlineData("ndjson", "{\"error\":{\"code\":\"conflict\"}}\n")]
    [InlineData("csv", null)]
    [InlineData("array of objects", null)]
    public void LateFailure_IsWrittenWhereTheFormatHasAPlaceForIt(string format, string? expected)
    {
        using var writer = WriterOf(format);

        Assert.Equal(expected is not null, writer.Fail("{\"code\":\"conflict\"}"u8));
        Assert.Equal(expected ?? "", TextOf(writer));
    }

    /// <summary>The same value in parts and at once is the same text, wherever it is cut.</summary>
    [Theory]
    [InlineData("ndjson", "text", "say \"é😀\"\n, \\ and more")]
    [InlineData("csv", "text", "say \"é😀\"\n, \\ and more")]
    [InlineData("ndjson", "json", "{\"a\": \"é\",\n\r \"b\": [1, 2]}")]
    [InlineData("csv", "json", "{\"a\": \"é\",\n\r \"b\": [1, 2]}")]
    public void ValueInParts_IsTheValue(string format, string type, string value)
    {
        var bytes = Encoding.UTF8.GetBytes(value);
        string whole;
        using (var writer = WriterOf(format))
        {
            writer.Write(DataTypes.Find(type), bytes);
            whole = TextOf(writer);
        }
        for (var cut = 1; cut < bytes.Length; cut++)
        {
            // A cut is always between characters.
            if ((bytes[cut] & 0xC0) == 0x80)
                continue;
            using var writer = WriterOf(format);
            writer.WritePart(DataTypes.Find(type), bytes.AsSpan(0, cut), isFirst: true, isLast: false);
            writer.WritePart(DataTypes.Find(type), bytes.AsSpan(cut), isFirst: false, isLast: true);

            Assert.Equal(whole, TextOf(writer));
        }
    }

    private static ResultWriter WriterOf(string format)
    {
        var output = new PooledBuffer(int.MaxValue);
        return format switch
        {
            "array of objects" => new JsonArrayWriter(output, RowFormat.Object, Numbers.Exact),
            "array of arrays" => new JsonArrayWriter(output, RowFormat.Array, Numbers.Exact),
            "ndjson" => new NdjsonWriter(output, RowFormat.Object, Numbers.Exact),
            "csv" => new CsvWriter(output, Numbers.Exact),
            "neon" => new SqlResultWriter(output, RowFormat.Object, rawText: false),
            _ => throw new ArgumentOutOfRangeException(nameof(format), format, null),
        };
    }

    private static void Write(ResultWriter writer, string[] names)
    {
        Column[] columns = [.. names.Select((name, index) => new Column(name, Types[index].Name))];
        writer.Begin(columns, [.. names.Select((_, index) => new ColumnDescription(23, 0, (short)(index + 1), 4, -1))]);
        foreach (var row in Rows)
        {
            writer.BeginRow();
            foreach (var (index, value) in row.Index())
            {
                writer.BeginValue(index);
                if (value is null)
                    writer.WriteNull();
                else
                    writer.Write(Types[index], Encoding.UTF8.GetBytes(value));
            }
            writer.EndRow();
        }
        writer.End(new ResultEnd("SELECT", 2, 2, Truncated: true));
    }

    private static string TextOf(ResultWriter writer) => Encoding.UTF8.GetString(writer.Output.Written.Span);
}
