using System.Text;
using System.Text.Json;
using Gateway.Api.Errors;
using Gateway.Api.Json;
using Gateway.Api.Results;
using Gateway.Contracts;

namespace Gateway.Api.Tests.Results;

/// <summary>PostgreSQL's text of a value → JSON. The tests with a server compare the same with <c>to_json</c>.</summary>
public sealed class JsonValueTests
{
    [Theory]
    [InlineData("text", "", "\"\"")]
    [InlineData("text", "a\"b\\c\nd\té😀", """ "a\"b\\c\nd\té😀" """)]
    [InlineData("integer", "-12", "-12")]
    [InlineData("numeric", "12345678901234567890.10", "12345678901234567890.10")]
    [InlineData("numeric", "NaN", "\"NaN\"")]
    [InlineData("numeric", "-Infinity", "\"-Infinity\"")]
    [InlineData("boolean", "t", "true")]
    [InlineData("boolean", "f", "false")]
    [InlineData("json", """{"a" : [1, 2]}""", """{"a" : [1, 2]}""")]
    [InlineData("date", "2026-01-02", "\"2026-01-02\"")]
    [InlineData("date", "infinity", "\"infinity\"")]
    [InlineData("date", "0044-03-15 BC", "\"0044-03-15 BC\"")]
    [InlineData("timestamptz", "2026-01-02 03:04:05.6+00", "\"2026-01-02T03:04:05.6+00:00\"")]
    [InlineData("timestamptz", "2026-01-02 03:04:05-03:30", "\"2026-01-02T03:04:05-03:30\"")]
    [InlineData("timestamptz", "0044-03-15 12:00:00+00 BC", "\"0044-03-15T12:00:00+00:00 BC\"")]
    [InlineData("timestamptz", "-infinity", "\"-infinity\"")]
    [InlineData("integer[]", "{}", "[]")]
    [InlineData("integer[]", "{1,NULL,3}", "[1,null,3]")]
    [InlineData("integer[]", "{{1,2},{3,4}}", "[[1,2],[3,4]]")]
    [InlineData("integer[]", "[0:1]={1,2}", "[1,2]")]
    [InlineData("text[]", """{a,"b,c","d\"e\\f","NULL",NULL,""}""", """["a","b,c","d\"e\\f","NULL",null,""]""")]
    [InlineData("json[]", """{"{\"a\": 1}",2}""", """[{"a": 1},2]""")]
    [InlineData("box[]", "{(1,1),(0,0);(2,2),(0,0)}", """["(1,1),(0,0)","(2,2),(0,0)"]""")]
    [InlineData("oidvector", "1 2 3", "[1,2,3]")]
    [InlineData("oidvector", "", "[]")]
    [InlineData("pair", """(1,"x ""y"" \\z")""", """{"a":1,"b \"q\"":"x \"y\" \\z"}""")]
    [InlineData("pair", "(,)", """{"a":null,"b \"q\"":null}""")]
    [InlineData("pair", """(1,"")""", """{"a":1,"b \"q\"":""}""")]
    [InlineData("pair[]", """{"(1,x)",NULL}""", """[{"a":1,"b \"q\"":"x"},null]""")]
    [InlineData("hstore", "", "{}")]
    [InlineData("hstore", """ "a"=>"1", "b"=>NULL, "c\"d"=>"\\" """, """{"a":"1","b":null,"c\"d":"\\"}""")]
    public void Text_BecomesJson(string type, string text, string json)
    {
        text = type == "hstore" ? text.Trim() : text;
        var written = Write(type, text, Numbers.Exact);

        Assert.Equal(json.Trim(), written);
        using var parsed = JsonDocument.Parse(written);
    }

    [Theory]
    [InlineData("numeric", "1.10", "\"1.10\"")]
    [InlineData("numeric[]", "{1.10,NaN}", "[\"1.10\",\"NaN\"]")]
    [InlineData("integer", "1", "1")]
    public void NumbersAsStrings_AreThoseThatADoubleMayNotHold(string type, string text, string json) =>
        Assert.Equal(json, Write(type, text, Numbers.String));

    /// <summary>The statement has set DateStyle to German or SQL, say.</summary>
    [Theory]
    [InlineData("date", "02.01.2026")]
    [InlineData("timestamptz", "01/02/2026 03:04:05 UTC")]
    [InlineData("date[]", "{02.01.2026}")]
    public void OtherDateStyle_IsRefused(string type, string text) =>
        Assert.Equal(ProblemCode.SqlRejected, Assert.Throws<Failure>(() => Write(type, text, Numbers.Exact)).Code);

    /// <summary>The text has another number of attributes than the type had when it was looked up.</summary>
    [Theory]
    [InlineData("(1)")]
    [InlineData("(1,x,2)")]
    public void CompositeThatWasAltered_IsAConflict(string text) =>
        Assert.Equal(ProblemCode.Conflict, Assert.Throws<Failure>(() => Write("pair", text, Numbers.Exact)).Code);

    private static string Write(string type, string text, Numbers numbers)
    {
        using var output = new PooledBuffer(int.MaxValue);
        JsonValue.Write(output, DataTypes.Find(type), Encoding.UTF8.GetBytes(text), numbers);
        return Encoding.UTF8.GetString(output.Written.Span);
    }
}
