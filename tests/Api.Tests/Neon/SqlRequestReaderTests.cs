using System.Text.Json;
using Gateway.Api.Errors;
using Gateway.Api.Neon;
using Gateway.Contracts;

namespace Gateway.Api.Tests.Neon;

public sealed class SqlRequestReaderTests
{
    [Theory]
    [InlineData("null", null)]
    [InlineData("\"it's \\\"so\\\"\"", "it's \"so\"")]
    [InlineData("true", "true")]
    [InlineData("12345678901234567890.10", "12345678901234567890.10")]
    [InlineData("""{"a": [1, "b"]}""", """{"a": [1, "b"]}""")]
    [InlineData("[]", "{}")]
    [InlineData("""[true, null, "NULL", 42, "fo\"o", "b\\ar", "line\nbreak", ""]""", "{true,NULL,\"NULL\",42,\"fo\\\"o\",\"b\\\\ar\",\"line\nbreak\",\"\"}")]
    [InlineData("[[1, 2], [3, null]]", "{{1,2},{3,NULL}}")]
    [InlineData("""[{"a": 1}, {"b": "c"}]""", """{"{\"a\": 1}","{\"b\": \"c\"}"}""")]
    public void Parameter_IsTextWithoutAType(string json, string? text)
    {
        var request = Read($$"""{"query": "SELECT $1", "params": [{{json}}]}""");

        var value = Assert.Single(Assert.Single(request.Statements).Statement.Values);
        Assert.Equal((text, null), (value.Text, value.Json));
    }

    [Theory]
    [InlineData("", false, RowFormat.Object)]
    [InlineData("", true, RowFormat.Array)]
    [InlineData(", \"arrayMode\": null", true, RowFormat.Array)]
    [InlineData(", \"arrayMode\": true", false, RowFormat.Array)]
    [InlineData(", \"arrayMode\": false", true, RowFormat.Object)]
    public void ArrayModeOfTheQuery_GoesBeforeTheHeaders(string field, bool header, RowFormat format) =>
        Assert.Equal(format, Read($$"""{"query": "SELECT 1"{{field}}}""", header).Statements[0].RowFormat);

    [Fact]
    public void Queries_AreABatch()
    {
        var request = Read("""{"queries": [{"query": "SELECT 1"}, {"query": "SELECT $1", "params": [2], "arrayMode": true}]}""");

        Assert.True(request.IsBatch);
        Assert.Equal([0, 1], request.Statements.Select(statement => statement.Statement.Values.Count));
        Assert.Equal([RowFormat.Object, RowFormat.Array], request.Statements.Select(statement => statement.RowFormat));
    }

    [Fact]
    public void NoQueries_AreABatchOfNothing()
    {
        var request = Read("""{"queries": []}""");

        Assert.True(request.IsBatch);
        Assert.Empty(request.Statements);
    }

    [Fact]
    public void FieldsOfAnotherVersion_AreLeftAlone() =>
        Assert.False(Read("""{"query": "SELECT 1", "params": null, "fetchMode": 3}""").IsBatch);

    [Theory]
    [InlineData("{}", "")]
    [InlineData("""{"queries": {}}""", "")]
    [InlineData("""{"query": 1}""", "/query")]
    [InlineData("""{"query": "SELECT 1", "arrayMode": "true"}""", "/arrayMode")]
    [InlineData("""{"query": "SELECT :a", "params": {"a": 1}}""", "/params")]
    [InlineData("""{"query": "SELECT $1"}""", "/params")]
    [InlineData("""{"query": "SELECT 1", "params": [1]}""", "/params")]
    [InlineData("""{"query": "SELECT $1", "params": ["a\u0000"]}""", "/params/0")]
    [InlineData("""{"query": "SELECT $1", "params": [[[[[[[[1]]]]]]]]}""", "/params/0/0/0/0/0/0/0")]
    [InlineData("""{"queries": [{"query": "SELECT 1"}, 2]}""", "/queries/1")]
    [InlineData("""{"queries": [{"query": "SELECT 1"}, {"sql": "SELECT 1"}]}""", "/queries/1")]
    [InlineData("""{"queries": [{"query": "SELECT $1", "params": []}]}""", "/queries/0/params")]
    public void Fault_IsFoundWhereItIs(string body, string pointer)
    {
        var failure = Assert.Throws<Failure>(() => Read(body));

        Assert.Equal(ProblemCode.InvalidRequest, failure.Code);
        Assert.Equal(pointer, Assert.Single(failure.Faults!).Pointer);
    }

    [Fact]
    public void FaultsOfAllQueries_AreFoundAtOnce()
    {
        var failure = Assert.Throws<Failure>(() => Read(
            """{"queries": [{"query": 1}, {"query": "SELECT 1"}, {"query": "SELECT $1"}, {"query": "SELECT 1", "params": 1, "arrayMode": 2}]}"""));

        Assert.Equal(
            ["/queries/0/query", "/queries/2/params", "/queries/3/arrayMode", "/queries/3/params"],
            failure.Faults!.Select(fault => fault.Pointer));
    }

    [Theory]
    [InlineData(1000, true)]
    [InlineData(1001, false)]
    public void Batch_HasAtMost1000Queries(int count, bool isRead)
    {
        var body = $$"""{"queries": [{{string.Join(',', Enumerable.Repeat("{\"query\": \"SELECT 1\"}", count))}}]}""";

        if (isRead)
            Assert.Equal(count, Read(body).Statements.Count);
        else
            Assert.Equal("/queries", Assert.Single(Assert.Throws<Failure>(() => Read(body)).Faults!).Pointer);
    }

    private static SqlRequest Read(string body, bool arrayMode = false) =>
        SqlRequestReader.Read(JsonElement.Parse(body), arrayMode);
}
